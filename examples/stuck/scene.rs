//! What a call is stuck in: real objects, made for it alone.
//!
//! Shared by `stuck`, which interrupts each call once, and by the points test, which interrupts
//! each at all its points.

use std::time::Duration;

use eintr::Error;

/// The call: made as often as asked, on the same objects.
pub type Call = Box<dyn FnMut() -> Result<(), Error> + Send>;
/// Makes the call's result come: the peer writes, the lock is released.
pub type Provide = Box<dyn FnOnce() + Send>;
/// Looks at the objects after the call was interrupted: what is intact, or what is not.
pub type Check = Box<dyn FnOnce() -> Result<String, String>>;

/// One call and its objects.
pub struct Scene {
    /// The call's name in this crate.
    pub call: &'static str,
    /// The syscalls in which the kernel shows its thread.
    pub syscalls: &'static [&'static str],
    pub stuck: Call,
    /// None if nothing here makes the call succeed.
    pub provide: Option<Provide>,
    pub check: Check,
}

impl Scene {
    pub fn new(
        call: &'static str,
        syscalls: &'static [&'static str],
        stuck: impl FnMut() -> Result<(), Error> + Send + 'static,
    ) -> Self {
        let check = || Ok("it takes nothing".to_owned());
        Self { call, syscalls, stuck: Box::new(stuck), provide: None, check: Box::new(check) }
    }

    pub fn provide<T>(mut self, provide: impl FnOnce() -> T + Send + 'static) -> Self {
        self.provide = Some(Box::new(move || _ = provide()));
        self
    }

    pub fn check(mut self, check: impl FnOnce() -> Result<String, String> + 'static) -> Self {
        self.check = Box::new(check);
        self
    }
}

/// What is intact, if it is.
pub fn intact(is_intact: bool, what: impl Into<String>) -> Result<String, String> {
    let what = what.into();
    if is_intact { Ok(what) } else { Err(format!("NOT: {what}")) }
}

/// A scene, or why this machine has none.
pub type Made = Result<Scene, String>;

/// For calls that a user-mode emulator lacks, makes by others, or runs no handler in.
pub fn unless_emulated(call: &str) -> Result<(), String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/arch").unwrap_or_default();
    match kernel.trim() {
        "" | std::env::consts::ARCH => Ok(()),
        _ => Err(format!(
            "{call}: a user-mode emulator lacks it, or runs no handler before it returns"
        )),
    }
}

/// For timeouts that are not to come.
pub const AN_HOUR: Duration = Duration::from_secs(3600);
