//! Terminals, which here are ptys.

use eintr::io::write;
use eintr::terminal::{read, tcdrain};
use nix::pty::openpty;
use test_support::asked::{asked_before, asked_while_blocked, disturbed};
use test_support::watched;

#[test]
fn read_is_interrupted_and_takes_nothing_of_a_line() {
    watched("read of a terminal", || {
        let pty = openpty(None, None).unwrap();
        let mut line = [0; 64];
        asked_before(|| read(&pty.slave, &mut line));
        write(&pty.master, b"half a ").unwrap();
        asked_while_blocked(libc::SYS_read, || read(&pty.slave, &mut line));
        let ends = || assert_eq!(write(&pty.master, b"line\nand").unwrap(), 8);
        let length = disturbed(libc::SYS_read, || read(&pty.slave, &mut line), ends);
        assert_eq!(&line[..length], b"half a line\n");

        write(&pty.master, b" more\n").unwrap();
        asked_before(|| read(&pty.slave, &mut line));
        let length = read(&pty.slave, &mut line).unwrap();
        assert_eq!(&line[..length], b"and more\n");
    });
}

#[test]
fn tcdrain_is_interrupted_and_loses_no_output() {
    watched("tcdrain", || {
        let pty = openpty(None, None).unwrap();
        write(&pty.slave, b"out").unwrap();
        asked_before(|| tcdrain(&pty.slave));
        tcdrain(&pty.slave).unwrap();
        let mut out = [0; 8];
        assert_eq!(read(&pty.master, &mut out).unwrap(), 3);
        let file = std::fs::File::open("/dev/null").unwrap();
        let no_terminal = std::io::Error::from(tcdrain(&file).unwrap_err());
        assert_eq!(no_terminal.raw_os_error(), Some(libc::ENOTTY));
    });
}
