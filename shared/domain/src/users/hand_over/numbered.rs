//! Waiting rows as a store numbers them.

use std::collections::HashMap;

use super::{Account, Row, Waiting};

/// A waiting row as a store numbers it. Equal keys, e-mails and logins have equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedRow {
    /// The line of the row.
    pub line: u64,
    /// Whether the row has everything that a new user needs.
    pub is_complete: bool,
    /// The number of its key.
    pub key: u64,
    /// The number of the e-mail that it sets.
    pub email: Option<u64>,
    /// The number of the login that it sets; `None` if it identifies the user.
    pub login: Option<u64>,
    /// The id of the user with its key.
    pub user_id: Option<i64>,
    /// The id of the user with its e-mail.
    pub email_holder: Option<i64>,
    /// The id of the user with its login.
    pub login_holder: Option<i64>,
    /// Whether the user with its login has no uid.
    pub is_adoptable: bool,
}

impl Waiting {
    /// Builds the input of [`decide`](super::decide). `rows` are in line order; those for which `must_fail` returns true fail in any
    /// case.
    pub fn from_numbers(rows: &[NumberedRow], must_fail: impl Fn(u64) -> bool) -> Self {
        let mut waiting = Self::default();
        let (mut users, mut values, mut accounts) = (HashMap::new(), HashMap::new(), HashMap::new());
        for row in rows {
            let mut account_of = |id: i64| {
                *accounts.entry(id).or_insert_with(|| {
                    waiting.accounts.push(Account::default());
                    waiting.accounts.len() - 1
                })
            };
            let user_account = row.user_id.map(&mut account_of);
            let (email_account, login_account) =
                (row.email_holder.map(&mut account_of), row.login_holder.map(&mut account_of));
            let user = *users.entry(row.key).or_insert_with(|| {
                waiting.users.push(user_account);
                waiting.users.len() - 1
            });
            let mut value_of = |is_login: bool, number: u64| {
                let next = values.len();
                *values.entry((is_login, number)).or_insert(next)
            };
            let email = row.email.map(|number| value_of(false, number));
            let login = row.login.map(|number| value_of(true, number));
            if let Some(account) = email_account {
                waiting.accounts[account].email = email;
            }
            if let Some(account) = login_account {
                waiting.accounts[account].login = login;
                waiting.accounts[account].is_adoptable = row.is_adoptable;
            }
            waiting.rows.push(Row { user, email, login, is_complete: row.is_complete, must_fail: must_fail(row.line) });
        }
        waiting.values = values.len();
        waiting
    }
}
