mod common;
use common::*;
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn read_is_interrupted() {
    watched("read", || {
        let (r, _w) = std::io::pipe().unwrap();
        let (tx, rx) = mpsc::channel();
        let h = eintr::spawn(move || {
            tx.send(gettid()).unwrap();
            let mut b = [0; 1];
            eintr::io::read(&r, &mut b)
        });
        let tid = rx.recv().unwrap();
        wait_until_blocked(tid, libc::SYS_read);
        println!("{}", h.interrupter().report());
        let o = h.interrupt().wait(Duration::from_secs(5));
        println!("{o:?}");
        assert!(matches!(o, eintr::Outcome::Raised));
        let e = h.join().unwrap().unwrap_err();
        assert!(e.interrupted().is_some());
    });
}
