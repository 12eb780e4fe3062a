//! Stretches that have ended on another thread than they began on.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use super::Ended;
use super::list::with;
use crate::room::Room;
use crate::thread::{Block, fork_gate};

/// Numbers of stretches that have ended on another thread than they began on; and of those whose thread has ended before
/// them, of which nobody ends most (a thread in C may have been cancelled): so many are remembered.
static STRAYS: Mutex<[Vec<u64>; 2]> = Mutex::new([const { Vec::new() }; 2]);
pub(super) const ENDED_ELSEWHERE: usize = 0;
pub(super) const LEFT: usize = 1;
const MOST_LEFT: usize = 4096;
/// How many have ended elsewhere.
static STRAY: AtomicUsize = AtomicUsize::new(0);

/// Notes one half of what becomes of a stretch; if the other half is known, there is nothing to note.
pub(super) fn note(half: usize, number: u64) {
    fork_gate::with_room(|_, room: &mut Room<Vec<_>>| {
        let mut strays = STRAYS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = strays[1 - half].iter().position(|other| *other == number) {
            strays[1 - half].swap_remove(place);
        } else {
            room.for_one_more(&mut strays[half])?;
            strays[half].push(number);
            if half == LEFT && strays[LEFT].len() > MOST_LEFT {
                strays[LEFT].swap_remove(0);
            }
        }
        STRAY.store(strays[ENDED_ELSEWHERE].len(), Relaxed);
        Ok(())
    });
}

/// To be called where a stretch has ended on another thread than it began on.
#[cold]
pub(crate) fn tell_of_stray(what: &str) {
    if !std::thread::panicking() {
        panic!("{what} has ended on another thread than it began on");
    }
}

/// Whether any thread has something in its list that has ended elsewhere.
#[inline]
pub(crate) fn any_strays() -> bool {
    STRAY.load(Relaxed) != 0
}

/// Takes something that has ended elsewhere off the calling thread's list.
#[cold]
pub(crate) fn take_in_stray(block: &Block) -> Option<Ended> {
    if !any_strays() {
        return None;
    }
    with(|all| {
        let number = {
            let _gate = fork_gate::gate();
            let strays =
                &mut STRAYS.lock().unwrap_or_else(PoisonError::into_inner)[ENDED_ELSEWHERE];
            let place = strays.iter().position(|number| all.find(*number).is_some())?;
            let number = strays.swap_remove(place);
            STRAY.store(strays.len(), Relaxed);
            number
        };
        all.remove(block, number).map(|(ended, _)| ended)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::stretches::{Stretch, begin_reach, end};

    fn is_noted(stretch: Stretch) -> bool {
        STRAYS.lock().unwrap().iter().flatten().any(|number| *number == stretch.number)
    }

    #[test]
    fn nothing_is_noted_of_what_has_ended_on_both_sides() {
        let begun = |then: fn(Stretch)| {
            let thread = move || {
                crate::task().0.run(|| ());
                let stretch = begin_reach(true);
                then(stretch);
                stretch
            };
            std::thread::spawn(thread).join().unwrap()
        };
        let end_elsewhere = |stretch| {
            assert!(end(stretch).is_none());
        };
        // The thread ends first.
        let stretch = begun(|_| {});
        assert!(is_noted(stretch));
        end_elsewhere(stretch);
        assert!(!is_noted(stretch));
        // It ends last.
        let stretch = begun(|stretch| {
            std::thread::spawn(move || assert!(end(stretch).is_none())).join().unwrap();
            assert!(is_noted(stretch));
        });
        assert!(!is_noted(stretch));
    }
}
