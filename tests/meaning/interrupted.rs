//! What is handed out: the interrupt as an error, through every kind of error, and as the end of an
//! iterator (P4).
//!
//! The tests here work like this: a task asks itself, and looks at what it is given.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use eintr::{
    Error, Interrupted, Interrupter, IteratorExt, Outcome, Partial, Reason, Request, Task,
    checkpoint, take, task,
};

/// Runs `f` as a task that it may interrupt.
fn with_task<T>(f: impl FnOnce(&Interrupter) -> T) -> T {
    let (task, interrupter) = task();
    task.run(|| f(&interrupter))
}

/// What is taken, as text; empty for nothing.
fn taken() -> String {
    take().map(|interrupted| interrupted.to_string()).unwrap_or_default()
}

#[test]
fn reasons_of_all_kinds() {
    #[derive(Debug, PartialEq)]
    struct Quota(u32);
    impl fmt::Display for Quota {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "over by {}", self.0)
        }
    }
    impl StdError for Quota {}

    with_task(|interrupter| {
        interrupter.interrupt();
        let plain = take().unwrap();
        assert!(matches!(plain.reason(), Reason::Requested));
        assert!(plain.downcast_ref::<Quota>().is_none());

        interrupter.interrupt_with("a text");
        interrupter.interrupt_with(String::from("a String"));
        interrupter.interrupt_with(Quota(3));
        interrupter.interrupt_with(anyhow::anyhow!("anyhow").context("and why"));
        assert_eq!(taken(), "interrupted: a text");
        assert_eq!(taken(), "interrupted: a String");
        let custom = take().unwrap();
        assert!(matches!(custom.reason(), Reason::Custom(_)));
        assert_eq!(custom.downcast_ref::<Quota>(), Some(&Quota(3)));
        assert_eq!(custom.source().unwrap().downcast_ref::<Quota>(), Some(&Quota(3)));
        assert_eq!(custom.to_string(), "interrupted: over by 3");
        let chain = take().unwrap();
        assert_eq!(chain.to_string(), "interrupted: and why");
        assert_eq!(chain.source().unwrap().source().unwrap().to_string(), "anyhow");
    });
}

#[test]
fn an_interrupt_is_found_in_every_error() {
    let interrupted = with_task(|interrupter| {
        interrupter.interrupt_with("why");
        take().unwrap()
    });
    let found = |error: &(dyn StdError + 'static)| {
        assert_eq!(Interrupted::of(error).expect("it is in there").to_string(), "interrupted: why");
    };
    let again = || interrupted.clone();

    found(&again());
    found(&Error::from(again()));
    found(&std::io::Error::from(again()));
    found(&std::io::Error::from(Error::from(again())));
    found(&Error::Io(std::io::Error::from(again())));
    found(&std::io::Error::other(std::io::Error::from(again())));
    let boxed: Box<dyn StdError + Send + Sync> = again().into();
    found(&*boxed);
    let boxed: Box<dyn StdError> = Box::new(std::io::Error::from(again()));
    found(&*boxed);
    found(anyhow::Error::from(again()).as_ref());
    found(anyhow::Error::from(Error::from(again())).context("while reading").as_ref());
    found(
        anyhow::Error::from(std::io::Error::from(again())).context("one").context("two").as_ref(),
    );

    // As they are: no `&*`, no `as_ref`.
    let sendable: Box<dyn StdError + Send> = Box::new(again());
    let both: Box<dyn StdError + Send + Sync> = again().into();
    let ways = [
        Interrupted::of(&boxed),
        Interrupted::of(&sendable),
        Interrupted::of(&both),
        Interrupted::of(&*sendable),
        Interrupted::of(&*both),
        Interrupted::of(&Box::new(again())),
        Interrupted::of(&std::sync::Arc::new(std::io::Error::from(again()))),
        Interrupted::of(&anyhow::Error::from(again()).context("while reading")),
        Err::<(), _>(both).as_ref().err().and_then(Interrupted::of),
        std::io::Error::other(Error::from(again())).get_ref().and_then(Interrupted::of),
    ];
    assert!(
        ways.iter()
            .all(|way| way.as_ref().is_some_and(|found| found.to_string() == "interrupted: why"))
    );

    // Back again, by `?` in either direction.
    let round = |error: Error| -> Error { std::io::Error::from(error).into() };
    assert!(matches!(round(round(again().into())), Error::Interrupted(_)));

    assert!(Interrupted::of(&std::io::Error::from_raw_os_error(libc::EINTR)).is_none());
    assert!(Interrupted::of(&std::io::Error::from_raw_os_error(libc::ECANCELED)).is_none());
    assert!(Interrupted::of(&Error::Io(std::io::Error::other("disk full"))).is_none());
}

#[test]
fn an_interrupt_is_never_of_the_kind_that_is_retried() {
    with_task(|interrupter| {
        interrupter.interrupt();
        let raised = || checkpoint().unwrap_err();
        assert_eq!(std::io::Error::from(raised()).kind(), std::io::ErrorKind::Other);
        assert_eq!(std::io::Error::from(Error::from(raised())).kind(), std::io::ErrorKind::Other);
    });
}

#[test]
fn types_are_what_they_promise() {
    fn shared<T: Send + Sync + Unpin>() {}
    fn unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    fn error<T: StdError + 'static>() {}
    shared::<Interrupted>();
    unwind_safe::<Interrupted>();
    shared::<Interrupter>();
    shared::<Request>();
    shared::<Outcome>();
    shared::<eintr::Report>();
    shared::<Error>();
    shared::<Partial>();
    shared::<Reason>();
    shared::<eintr::JoinHandle<u8>>();
    fn sent<T: Send>() {}
    sent::<Task>();
    error::<Interrupted>();
    error::<Error>();
    error::<Partial>();
    error::<eintr::InstallError>();
    assert_eq!(size_of::<Interrupted>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Interrupted>>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), Interrupted>>(), size_of::<usize>());
}

#[test]
fn a_clone_is_the_same_interrupt() {
    with_task(|interrupter| {
        interrupter.interrupt_with("why");
        let one = checkpoint().unwrap_err();
        let other = checkpoint().unwrap_err();
        let addresses = [&one, &other, &one.clone()].map(|i| std::ptr::from_ref(i.reason()));
        assert!(
            addresses.iter().all(|address| *address == addresses[0]),
            "made once, by the requester"
        );
    });
}

#[test]
fn an_interruptible_iterator_ends_with_one_error() {
    with_task(|interrupter| {
        let mut numbers = (0..10).interruptible();
        assert_eq!(numbers.next().unwrap().unwrap(), 0);
        interrupter.interrupt();
        assert!(numbers.next().unwrap().is_err());
        assert!(numbers.next().is_none() && numbers.next().is_none());
        assert!(take().is_some());
        assert!(numbers.next().is_none(), "ended is ended");
        let all: Result<Vec<i32>, Interrupted> = (0..3).interruptible().collect();
        assert_eq!(all.unwrap(), [0, 1, 2]);
    });
}

#[test]
fn an_interruptible_iterator_knows_its_size() {
    let mut three = [1, 2, 3].iter().interruptible();
    assert_eq!(three.size_hint(), (0, Some(4)));
    assert_eq!(three.by_ref().count(), 3);
    assert_eq!(three.size_hint(), (0, Some(0)));
    assert_eq!((0..usize::MAX).interruptible().size_hint(), (0, None));
}
