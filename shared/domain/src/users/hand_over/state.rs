//! What is decided so far, and the rules for single rows (1, 2 and 4).

use super::{Account, Decisions, Reason, Row, Value, Waiting};

/// What the rules say about a row whose turn it is.
enum Check {
    Apply,
    Reject(Reason),
    Wait,
}

/// The account of a row.
#[derive(Clone, Copy)]
pub(super) struct Own {
    pub(super) account: Option<usize>,
    /// Whether the row adopts the account by its login.
    pub(super) adopts: bool,
}

pub(super) struct State<'a> {
    pub(super) rows: &'a [Row],
    pub(super) accounts: Vec<Account>,
    /// The user of each account, if rows name it.
    user_of: Vec<Option<usize>>,
    account_of: Vec<Option<usize>>,
    /// The account that has each value.
    pub(super) holders: Vec<Option<usize>>,
    /// The rows of each user, in line order, and how many are decided.
    pub(super) rows_of: Vec<Vec<usize>>,
    decided_of: Vec<usize>,
    /// The rows that set each value, in line order, and the position of the first undecided one.
    claims: Vec<Vec<usize>>,
    first_claim: Vec<usize>,
    decided: Vec<bool>,
    pub(super) undecided: usize,
    /// Rows to be checked by rules 1 and 2.
    to_check: Vec<usize>,
    pub(super) decisions: Decisions,
}

