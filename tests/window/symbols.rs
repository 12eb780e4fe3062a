//! Names for program counters, from the symbol tables of what a process has mapped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::rc::Rc;

/// A place in a program, which is the same in each process that runs it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place {
    address: u64,
    path: String,
    /// The function and the offset.
    pub name: String,
}

/// The functions of one process.
pub struct Symbols(Vec<Mapping>);

/// A mapped piece of code.
struct Mapping {
    start: u64,
    end: u64,
    /// What its addresses differ by from those in the file.
    bias: u64,
    path: String,
    functions: Rc<[Function]>,
}

/// A function, by its address in its file.
struct Function {
    address: u64,
    size: u64,
    name: String,
}

impl Symbols {
    /// Reads the tables of the files in a `/proc/PID/maps`.
    pub fn of(maps: &str) -> Self {
        Self(maps.lines().filter_map(Mapping::of).collect())
    }

    /// What is at an address.
    pub fn place(&self, address: u64) -> Option<Place> {
        let mapping =
            self.0.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))?;
        let address = address - mapping.bias;
        Some(Place { address, path: mapping.path.clone(), name: mapping.name(address) })
    }

    /// The address of a place, which may have been found in another process with the same program.
    pub fn address(&self, place: &Place) -> Option<u64> {
        let addresses = self.0.iter().filter(|mapping| mapping.path == place.path).map(|mapping| {
            let address = place.address + mapping.bias;
            (mapping.start..mapping.end).contains(&address).then_some(address)
        });
        addresses.flatten().next()
    }
}

impl Mapping {
    /// The function at an address of the file's, and how far into it.
    fn name(&self, address: u64) -> String {
        let index = self.functions.partition_point(|function| function.address <= address);
        let function = index.checked_sub(1).map(|index| &self.functions[index]);
        match function.filter(|function| address < function.address + function.size) {
            Some(function) => format!("{}+{:#x}", function.name, address - function.address),
            None => format!("{}+{address:#x}", self.path.rsplit('/').next().unwrap_or_default()),
        }
    }

    fn of(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let [start, end] = [start, end].map(|word| u64::from_str_radix(word, 16).ok());
        let [start, end] = [start?, end?];
        words.next().filter(|protection| protection.contains('x'))?;
        let offset = u64::from_str_radix(words.next()?, 16).ok()?;
        let path = words.nth(2).unwrap_or_default().to_owned();
        let file = Code::read(&path).unwrap_or_default();
        let bias = start.wrapping_sub(file.address_of(offset).unwrap_or(offset));
        Some(Self { start, end, bias, path, functions: file.functions })
    }
}

/// What is used of an ELF file. 64 bits, little endian: both architectures are.
#[derive(Clone, Default)]
struct Code {
    /// Offset, address and size of each segment of code.
    segments: Rc<[(u64, u64, u64)]>,
    functions: Rc<[Function]>,
}

/// The offset within a page, of the smallest size that pages have.
const PAGE: u64 = 4096 - 1;

thread_local! {
    static READ: RefCell<HashMap<String, Code>> = RefCell::default();
}

impl Code {
    fn read(path: &str) -> Option<Self> {
        if let Some(code) = READ.with_borrow(|read| read.get(path).cloned()) {
            return Some(code);
        }
        let code = Self::parse(&Bytes(fs::read(path).ok()?))?;
        READ.with_borrow_mut(|read| read.insert(path.to_owned(), code.clone()));
        Some(code)
    }

    fn address_of(&self, offset: u64) -> Option<u64> {
        // What is mapped begins with the page that the segment begins in.
        let has =
            |(start, _, size): &&(u64, u64, u64)| (start & !PAGE..start + size).contains(&offset);
        let (start, address, _) = self.segments.iter().find(has)?;
        Some(offset.wrapping_sub(*start).wrapping_add(*address))
    }

    fn parse(file: &Bytes) -> Option<Self> {
        const LOADED: u64 = 1;
        const EXECUTABLE: u64 = 1;
        const ALL_SYMBOLS: u64 = 2;
        const EXPORTED_SYMBOLS: u64 = 11;
        const FUNCTION: u64 = 2;

        let [segments, sections] = [file.number(32, 8)?, file.number(40, 8)?];
        let segments = (0..file.number(56, 2)?).filter_map(|index| {
            let header = segments + index * 56;
            let [kind, flags] = [0, 4].map(|at| file.number(header + at, 4));
            let code = kind? == LOADED && flags? & EXECUTABLE != 0;
            let [offset, address, size] = [8, 16, 32].map(|at| file.number(header + at, 8));
            code.then_some((offset?, address?, size?))
        });
        let section = |index: u64| sections + index * 64;
        let of_kind = |kind| {
            let mut all = (0..file.number(60, 2)?).map(section);
            all.find(|header| file.number(header + 4, 4) == Some(kind))
        };
        let mut functions = Vec::new();
        if let Some(table) = of_kind(ALL_SYMBOLS).or_else(|| of_kind(EXPORTED_SYMBOLS)) {
            let [start, size] = [24, 32].map(|at| file.number(table + at, 8));
            let names = file.number(section(file.number(table + 40, 4)?) + 24, 8)?;
            for symbol in (start?..start? + size?).step_by(24) {
                let [address, size] = [8, 16].map(|at| file.number(symbol + at, 8));
                let (address, size) = (address?, size?);
                if file.number(symbol + 4, 1)? & 15 == FUNCTION && address != 0 {
                    let name = demangled(file.text(names + file.number(symbol, 4)?)?);
                    functions.push(Function { address, size, name });
                }
            }
        }
        functions.sort_by_key(|function| function.address);
        Some(Self { segments: segments.collect(), functions: functions.into() })
    }
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn number(&self, offset: u64, size: usize) -> Option<u64> {
        let bytes = self.0.get(offset as usize..)?.get(..size)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&self, offset: u64) -> Option<&str> {
        let bytes = self.0.get(offset as usize..)?;
        std::str::from_utf8(bytes.split(|byte| *byte == 0).next()?).ok()
    }
}

/// The path in a legacy mangled name; any other name as it is.
fn demangled(name: &str) -> String {
    let mut path = Vec::new();
    let mut rest = name.strip_prefix("_ZN").unwrap_or_default();
    while let Some(digits) = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0) {
        let Ok(length) = rest[..digits].parse::<usize>() else { break };
        let Some(word) = rest.get(digits..digits + length) else { break };
        path.push(word);
        rest = &rest[digits + length..];
    }
    // The last one is a hash.
    path.pop();
    if path.is_empty() { name.to_owned() } else { path.join("::").replace("$u7b$$u7b$", "{{") }
}
