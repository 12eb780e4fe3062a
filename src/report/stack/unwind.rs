//! From registers and a piece of stack to the addresses on it.

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind,
    UnwindRegsNative, Unwinder as _, UnwinderNative,
};

use super::frame::Address;
use super::modules::{self, Module, Modules};
use crate::kernel::memory;
use crate::thread::wanted::{Registers, Snapshot};

/// More than that is recursion.
const FRAMES: usize = 128;

type Tables = Vec<u8>;

/// Unwinds the stacks of one dump.
pub(super) struct Unwinder {
    pub(super) modules: Modules,
    unwinder: UnwinderNative<Tables, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
}

impl Unwinder {
    pub(super) fn new() -> Self {
        let modules = modules::all();
        let mut unwinder = UnwinderNative::new();
        modules.iter().filter_map(known).for_each(|module| unwinder.add_module(module));
        Self { modules, unwinder, cache: CacheNative::new() }
    }

    /// The addresses, as far as the piece of stack goes.
    pub(super) fn unwind(&mut self, snapshot: &Snapshot) -> Vec<Address> {
        let start = snapshot.registers.sp;
        let stack = &snapshot.stack[..snapshot.length];
        let mut word_at = |address: u64| {
            let at = (address as usize).wrapping_sub(start);
            let bytes = at.checked_add(8).and_then(|end| stack.get(at..end)).ok_or(())?;
            Ok(u64::from_le_bytes(bytes.try_into().map_err(drop)?))
        };
        let pc = snapshot.registers.pc as u64;
        let registers = registers(&snapshot.registers);
        let mut frames = self.unwinder.iter_frames(pc, registers, &mut self.cache, &mut word_at);
        let next = || frames.next().ok().flatten();
        std::iter::from_fn(next).take(FRAMES).map(Address::of).collect()
    }
}

impl Address {
    fn of(frame: FrameAddress) -> Self {
        let [shown, looked_up] = [frame.address(), frame.address_for_lookup()];
        Self { shown: shown as usize, looked_up: looked_up as usize }
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(registers: &Registers) -> UnwindRegsNative {
    let [pc, sp, fp] = [registers.pc, registers.sp, registers.fp].map(|value| value as u64);
    UnwindRegsNative::new(pc, sp, fp)
}

#[cfg(not(target_arch = "x86_64"))]
fn registers(registers: &Registers) -> UnwindRegsNative {
    let [link, sp, fp] = [registers.link, registers.sp, registers.fp].map(|value| value as u64);
    // Return addresses are signed in their upper bits, where the machine does that.
    let mask = framehop::aarch64::PtrAuthMask::new_24_40();
    UnwindRegsNative::new_with_ptr_auth_mask(mask, link, sp, fp)
}

/// A file as the unwinder knows it.
fn known(module: &Module) -> Option<framehop::Module<Tables>> {
    let in_file = |range: &std::ops::Range<usize>| {
        let [start, end] = [range.start, range.end].map(|at| at.wrapping_sub(module.bias) as u64);
        start..end
    };
    let read = |range: &std::ops::Range<usize>| {
        let mut bytes = vec![0; range.len()];
        memory::read(range.start, &mut bytes).then_some(bytes)
    };
    let sections = ExplicitModuleSectionInfo {
        text_svma: Some(in_file(&module.range)),
        eh_frame_svma: Some(in_file(&module.tables)),
        eh_frame: Some(read(&module.tables)?),
        eh_frame_hdr_svma: Some(in_file(&module.index)),
        eh_frame_hdr: Some(read(&module.index)?),
        ..Default::default()
    };
    let range = module.range.start as u64..module.range.end as u64;
    Some(framehop::Module::new(module.path.clone(), range, module.bias as u64, sections))
}
