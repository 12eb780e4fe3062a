//! Loops of a load-exclusive and a store-exclusive, as machines without LSE atomics make them: aarch64 before ARMv8.1.
//!
//! Each stop ends the reservation, so that a store which is come to by steps fails, and the loop never ends. So they are stepped
//! over in one piece, as debuggers do.

/// The longest sequence that is looked for, as debuggers have it.
const LONGEST: u64 = 16;

/// Where the sequence is left that begins at an address: behind its store, and where branches lead out of it. Nothing if none
/// begins there. `read` gives the instruction at an address.
pub fn ends(start: u64, read: impl Fn(u64) -> Option<u32>) -> Vec<u64> {
    if !read(start).is_some_and(is_load) {
        return Vec::new();
    }
    let mut targets = Vec::new();
    for address in (start + 4..).step_by(4).take(LONGEST as usize) {
        let Some(instruction) = read(address) else { break };
        if is_store(instruction) {
            targets.retain(|target| !(start..=address).contains(target));
            targets.push(address + 4);
            return targets;
        }
        targets.extend(branch(instruction).map(|offset| address.wrapping_add_signed(offset)));
    }
    Vec::new()
}

/// Load-exclusive, with or without acquire, of one register or two. (The compare-and-swap of two registers looks like the store of
/// two; that is an LSE atomic.)
fn is_load(instruction: u32) -> bool {
    instruction & 0x3fc0_0000 == 0x0840_0000 && is_exclusive(instruction)
}

fn is_store(instruction: u32) -> bool {
    instruction & 0x3fc0_0000 == 0x0800_0000 && is_exclusive(instruction)
}

fn is_exclusive(instruction: u32) -> bool {
    instruction & 0x8020_0000 != 0x0020_0000
}

/// How far a conditional branch leads.
fn branch(instruction: u32) -> Option<i64> {
    let field = |bits: u32| i64::from((instruction << (27 - bits)) as i32 >> (32 - bits)) * 4;
    match instruction {
        _ if instruction & 0xff00_0010 == 0x5400_0000 => Some(field(19)), // b.cond
        _ if instruction & 0x7e00_0000 == 0x3400_0000 => Some(field(19)), // cbz, cbnz
        _ if instruction & 0x7e00_0000 == 0x3600_0000 => Some(field(14)), // tbz, tbnz
        _ => None,
    }
}

#[test]
fn a_sequence_is_left_behind_its_store_and_where_branches_lead() {
    let at = |code: &'static [u32]| move |address: u64| code.get(address as usize / 4).copied();
    // ldaxr w0, [x1]; add w2, w0, w3; stlxr w4, w2, [x1]; cbnz w4, 0
    let add = at(&[0x885f_fc20, 0x0b03_0002, 0x8804_fc22, 0x35ff_ffa4]);
    assert_eq!(ends(0, add), [12]);
    assert!(ends(4, add).is_empty());
    // nop; ldxr x0, [x1]; cmp x0, x2; b.ne 24; stxr w3, x4, [x1]; cbnz w3, 4; ret
    let swap = at(&[
        0xd503_201f,
        0xc85f_7c20,
        0xeb02_001f,
        0x5400_0061,
        0xc803_7c24,
        0x35ff_ff83,
        0xd65f_03c0,
    ]);
    assert!(ends(0, swap).is_empty());
    assert_eq!(ends(4, swap), [24, 20]);
    // ldxp x0, x2, [x1]; tbnz x0, #63, 0; stxp w3, x4, x5, [x1]
    let pair = at(&[0xc87f_0820, 0xb7ff_ffe0, 0xc823_1424]);
    assert_eq!(ends(0, pair), [12]);
    // ldar, cas and casp are none; nor is a load without a store.
    for alone in [0x88df_fc20, 0x88a0_7c22, 0x0820_7c22, 0x0860_7c22, 0x885f_fc20] {
        assert!(ends(0, |address| (address == 0).then_some(alone)).is_empty());
    }
}
