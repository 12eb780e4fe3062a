//! Beside jemalloc, the allocator of the whole program.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    eintr_company::forks::run(&eintr_company::Company::from_arguments());
}
