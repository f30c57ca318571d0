//! What is measured; each scenario adds its lines to the report.

pub(crate) mod collaborator;
pub(crate) mod embedded;
pub(crate) mod latency;
pub(crate) mod rows;
pub(crate) mod scale;
