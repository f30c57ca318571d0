//! Users: their fields, the checked rows of a batch, and the writes that the rows lead to.

pub mod batch;
pub mod decision;
pub mod digest;
pub mod field;
pub mod hand_over;
pub mod plan;
pub mod profile;
pub mod shape;
pub mod waiting;
pub mod warning;