impl<'a> State<'a> {
    pub(super) fn new(waiting: &'a Waiting) -> Self {
        let accounts = waiting.accounts.clone();
        let mut user_of = vec![None; accounts.len()];
        for (user, account) in waiting.users.iter().enumerate() {
            if let Some(account) = account {
                user_of[*account] = Some(user);
            }
        }
        let mut holders = vec![None; waiting.values];
        for (index, account) in accounts.iter().enumerate() {
            for value in [account.email, account.login].into_iter().flatten() {
                holders[value] = Some(index);
            }
        }
        let (mut rows_of, mut claims) = (vec![Vec::new(); waiting.users.len()], vec![Vec::new(); waiting.values]);
        for (index, row) in waiting.rows.iter().enumerate() {
            rows_of[row.user].push(index);
            for value in [row.email, row.login].into_iter().flatten() {
                claims[value].push(index);
            }
        }
        let to_check = rows_of.iter().filter_map(|rows| rows.first().copied()).collect();
        Self {
            rows: &waiting.rows,
            user_of,
            account_of: waiting.users.clone(),
            holders,
            decided_of: vec![0; rows_of.len()],
            rows_of,
            first_claim: vec![0; waiting.values],
            claims,
            decided: vec![false; waiting.rows.len()],
            undecided: waiting.rows.len(),
            to_check,
            decisions: Decisions::default(),
            accounts,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.undecided == 0
    }

    /// Applies rules 1 and 2 until neither applies to any row.
    pub(super) fn apply_and_reject(&mut self) {
        while let Some(row) = self.to_check.pop() {
            if self.turn_of(self.rows[row].user) != Some(row) {
                continue;
            }
            match self.check(row) {
                Check::Apply => self.apply(&[row]),
                Check::Reject(reason) => self.reject(row, reason),
                Check::Wait => {}
            }
        }
    }

    /// The first undecided row of a user.
    pub(super) fn turn_of(&self, user: usize) -> Option<usize> {
        self.rows_of[user].get(self.decided_of[user]).copied()
    }

    /// The first undecided row that sets a value.
    pub(super) fn head_of(&self, value: Value) -> Option<usize> {
        self.claims[value].get(self.first_claim[value]).copied()
    }

    pub(super) fn own(&self, index: usize) -> Own {
        let row = &self.rows[index];
        let known = self.account_of[row.user];
        if known.is_some() {
            return Own { account: known, adopts: false };
        }
        let adopted = row.login.and_then(|login| self.holders[login]).filter(|held| self.accounts[*held].is_adoptable);
        Own { account: adopted, adopts: adopted.is_some() }
    }

    /// The values that a row wants: those that it sets and its account does not have, the login first. An adopted login
    /// is wanted too.
    pub(super) fn wants(&self, index: usize, own: Own) -> impl Iterator<Item = (Value, Reason)> + use<> {
        let row = &self.rows[index];
        let account = own.account.map(|account| self.accounts[account]).unwrap_or_default();
        let login = row.login.filter(|login| own.adopts || account.login != Some(*login));
        let email = row.email.filter(|email| account.email != Some(*email));
        [login.map(|login| (login, Reason::Login)), email.map(|email| (email, Reason::Email))].into_iter().flatten()
    }

    fn check(&self, index: usize) -> Check {
        if self.rows[index].must_fail {
            return Check::Reject(Reason::Known);
        }
        let own = self.own(index);
        if own.account.is_none() && !self.rows[index].is_complete {
            return Check::Reject(Reason::Incomplete);
        }
        let mut waits = false;
        for (value, reason) in self.wants(index, own) {
            match self.holders[value].filter(|holder| Some(*holder) != own.account) {
                Some(holder) if self.is_settled(holder) => return Check::Reject(reason),
                Some(_) => waits = true,
                None => waits |= self.head_of(value) != Some(index),
            }
        }
        if waits { Check::Wait } else { Check::Apply }
    }

    /// Whether no undecided row can change an account.
    fn is_settled(&self, account: usize) -> bool {
        if let Some(user) = self.user_of[account] {
            return self.turn_of(user).is_none();
        }
        let Account { login, is_adoptable, .. } = self.accounts[account];
        !is_adoptable || login.is_none_or(|login| self.head_of(login).is_none())
    }

    /// Applies rows that exchange values, or one row.
    pub(super) fn apply(&mut self, group: &[usize]) {
        let owns: Vec<usize> = group.iter().map(|row| self.take_account(*row)).collect();
        let mut released = Vec::new();
        for (row, account) in group.iter().zip(&owns) {
            let Row { email, login, .. } = self.rows[*row];
            let account = &mut self.accounts[*account];
            if email.is_some() && account.email != email {
                released.extend(account.email.take());
            }
            if login.is_some() && account.login != login {
                released.extend(account.login.take());
            }
        }
        for value in &released {
            self.holders[*value] = None;
        }
        for (row, account) in group.iter().zip(&owns) {
            let Row { email, login, .. } = self.rows[*row];
            for value in [email, login].into_iter().flatten() {
                self.holders[value] = Some(*account);
            }
            let account = &mut self.accounts[*account];
            account.email = email.or(account.email);
            account.login = login.or(account.login);
        }
        self.decisions.groups.push(group.to_vec());
        for row in group {
            self.mark_decided(*row);
        }
        let freed = released.into_iter().filter(|value| self.holders[*value].is_none());
        let heads: Vec<usize> = freed.filter_map(|value| self.head_of(value)).collect();
        self.to_check.extend(heads);
    }

    /// The account of an applied row: its own, the one that it adopts, or a new one.
    fn take_account(&mut self, row: usize) -> usize {
        let user = self.rows[row].user;
        let own = self.own(row);
        if let Some(login) = self.rows[row].login.filter(|_| own.adopts) {
            // Others who could have adopted the account would now create users, and may lack what a new user needs.
            self.check_claims(login);
        }
        let account = own.account.unwrap_or_else(|| {
            self.accounts.push(Account::default());
            self.user_of.push(None);
            self.accounts.len() - 1
        });
        self.accounts[account].is_adoptable = false;
        self.user_of[account] = Some(user);
        self.account_of[user] = Some(account);
        account
    }

    fn reject(&mut self, row: usize, reason: Reason) {
        self.decisions.rejected.push((row, reason));
        self.mark_decided(row);
    }

    /// Marks a row as decided, and lets those be checked who may have waited for that.
    fn mark_decided(&mut self, index: usize) {
        let row = self.rows[index];
        self.decided[index] = true;
        self.undecided -= 1;
        self.decided_of[row.user] += 1;
        match self.turn_of(row.user) {
            Some(next) => self.to_check.push(next),
            None => {
                if let Some(account) = self.account_of[row.user] {
                    self.check_claims_on(account);
                }
            }
        }
        for value in [row.email, row.login].into_iter().flatten() {
            let first = &mut self.first_claim[value];
            while self.claims[value].get(*first).is_some_and(|claim| self.decided[*claim]) {
                *first += 1;
            }
            let head = self.head_of(value);
            self.to_check.extend(head);
            // No row is left that could adopt the user with this login.
            if head.is_none()
                && let Some(holder) = self.holders[value].filter(|holder| self.user_of[*holder].is_none())
            {
                self.check_claims_on(holder);
            }
        }
    }

    /// Lets all be checked who want what an account has: it will not change any more.
    fn check_claims_on(&mut self, account: usize) {
        let Account { email, login, .. } = self.accounts[account];
        for value in [email, login].into_iter().flatten() {
            self.check_claims(value);
        }
    }

    /// Lets all be checked who want a value.
    fn check_claims(&mut self, value: Value) {
        let undecided = &self.claims[value][self.first_claim[value]..];
        self.to_check.extend(undecided.iter().copied().filter(|claim| !self.decided[*claim]));
    }

    /// Rule 4.
    pub(super) fn reject_all_turns(&mut self) {
        let turns: Vec<usize> = (0..self.rows_of.len()).filter_map(|user| self.turn_of(user)).collect();
        let rejections: Vec<(usize, Reason)> = turns.into_iter().map(|row| (row, self.why_blocked(row))).collect();
        for (row, reason) in rejections {
            self.reject(row, reason);
        }
    }

    /// Why a row that waits cannot be applied: the first value that is taken, or wanted by an earlier row.
    fn why_blocked(&self, index: usize) -> Reason {
        let own = self.own(index);
        let is_blocked = |value: Value| match self.holders[value].filter(|holder| Some(*holder) != own.account) {
            Some(_) => true,
            None => self.head_of(value) != Some(index),
        };
        let blocked = self.wants(index, own).find(|(value, _)| is_blocked(*value));
        blocked.map_or(Reason::Email, |(_, reason)| reason)
    }
}
