//! Benchmarks of the single stages of an import: bytes/s, rows/s, and allocations.
//!
//! ```sh
//! cargo bench -p muster --bench stages            # all stages
//! cargo bench -p muster --bench stages -- cut     # one stage
//! ```
//!
//! Some stages have a yardstick beside them: the least work that any implementation of the stage must do.

mod check;
mod cut;
mod message;
mod sample;
mod upload;

/// Counts the allocations of each stage.
#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}
