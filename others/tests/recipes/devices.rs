//! Devices: KVM, FUSE.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Arc;

use eintr::{Error, Interrupted, ResultExt, with_hook};
use libc::{c_ulong, c_void};
use test_support::{has_dispatch, watched};

use super::{asked, asked_when, skipped};

fn device(path: &str) -> Option<File> {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .inspect_err(|error| skipped(path, &error.to_string()))
        .ok()
}

/// A virtual processor that runs `jmp .`, and what it is made of.
struct Processor {
    cpu: OwnedFd,
    _machine: OwnedFd,
    memory: *mut c_void,
}

// SAFETY: the memory is the guest's.
unsafe impl Send for Processor {}

const PAGE: usize = 4096;

impl Processor {
    const CREATE_VM: c_ulong = 0xae01;
    const SET_MEMORY: c_ulong = 0x4020_ae46;
    const CREATE_VCPU: c_ulong = 0xae41;
    const SPECIAL: (c_ulong, c_ulong) = (0x8138_ae83, 0x4138_ae84);
    const SET_REGISTERS: c_ulong = 0x4090_ae82;
    const RUN: c_ulong = 0xae80;

    fn new(kvm: &File) -> Option<Self> {
        // SAFETY: as linux/kvm.h has them: numbers, and structures of the right size.
        unsafe {
            let machine = libc::ioctl(kvm.as_raw_fd(), Self::CREATE_VM, 0);
            if machine < 0 {
                skipped("KVM", &io::Error::last_os_error().to_string());
                return None;
            }
            let machine = OwnedFd::from_raw_fd(machine);
            let (access, map) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            let memory = libc::mmap(null_mut(), PAGE, access, map | libc::MAP_ANONYMOUS, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            memory.cast::<[u8; 2]>().write([0xeb, 0xfe]);
            let region: [u64; 4] = [0, 0, PAGE as u64, memory as u64];
            assert_eq!(libc::ioctl(machine.as_raw_fd(), Self::SET_MEMORY, &region), 0);
            let cpu = libc::ioctl(machine.as_raw_fd(), Self::CREATE_VCPU, 0);
            assert!(cpu >= 0, "{}", io::Error::last_os_error());
            let cpu = OwnedFd::from_raw_fd(cpu);
            let mut special = [0_u64; 39];
            assert_eq!(libc::ioctl(cpu.as_raw_fd(), Self::SPECIAL.0, &mut special), 0);
            // The code segment's base, and its selector beside the limit.
            special[0] = 0;
            special[1] &= !0xffff_0000_0000;
            assert_eq!(libc::ioctl(cpu.as_raw_fd(), Self::SPECIAL.1, &special), 0);
            let mut registers = [0_u64; 18];
            const COUNTER: u64 = 0;
            const FLAGS: u64 = 2;
            [registers[16], registers[17]] = [COUNTER, FLAGS];
            assert_eq!(libc::ioctl(cpu.as_raw_fd(), Self::SET_REGISTERS, &registers), 0);
            Some(Self { cpu, _machine: machine, memory })
        }
    }

    fn run(&self) -> io::Result<()> {
        // SAFETY: it runs the guest.
        match unsafe { libc::ioctl(self.cpu.as_raw_fd(), Self::RUN, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        // SAFETY: mapped until here.
        unsafe { libc::munmap(self.memory, PAGE) };
    }
}

/// Whether a thread of this process has used the processor for so long.
fn has_computed(tid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |index| fields.split(' ').nth(index).and_then(|ticks| ticks.parse().ok());
    ticks(11).unwrap_or(0_u64) + ticks(12).unwrap_or(0) > 5
}

#[test]
fn kvm_a_processor_is_stopped() {
    let Some(kvm) = device("/dev/kvm") else { return };
    let Some(processor) = Processor::new(&kvm) else { return };
    watched("kvm_a_processor_is_stopped", || {
        let (processor, error) = asked_when(has_computed, move || {
            let error = processor.run().unwrap_err();
            (processor, error)
        });
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        if !has_dispatch("asked just before it") {
            return;
        }
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        let error = task.run(|| processor.run()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    });
}

/// A file system whose server is this process, which is not there for anybody but us.
struct Mounted(std::path::PathBuf, File);

impl Mounted {
    fn new(name: &str) -> Option<Self> {
        let fuse = device("/dev/fuse")?;
        let path = std::env::temp_dir().join(format!("eintr-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let at = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", fuse.as_raw_fd());
        let options = std::ffi::CString::new(options).unwrap();
        // SAFETY: words that end with a null byte.
        let result = unsafe {
            let fuse = c"fuse".as_ptr();
            libc::mount(fuse, at.as_ptr(), fuse, libc::MS_NOSUID, options.as_ptr().cast())
        };
        if result < 0 {
            skipped("FUSE", &io::Error::last_os_error().to_string());
            let _ = std::fs::remove_dir(&path);
            return None;
        }
        Some(Self(path, fuse))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0);
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Whoever waits for it is told that it is gone.
fn unmount(path: &Path) {
    let at = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a path.
    unsafe { libc::umount2(at.as_ptr(), libc::MNT_FORCE | libc::MNT_DETACH) };
}

/// A server's loop, as libfuse's and fuser's: it reads a request after the other.
#[test]
fn fuse_a_server_leaves() {
    let Some(mounted) = Mounted::new("fuse-server") else { return };
    if !has_dispatch("a server of FUSE's") {
        return;
    }
    watched("fuse_a_server_leaves", || {
        let fuse = Arc::new(mounted.1.try_clone().unwrap());
        let recognised = asked(&[libc::SYS_read], move || {
            let mut request = vec![0; 1 << 20];
            loop {
                match (&*fuse).read(&mut request) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Interrupted::of(&error).is_some(),
                }
            }
        });
        assert_eq!(recognised, [true, true]);
    });
}

/// Answers nothing but the greeting.
fn serve(mut fuse: File) {
    const HEADER: usize = 16;
    const GREETING: u32 = 26;
    let mut request = vec![0_u8; 1 << 20];
    while fuse.read(&mut request).is_ok() {
        if u32::from_ne_bytes(request[4..8].try_into().unwrap()) == GREETING {
            let mut answer = [0_u8; HEADER + 64];
            answer[0] = answer.len() as u8;
            answer[8..16].copy_from_slice(&request[8..16]);
            // The protocol's version, 7.31.
            (answer[HEADER], answer[HEADER + 4]) = (7, 31);
            fuse.write_all(&answer).unwrap();
        }
    }
}

/// No signal that can be answered ends it once its server has been told of one. Its end is the file
/// system's.
#[test]
fn fuse_a_file_whose_server_is_silent() {
    let Some(mounted) = Mounted::new("fuse-file") else { return };
    watched("fuse_a_file_whose_server_is_silent", || {
        let fuse = mounted.1.try_clone().unwrap();
        let server = std::thread::spawn(move || serve(fuse));
        let path = mounted.0.join("file");
        let at = mounted.0.clone();
        let opens = |tid| test_support::sleeps_in(tid, libc::SYS_openat);
        let left = asked_when(opens, move || {
            with_hook(|_| unmount(&at), || File::open(path)).or_interrupted().map(drop)
        });
        assert!(matches!(left, Err(Error::Interrupted(_))));
        server.join().unwrap();
    });
}
