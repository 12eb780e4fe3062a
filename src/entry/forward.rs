//! Passing on what is not ours, as if we were not there (P5, S1).
//!
//! # Safety
//!
//! The function that is called is the one that the application had installed for this signal, with
//! the arguments that the kernel made for it.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use libc::{c_int, c_void, siginfo_t, ucontext_t};

use crate::arch;
use crate::kernel::{Action, raw, signals};
use crate::reach::{dispatch, eintr};
use crate::signal::Previous;
use crate::thread::{block, registry};

impl Previous {
    /// Does with a signal what would have been done with it without us.
    pub(crate) fn forward(
        &self,
        number: c_int,
        info: *mut siginfo_t,
        context: *mut c_void,
        may_act_by_default: bool,
    ) {
        match self.handler.load(Ordering::Acquire) {
            libc::SIG_IGN => {}
            libc::SIG_DFL if may_act_by_default => self.act_by_default(number),
            libc::SIG_DFL => {}
            handler => {
                if self.has(libc::SA_RESETHAND) && !self.reset(handler) {
                    // Another thread was quicker: by now the default is in force.
                    return if may_act_by_default {
                        self.act_by_default(number)
                    };
                }
                self.call(handler, number, info, context);
            }
        }
    }

    /// One-shot handlers run once; whether it is us who run it.
    fn reset(&self, handler: usize) -> bool {
        let [now, then] = [Ordering::AcqRel, Ordering::Relaxed];
        self.handler.compare_exchange(handler, libc::SIG_DFL, now, then).is_ok()
    }

    /// Calls the handler that was there before, with the mask that it asked for.
    fn call(&self, handler: usize, number: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel's context, which is our handler's until it returns.
        let saved = unsafe { &mut *context.cast::<ucontext_t>() };
        if !self.has(libc::SA_RESTART) {
            eintr::undo_restart(saved);
        }
        // What a sandbox has trapped may be what we ask the kernel for in order to answer the call below: to ask
        // again, or to return by a call that is stopped, would have no end.
        if !arch::trapped_in_raw(saved) {
            self.lead_back(context);
            // Its mask may be that of the code below, which would have blocked for good what its first call lets in.
            if registry::is_known() {
                block::with(|block| dispatch::look_and_let_in(block, saved));
            }
        }
        let itself = if self.has(libc::SA_NODEFER) { 0 } else { signals::bit(number) };
        let mask = *signals::saved_mask(saved) | self.mask.load(Ordering::Relaxed) | itself;
        // Less SIGSYS: dispatch may be on, and then the handler's first syscall would end the
        // process (S2).
        let mask = mask & !signals::bit(libc::SIGSYS);
        let ours = signals::change_mask(libc::SIG_SETMASK, mask);
        self.run(handler, number, info, context);
        signals::change_mask(libc::SIG_SETMASK, ours);
    }

    /// Hands a signal to the handler that was there before, if there is one, without any syscall: on
    /// this thread another user of dispatch stops them (S26). So that handler runs with the mask
    /// that the kernel has put in force for ours.
    pub(crate) fn hand_over(
        &self,
        number: c_int,
        info: *mut siginfo_t,
        context: *mut c_void,
    ) -> bool {
        let handler = self.handler.load(Ordering::Acquire);
        let is_there = handler != libc::SIG_DFL && handler != libc::SIG_IGN;
        let runs = is_there && (!self.has(libc::SA_RESETHAND) || self.reset(handler));
        if runs {
            self.lead_back(context);
            self.run(handler, number, info, context);
        }
        runs
    }

    /// Our handler returns as that one would: another user of dispatch lets its own restorer make a
    /// syscall, and not ours.
    pub(crate) fn lead_back(&self, context: *mut c_void) {
        let restorer = self.restorer.load(Ordering::Relaxed);
        // (aarch64's libc sets none, and leaves there what it likes.)
        if self.has(arch::RESTORER_FLAG) {
            // SAFETY: the kernel's context, which it has given to our handler, or to one that has
            // called ours, and a restorer that it was given with the action.
            unsafe { arch::return_through(context.cast(), restorer) };
        }
    }

    /// Runs that handler.
    fn run(&self, handler: usize, number: c_int, info: *mut siginfo_t, context: *mut c_void) {
        if self.has(libc::SA_SIGINFO) {
            // SAFETY: installed with SA_SIGINFO, so it is a function of these arguments.
            let handler = unsafe {
                std::mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(
                    handler,
                )
            };
            handler(number, info, context);
        } else {
            // SAFETY: installed without SA_SIGINFO, so it is a function of the number.
            let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
            handler(number);
        }
    }

    /// The default action: of every signal that we catch (SIGSYS, SIGUSR1, SIGUSR2, the real-time
    /// ones) it is the process's end. By raw syscalls: those of libc's would be stopped where
    /// dispatch is on, and SIGSYS be recorded and never be set (S2).
    ///
    /// A handler that came after ours may have called us as its previous one. Then the signal has
    /// been handled, and without us nothing would have followed (S21).
    fn act_by_default(&self, number: c_int) {
        if !self.is_ours_in_force(number) {
            return;
        }
        // SAFETY: the default disposition is no handler at all.
        let before = unsafe { signals::set_action(number, &Action::new(libc::SIG_DFL, 0, 0)) };
        let Ok(before) = before else { return };
        if before.handler != self.ours.load(Ordering::Relaxed) {
            // It came between the look and this, and is to stand.
            // SAFETY: a disposition that was there.
            let _ = unsafe { signals::set_action(number, &before) };
            return;
        }
        let arguments = [raw::getpid() as usize, raw::gettid() as usize, number as usize];
        // SAFETY: no pointers.
        let _ = unsafe { raw::syscall(libc::SYS_tgkill, arguments) };
        signals::change_mask(libc::SIG_UNBLOCK, signals::bit(number));
    }
}
