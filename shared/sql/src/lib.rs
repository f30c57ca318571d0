//! What the two SQL stores share: statements that name the columns of users, and decoding of rows.
//!
//! | module | content |
//! | --- | --- |
//! | [`statements`](mod@statements) | declares the statements of a store |
//! | [`template`] | fills the column lists of a statement from the list of fields |
//! | [`row`] | a row of a result set, read by column name |
//! | [`jobs`] | jobs, splits and rules as they are stored |
//! | [`keys`] | keys that are to be computed again |
//! | [`ledger`] | rows of the ledger and sums over it |
//! | [`rejections`] | rejections |
//! | [`repair`] | remembers that the database must be repaired |
//! | [`tenants`] | tenants, tokens and settings |
//! | [`users`] | users as they are read back, and the columns of a lookup |
//!
//! It knows neither database: each store implements [`SqlRow`] for the rows of its library.

pub mod jobs;
pub mod keys;
pub mod ledger;
pub mod rejections;
pub mod repair;
pub mod row;
pub mod statements;
pub mod template;
pub mod tenants;
pub mod users;

pub use row::{SqlRow, Unreadable};
pub use template::expand;
