//! Each stage of the way of a row, measured alone: bytes/s, rows/s, and allocations.
//!
//! ```sh
//! cargo bench -p muster --bench stages            # all
//! cargo bench -p muster --bench stages -- cut     # one
//! ```
//!
//! Stages with a yardstick have it beside them: what no way of doing the same can be faster than.

mod check;
mod cut;
mod message;
mod sample;
mod upload;

/// Shows how many allocations a stage makes.
#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}
