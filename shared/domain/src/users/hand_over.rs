//! Decides about the waiting rows of a file, all together.
//!
//! A row waits if it wants an e-mail or a login that another user has or an earlier waiting row wants, or if its user has
//! a waiting row. Once every other row of the file is applied, these rules decide, again and again until no row is left.
//! The *turn* of a row comes when all earlier rows of its user are decided.
//!
//! 1. A row is applied if all values that it wants are free, and no earlier undecided row wants them.
//! 2. A row fails if it wants a value of a user whom no undecided row can change any more.
//! 3. If neither applies to any row: rows that want each other's values, and nothing else that is taken, exchange them.
//!    The smallest set with the earliest line goes first; others who want the same values are passed over.
//! 4. If there is no such set: every row whose turn it is fails.
//!
//! A row that fails changes nothing and gives nothing up. The result depends only on the users before the file and on the
//! order of its lines, not on batches or workers: see docs/decisions/0006.

mod exchange;
mod graph;
mod numbered;
mod state;

use crate::batch::CheckedRow;
use crate::decision::{reject_incomplete_row, reject_taken, reject_unwritable_row};
use crate::field::Field;
use crate::rejection::{Rejection, RejectionCode};

pub use numbered::NumberedRow;
use state::State;

/// How often exchanges are looked for. Rings inside of rings need a round each; beyond this number, rows fail.
const MAX_ROUNDS: u32 = 1_000;

/// An e-mail or a login, by its position in a list. E-mails and logins are different values even if they read the same.
pub type Value = usize;

/// A waiting row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The user of the row, by its position in [`Waiting::users`].
    pub user: usize,
    /// The e-mail that the row sets.
    pub email: Option<Value>,
    /// The login that the row sets; `None` if it identifies the user.
    pub login: Option<Value>,
    /// Whether the row has everything that a new user needs.
    pub is_complete: bool,
    /// Whether the row fails in any case, when its turn comes.
    pub must_fail: bool,
}

/// A stored user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its e-mail, if a waiting row sets the same.
    pub email: Option<Value>,
    /// Its login, if a waiting row sets the same.
    pub login: Option<Value>,
    /// Whether a row with its login and a new uid adopts it, because it has no uid.
    pub is_adoptable: bool,
}

/// The waiting rows of a file and the stored users that they concern.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    /// The rows, in line order.
    pub rows: Vec<Row>,
    /// The users of the rows: the position of each in `accounts`, or `None` if it does not exist.
    pub users: Vec<Option<usize>>,
    /// The users of the rows, and those who have values that rows set.
    pub accounts: Vec<Account>,
    /// The number of values.
    pub values: usize,
}

/// Why a row fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It fails in any case.
    Known,
    /// It would create a user, and lacks what a new user needs.
    Incomplete,
    /// Its login is taken.
    Login,
    /// Its e-mail is taken.
    Email,
}

/// What happens to the waiting rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The rows to be applied, in this order, by their positions. Those of one group exchange values: their users give up
    /// what they have before any of them takes something.
    pub groups: Vec<Vec<usize>>,
    /// The rows that fail, by their positions.
    pub rejected: Vec<(usize, Reason)>,
}

/// The rejection of a row for a reason other than [`Reason::Known`].
pub fn reject(row: &CheckedRow<'_>, reason: Reason) -> Rejection {
    match reason {
        Reason::Known => reject_unwritable_row(row),
        Reason::Incomplete => reject_incomplete_row(row).unwrap_or_else(|| reject_unwritable_row(row)),
        Reason::Login => reject_taken(row, Field::Username, RejectionCode::ConflictLogin),
        Reason::Email => reject_taken(row, Field::Email, RejectionCode::ConflictEmail),
    }
}

/// Decides about all rows.
pub fn decide(waiting: &Waiting) -> Decisions {
    let mut state = State::new(waiting);
    let mut rounds = 0;
    loop {
        state.apply_and_reject();
        if state.is_done() {
            return state.decisions;
        }
        rounds += 1;
        if rounds > MAX_ROUNDS || !state.exchange() {
            state.reject_all_turns();
        }
    }
}

#[cfg(test)]
mod tests;
