//! Beside mimalloc, the allocator of the whole program.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    eintr_company::forks::run(&eintr_company::Company::from_arguments());
}
