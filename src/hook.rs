//! [`with_hook`]: waking what knows nothing of interrupts.

use std::panic::resume_unwind;

use crate::entry::install;
use crate::interrupted::Interrupted;
use crate::thread::helper_thread;
use list::Registered;

pub(crate) mod list;
pub(crate) mod masked;
pub(crate) mod thread;

/// Runs `body` with a hook that is run when this thread is interrupted: for waking it from a wait
/// that knows nothing of interrupts.
///
/// The hook is run once each time the thread becomes armed: at once if it is armed already, at the
/// mask's end if it is [masked](crate::mask()), for a request and for a deadline alike. It is run
/// by whoever interrupts, on that thread, before the `interrupt` returns; for a deadline on a
/// thread of this crate's; or by this thread itself, if the body, a task or a deadline in it ends before. (Where
/// several threads with hooks are interrupted at once, threads of this crate's run some of them, and may be at it
/// when the `interrupt` returns.) Since it comes from elsewhere it must not do
/// what the body would do on an interrupt, but only wake the body: which then has to ask a
/// [`checkpoint`](crate::checkpoint()). It should be quick, and must not wait for this thread.
///
/// The hook comes first: the calls of the body are interrupted, and [refused](crate::reach()), when it has returned,
/// or after 10 ms if it has not by then. So what it wakes ends as it would by itself: a library that knows no
/// errors, or that first has to read the answer. (Our own calls, and checkpoints, raise in any case when they begin
/// meanwhile. Where the kernel has no timer to give, at the limit on queued signals, nothing waits for the hook.)
///
/// When `with_hook` returns, the hook is not running, and will not be run any more. Nor is it
/// running when, in the body, a task or a deadline has ended or a mask has begun, and the thread is
/// not armed any more by that: what follows is not woken by what was meant for something else.
///
/// Hooks nest; the innermost is run first.
///
/// # Examples
///
/// A channel of std's, whose receiver is woken by a message of its own:
///
/// ```
/// use std::sync::mpsc;
///
/// enum Message {
///     Job(u32),
///     Wake,
/// }
///
/// fn work(
///     jobs: mpsc::Receiver<Message>,
///     wake: mpsc::Sender<Message>,
/// ) -> Result<u32, eintr::Interrupted> {
///     let mut sum = 0;
///     eintr::with_hook(
///         move |_| drop(wake.send(Message::Wake)),
///         || loop {
///             match jobs.recv() {
///                 Ok(Message::Job(job)) => sum += job,
///                 Ok(Message::Wake) => eintr::checkpoint()?,
///                 Err(_) => return Ok(sum),
///             }
///         },
///     )
/// }
///
/// let (send, jobs) = mpsc::channel();
/// let wake = send.clone();
/// let worker = eintr::spawn(move || work(jobs, wake));
/// send.send(Message::Job(1)).unwrap();
/// worker.interrupt();
/// assert!(worker.join().unwrap().is_err());
/// ```
///
/// A library whose wait takes any error for the end of the world, and is ended by its own means:
///
/// ```no_run
/// # mod signal_hook { pub struct Signals; pub struct Handle; impl Signals { pub fn handle(&self) -> Handle { Handle }
/// # pub fn forever(&mut self) -> std::iter::Empty<i32> { std::iter::empty() } } impl Handle { pub fn close(&self) {} } }
/// fn log_signals(signals: &mut signal_hook::Signals) {
///     let handle = signals.handle();
///     eintr::with_hook(
///         move |_| handle.close(),
///         || {
///             for signal in signals.forever() {
///                 println!("signal {signal}");
///             }
///         },
///     );
/// }
/// ```
///
/// # Panics
///
/// If `body` does; and if the hook has, after `body` has returned. And before `body` is run, if there is a
/// deadline in force, and the thread that runs hooks at deadlines cannot be started. The same goes for a
/// deadline that begins in the body.
#[track_caller]
pub fn with_hook<T>(hook: impl FnMut(&Interrupted) + Send, body: impl FnOnce() -> T) -> T {
    install::ensure();
    let mut hook = hook;
    let registered = helper_thread::needed(Registered::begin(&mut hook));
    let value = body();
    if let Some(payload) = registered.end() {
        resume_unwind(payload);
    }
    value
}
