//! Crates that read a terminal or a line: console, crossterm, serialport. Each case of the former is a process of its own, whose
//! standard input is a terminal.

use std::io;
use std::time::Duration;

use crossterm::event::{self, Event};
use eintr::termination::{self, SIGINT};
use eintr::{Error, ResultExt, checkpoint, with_hook};
use test_support::child::{alone, dies_by, has_dispatch};
use test_support::watched;

use super::{POLLS, asked};

/// Makes a terminal this process's own, and its standard input and error. Its
/// other end stays open, or it would hang up.
fn terminal() {
    let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: places for two descriptors, and a size.
    unsafe {
        let none = std::ptr::null_mut();
        assert_eq!(libc::openpty(&mut master, &mut slave, none, std::ptr::null(), &size), 0);
        libc::setsid();
        assert_eq!(libc::ioctl(slave, libc::TIOCSCTTY, 0), 0);
        assert_eq!((libc::dup2(slave, 0), libc::dup2(slave, 2)), (0, 2));
    }
}

/// It takes EINTR for Ctrl-C, and does what Ctrl-C does.
#[test]
fn console_takes_eintr_for_ctrl_c() {
    if !has_dispatch() {
        return;
    }
    dies_by(SIGINT, || {
        // It may be ignored, where tests run in the background.
        // SAFETY: no handler.
        unsafe { libc::signal(SIGINT, libc::SIG_DFL) };
        terminal();
        let _ = asked(POLLS, || console::Term::stderr().read_key().map(drop));
    });
}

/// A program that has an answer to Ctrl-C survives.
#[test]
fn console_in_a_program_that_handles_ctrl_c() {
    if !has_dispatch() {
        return;
    }
    alone(|| {
        terminal();
        let _handled = termination::on(&[SIGINT], |_| ()).unwrap();
        for result in asked(POLLS, || console::Term::stderr().read_key().map(drop)) {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Interrupted);
        }
    });
}

/// Its `read` goes on after EINTR. What it does return for is a change of the terminal's size.
#[test]
fn crossterm_a_read_is_woken_by_a_hook() {
    alone(|| {
        terminal();
        let left = asked(POLLS, || -> io::Result<()> {
            with_hook(
                // SAFETY: crossterm handles it.
                |_| _ = unsafe { libc::kill(libc::getpid(), libc::SIGWINCH) },
                || {
                    loop {
                        if let Event::Resize(..) = event::read()? {
                            checkpoint()?;
                        }
                    }
                },
            )
        });
        assert!(left.iter().all(Result::is_err));
    });
}

#[test]
fn crossterm_a_loop_of_polls_has_a_checkpoint() {
    alone(|| {
        terminal();
        let left = asked(POLLS, || -> io::Result<()> {
            while !event::poll(Duration::from_millis(100))? {
                checkpoint()?;
            }
            Ok(())
        });
        assert!(left.iter().all(Result::is_err));
    });
}

#[test]
fn serialport_a_quiet_line() {
    use std::io::Read;
    if let Err(error) = serialport::TTYPort::pair() {
        return super::skipped("serialport", &error.to_string());
    }
    watched("serialport_a_quiet_line", || {
        let left = asked(POLLS, || {
            let (mut near, _far) = serialport::TTYPort::pair().unwrap();
            serialport::SerialPort::set_timeout(&mut near, Duration::from_secs(3600)).unwrap();
            near.read_exact(&mut [0; 8]).or_interrupted()
        });
        assert!(left.iter().all(|left| matches!(left, Err(Error::Interrupted(_)))));
    });
}
