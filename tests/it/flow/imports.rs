//! What an import does with the rows of a file.

mod contested;
mod hand_over;
mod job_order;
mod lookups;
mod outcomes;
mod rows;
