//! The files that this process's code is from, and where they are mapped.
//!
//! From `/proc/self/maps`, not from the loader: a lock of the loader's may be held by the thread
//! that is stuck. The unwinding tables are read out of memory, so a program whose file has been
//! replaced since it began is unwound all the same; only its names are gone.

use std::fs;
use std::ops::Range;

use crate::kernel::memory;

/// Whether an address is in glibc's `pthread_mutex_lock`.
pub(super) fn is_in_mutex_lock(modules: &Modules, address: usize) -> bool {
    let module = modules.iter().find(|module| module.range.contains(&address));
    let module = module.filter(|module| {
        let file = module.path.rsplit('/').next().unwrap_or_default();
        cfg!(target_env = "gnu")
            && ["libc.", "libpthread"].iter().any(|libc| file.starts_with(libc))
    });
    let function = libc::pthread_mutex_lock as *const () as usize;
    module.and_then(|module| module.function(address)) == Some(function)
}

/// What is mapped of one file.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub(super) path: String,
    pub(super) inode: u64,
    pub(super) range: Range<usize>,
    /// What is to be added to the file's addresses.
    pub(super) bias: usize,
    /// Where the file's tables for unwinding are: their index, and the tables themselves.
    pub(super) index: Range<usize>,
    pub(super) tables: Range<usize>,
}

impl Module {
    /// Where the function around an address begins, by the index, which has them all in order.
    fn function(&self, address: usize) -> Option<usize> {
        const COUNT_OF_FOUR_THEN_RELATIVE_SIGNED_FOUR: [u8; 2] = [0x03, 0x3b];
        let mut index = vec![0; self.index.len()];
        let is_there = memory::read(self.index.start, &mut index);
        let (head, entries) = index.split_at_checked(12).filter(|_| is_there)?;
        let begins = entries.chunks_exact(8).map(|entry| {
            let offset = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
            self.index.start.wrapping_add_signed(offset as isize)
        });
        (head[2..4] == COUNT_OF_FOUR_THEN_RELATIVE_SIGNED_FOUR)
            .then(|| begins.take_while(|begin| *begin <= address).last())?
    }
}

pub(super) type Modules = Vec<Module>;

/// All that have tables for unwinding.
pub(super) fn all() -> Modules {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut files: Vec<(Line<'_>, Range<usize>)> = Vec::new();
    for line in maps.lines().filter_map(Line::of) {
        match files.last_mut() {
            // A file's mappings lie side by side, its beginning first.
            Some((first, range)) if first.is_same_file(&line) && line.offset != 0 => {
                range.end = line.range.end;
            }
            _ if line.offset == 0 => files.push((line.clone(), line.range)),
            _ => {}
        }
    }
    files.into_iter().filter_map(|(first, range)| module(&first, range)).collect()
}

/// A line of `/proc/self/maps`.
#[derive(Clone)]
struct Line<'a> {
    range: Range<usize>,
    offset: u64,
    inode: u64,
    path: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let range = hexadecimal(start)?..hexadecimal(end)?;
        let _permissions = words.next()?;
        let offset = u64::from_str_radix(words.next()?, 16).ok()?;
        let _device = words.next()?;
        let inode = words.next()?.parse().ok()?;
        let path = words.next()?.trim();
        Some(Self { range, offset, inode, path }).filter(|line| !line.path.is_empty())
    }

    fn is_same_file(&self, other: &Self) -> bool {
        (self.inode, self.path) == (other.inode, other.path)
    }
}

fn hexadecimal(word: &str) -> Option<usize> {
    usize::from_str_radix(word, 16).ok()
}

/// The file's headers, as they are mapped (elf(5)).
fn module(first: &Line<'_>, range: Range<usize>) -> Option<Module> {
    let base = range.start;
    let mut header = [0; 64];
    if !memory::read(base, &mut header) || !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = base + number::<8>(&header, 32)?;
    let [size, count] = [number::<2>(&header, 54)?, number::<2>(&header, 56)?];
    let mut segments = vec![0; size * count];
    if !memory::read(table, &mut segments) {
        return None;
    }
    let segments: Vec<_> = segments.chunks(size.max(1)).filter_map(Segment::of).collect();
    let loaded = |segment: &&Segment| segment.kind == LOAD;
    let start = segments.iter().filter(loaded).map(|segment| segment.address).min()?;
    let bias = base.wrapping_sub(start & !0xfff);
    let index = segments.iter().find(|segment| segment.kind == UNWINDING)?.range(bias);
    let tables = tables_of(&index)?;
    let end = segments
        .iter()
        .filter(loaded)
        .map(|segment| segment.range(bias))
        .find(|range| range.contains(&tables))?
        .end;
    let (path, inode) = (first.path.to_owned(), first.inode);
    Some(Module { path, inode, range, bias, index, tables: tables..end })
}

/// Where the tables of an index are. All linkers write that in the same way: as four bytes,
/// relative to themselves.
fn tables_of(index: &Range<usize>) -> Option<usize> {
    const RELATIVE_SIGNED_FOUR: u8 = 0x1b;
    let mut bytes = [0; 8];
    let is_there = memory::read(index.start, &mut bytes);
    let offset = i32::from_le_bytes(bytes[4..].try_into().ok()?) as isize;
    let is_known = is_there && bytes[..2] == [1, RELATIVE_SIGNED_FOUR];
    is_known.then(|| (index.start + 4).wrapping_add_signed(offset))
}

const LOAD: usize = 1;
const UNWINDING: usize = 0x6474_e550;

struct Segment {
    kind: usize,
    address: usize,
    size: usize,
}

impl Segment {
    fn of(bytes: &[u8]) -> Option<Self> {
        let [kind, address] = [number::<4>(bytes, 0)?, number::<8>(bytes, 16)?];
        Some(Self { kind, address, size: number::<8>(bytes, 40)? })
    }

    fn range(&self, bias: usize) -> Range<usize> {
        let start = bias.wrapping_add(self.address);
        start..start.wrapping_add(self.size)
    }
}

/// A little-endian number of so many bytes.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let mut word = [0; 8];
    word[..N].copy_from_slice(bytes.get(at..at + N)?);
    Some(u64::from_le_bytes(word) as usize)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_function_is_in_a_module() {
        let here = this_function_is_in_a_module as *const () as usize;
        let modules = super::all();
        assert!(modules.iter().any(|module| module.range.contains(&here)), "{modules:?}");
    }
}
