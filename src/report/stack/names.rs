//! The names of functions, and their lines, out of the program's files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use addr2line::gimli::{Dwarf, EndianSlice, RunTimeEndian};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::frame::{Address, Frame};
use super::modules::{Module, Modules};
use crate::kernel::pages::Pages;

/// The names for all addresses of one dump, looked up when the first of them is asked for.
pub(super) struct Names {
    modules: Modules,
    addresses: BTreeSet<Address>,
    found: OnceLock<BTreeMap<Address, Vec<Named>>>,
}

/// What a file tells about an address.
#[derive(Debug, Clone, Default)]
struct Named {
    function: Option<String>,
    location: Option<String>,
}

impl Names {
    pub(super) fn new(modules: Modules, addresses: BTreeSet<Address>) -> Self {
        Self { modules, addresses, found: OnceLock::new() }
    }

    /// The functions at an address, innermost first; one without a name if none is known.
    pub(super) fn frames(&self, address: Address) -> Vec<Frame> {
        let module = self.modules.iter().find(|module| contains(module, &address));
        let place = module.map(|module| (module.file_name(), in_file(module, address.shown)));
        let frame = |named: &Named| Frame {
            address: address.shown,
            module: place.clone(),
            function: named.function.clone(),
            location: named.location.clone(),
        };
        match self.found().get(&address) {
            Some(named) if !named.is_empty() => named.iter().map(frame).collect(),
            _ => vec![frame(&Named::default())],
        }
    }

    /// Two that are first look it up twice. (Not `get_or_init`: the child of a fork would wait for
    /// ever for a thread that it does not have.)
    fn found(&self) -> &BTreeMap<Address, Vec<Named>> {
        if self.found.get().is_none() {
            let mut found = BTreeMap::new();
            for module in &self.modules {
                let inside = |address: &&Address| contains(module, address);
                let addresses: Vec<_> = self.addresses.iter().filter(inside).copied().collect();
                if !addresses.is_empty() {
                    look_up(module, &addresses, &mut found);
                }
            }
            let _ = self.found.set(found);
        }
        self.found.get().expect("it has just been set")
    }
}

fn contains(module: &Module, address: &Address) -> bool {
    module.range.contains(&address.looked_up)
}

fn in_file(module: &Module, address: usize) -> usize {
    address.wrapping_sub(module.bias)
}

impl Module {
    fn file_name(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.trim_end_matches(" (deleted)").to_owned()
    }

    /// The file that was mapped, if it is still there: by the name that the kernel keeps for the
    /// program itself, by its path for a library.
    fn contents(&self) -> Option<Pages> {
        let program = fs::metadata("/proc/self/exe").ok();
        let is_program = program.is_some_and(|program| program.ino() == self.inode);
        let path = if is_program { "/proc/self/exe" } else { &self.path };
        // A FIFO of that name would wait.
        fs::metadata(path).ok().filter(|file| file.is_file())?;
        let mut file = File::open(path).ok()?;
        let is_same = file.metadata().is_ok_and(|file| file.ino() == self.inode);
        is_same.then(|| Pages::of(&mut file))?
    }
}

/// Looks up addresses that are all from one file.
fn look_up(module: &Module, addresses: &[Address], found: &mut BTreeMap<Address, Vec<Named>>) {
    let Some(bytes) = module.contents() else { return };
    let Ok(file) = object::File::parse(&*bytes) else { return };
    let debugging = Dwarf::load(|section| {
        let section = file.section_by_name(section.name());
        let data = section.and_then(|section| section.data().ok()).unwrap_or_default();
        Ok::<_, ()>(EndianSlice::new(data, RunTimeEndian::Little))
    });
    let context =
        debugging.ok().and_then(|debugging| addr2line::Context::from_dwarf(debugging).ok());
    let at = |address: &Address| in_file(module, address.looked_up) as u64;
    let symbols = symbols(&file, addresses.iter().map(at));
    for address in addresses {
        let mut named =
            context.as_ref().map_or_else(Vec::new, |context| inlined_at(context, at(address)));
        if named.iter().all(|named| named.function.is_none()) {
            let symbol = symbols.get(&at(address)).and_then(|(_, name)| *name);
            let function = symbol.map(|name| addr2line::demangle_auto(name.into(), None).into());
            let location = named.pop().and_then(|named| named.location);
            named = vec![Named { function, location }];
        }
        found.insert(*address, named);
    }
}

/// The beginning and the name of the function around each of these addresses: of all functions, or of those that are exported
/// where the others were stripped. (What merely comes before is not told: between two exported functions there are others. And not
/// a list of all functions: for a large program that is megabytes, which the allocator keeps.)
fn symbols<'a>(
    file: &object::File<'a>,
    addresses: impl Iterator<Item = u64>,
) -> BTreeMap<u64, (u64, Option<&'a str>)> {
    let is_function = |symbol: &object::Symbol<'a, '_>| {
        symbol.is_definition() && symbol.kind() == SymbolKind::Text
    };
    let is_stripped = !file.symbols().any(|symbol| is_function(&symbol));
    let exported = file.dynamic_symbols().filter(|_| is_stripped);
    let mut found: BTreeMap<_, _> = addresses.map(|address| (address, (0, None))).collect();
    for symbol in file.symbols().chain(exported).filter(is_function) {
        let begin = symbol.address();
        for (_, found) in found.range_mut(begin..begin.saturating_add(symbol.size())) {
            *found = (*found).max((begin, symbol.name().ok()));
        }
    }
    found
}

/// The function at an address and those that it was put into, innermost first.
fn inlined_at(context: &addr2line::Context<EndianSlice<'_, RunTimeEndian>>, at: u64) -> Vec<Named> {
    let Ok(mut frames) = context.find_frames(at).skip_all_loads() else { return Vec::new() };
    let mut named = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        let function = frame.function.as_ref().and_then(|name| name.demangle().ok());
        let location = frame.location.and_then(|location| {
            let line = location.line.map_or(String::new(), |line| format!(":{line}"));
            Some(format!("{}{line}", location.file?))
        });
        named.push(Named { function: function.map(Into::into), location });
    }
    named
}
