//! Nothing to build: cargo asks for a build script wherever a manifest says `links`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
