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

use std::collections::{HashMap, HashSet};

use crate::batch::CheckedRow;
use crate::decision::{reject_incomplete_row, reject_taken, reject_unwritable_row};
use crate::field::Field;
use crate::rejection::{Rejection, RejectionCode};

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
    /// Builds the input of [`decide`]. `rows` are in line order; those for which `must_fail` returns true fail in any
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

/// What the rules say about a row whose turn it is.
enum Check {
    Apply,
    Reject(Reason),
    Wait,
}

/// The account of a row.
#[derive(Clone, Copy)]
struct Own {
    account: Option<usize>,
    /// Whether the row adopts the account by its login.
    adopts: bool,
}

struct State<'a> {
    rows: &'a [Row],
    accounts: Vec<Account>,
    /// The user of each account, if rows name it.
    user_of: Vec<Option<usize>>,
    account_of: Vec<Option<usize>>,
    /// The account that has each value.
    holders: Vec<Option<usize>>,
    /// The rows of each user, in line order, and how many are decided.
    rows_of: Vec<Vec<usize>>,
    decided_of: Vec<usize>,
    /// The rows that set each value, in line order, and the position of the first undecided one.
    claims: Vec<Vec<usize>>,
    first_claim: Vec<usize>,
    decided: Vec<bool>,
    undecided: usize,
    /// Rows to be checked by rules 1 and 2.
    to_check: Vec<usize>,
    decisions: Decisions,
}

impl<'a> State<'a> {
    fn new(waiting: &'a Waiting) -> Self {
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

    fn is_done(&self) -> bool {
        self.undecided == 0
    }

    /// Applies rules 1 and 2 until neither applies to any row.
    fn apply_and_reject(&mut self) {
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
    fn turn_of(&self, user: usize) -> Option<usize> {
        self.rows_of[user].get(self.decided_of[user]).copied()
    }

    /// The first undecided row that sets a value.
    fn head_of(&self, value: Value) -> Option<usize> {
        self.claims[value].get(self.first_claim[value]).copied()
    }

    fn own(&self, index: usize) -> Own {
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
    fn wants(&self, index: usize, own: Own) -> impl Iterator<Item = (Value, Reason)> + use<> {
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
    fn apply(&mut self, group: &[usize]) {
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
        let account = self.own(row).account.unwrap_or_else(|| {
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
            let undecided = &self.claims[value][self.first_claim[value]..];
            self.to_check.extend(undecided.iter().copied().filter(|claim| !self.decided[*claim]));
        }
    }

    /// Rule 3. Returns whether rows exchanged values.
    fn exchange(&mut self) -> bool {
        let mut rings = self.find_rings();
        rings.sort_unstable_by_key(|ring| ring[0]);
        for (number, ring) in rings.iter().enumerate() {
            let rows_before = self.undecided - ring.len();
            self.apply(ring);
            let changes_others = ring.iter().any(|row| self.turn_of(self.rows[*row].user).is_some());
            self.apply_and_reject();
            // Whatever else was decided meanwhile may have changed what the next ring is.
            if changes_others || self.undecided != rows_before || number + 1 == rings.len() {
                return true;
            }
        }
        false
    }

    /// The smallest sets of rows that want only what is free or what another row of the set gives up, and no two the
    /// same; the rows of each in line order.
    fn find_rings(&self) -> Vec<Vec<usize>> {
        let turns: Vec<usize> = (0..self.rows_of.len()).filter_map(|user| self.turn_of(user)).collect();
        let mut row_of_account = HashMap::new();
        for row in &turns {
            let own = self.own(*row);
            if let Some(account) = own.account
                && (!own.adopts || self.is_first_to_adopt(*row))
            {
                row_of_account.insert(account, *row);
            }
        }
        let mut graph = Graph::default();
        for row in &turns {
            if let Some(needs) = self.needs(*row, &row_of_account) {
                graph.add(*row, needs);
            }
        }
        let is_exchange = |ring: &Vec<usize>| {
            let mut wanted = HashSet::new();
            ring.len() > 1
                && ring.iter().all(|row| self.wants(*row, self.own(*row)).all(|(value, _)| wanted.insert(value)))
        };
        let mut rings: Vec<Vec<usize>> = graph.closed_components().into_iter().filter(is_exchange).collect();
        for ring in &mut rings {
            ring.sort_unstable();
        }
        rings
    }

    fn is_first_to_adopt(&self, row: usize) -> bool {
        self.rows[row].login.is_some_and(|login| self.head_of(login) == Some(row))
    }

    /// The rows that have to give up a value for this row. `None` if something that it wants is not given up.
    fn needs(&self, index: usize, row_of_account: &HashMap<usize, usize>) -> Option<Vec<usize>> {
        let own = self.own(index);
        if own.adopts && !self.is_first_to_adopt(index) {
            return None;
        }
        let mut needs = Vec::new();
        for (value, _) in self.wants(index, own) {
            let Some(holder) = self.holders[value].filter(|holder| Some(*holder) != own.account) else { continue };
            let giver = *row_of_account.get(&holder)?;
            let (row, account) = (&self.rows[giver], &self.accounts[holder]);
            let gives_email = account.email == Some(value) && row.email.is_some_and(|email| email != value);
            let gives_login = account.login == Some(value) && row.login.is_some_and(|login| login != value);
            if !gives_email && !gives_login {
                return None;
            }
            needs.push(giver);
        }
        Some(needs)
    }

    /// Rule 4.
    fn reject_all_turns(&mut self) {
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

/// A directed graph of rows.
#[derive(Default)]
struct Graph {
    rows: Vec<usize>,
    position: HashMap<usize, usize>,
    needs: Vec<Vec<usize>>,
}

impl Graph {
    fn add(&mut self, row: usize, needs: Vec<usize>) {
        self.position.insert(row, self.rows.len());
        self.rows.push(row);
        self.needs.push(needs);
    }

    /// The strongly connected components from which no edge leads out (Tarjan's algorithm, without recursion).
    fn closed_components(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.rows.len();
        let (mut order, mut low) = (vec![UNSEEN; count], vec![0; count]);
        let (mut component_of, mut stack, mut path) = (vec![UNSEEN; count], Vec::new(), Vec::new());
        let (mut components, mut seen) = (Vec::new(), 0);
        for start in 0..count {
            if order[start] != UNSEEN {
                continue;
            }
            path.push((start, 0));
            while let Some((node, edge)) = path.pop() {
                if edge == 0 {
                    (order[node], low[node]) = (seen, seen);
                    seen += 1;
                    stack.push(node);
                }
                if let Some(need) = self.needs[node].get(edge) {
                    path.push((node, edge + 1));
                    match self.position.get(need) {
                        Some(next) if order[*next] == UNSEEN => path.push((*next, 0)),
                        Some(next) if component_of[*next] == UNSEEN => low[node] = low[node].min(order[*next]),
                        _ => {}
                    }
                    continue;
                }
                if low[node] == order[node] {
                    let mut component = Vec::new();
                    while let Some(member) = stack.pop() {
                        component_of[member] = components.len();
                        component.push(member);
                        if member == node {
                            break;
                        }
                    }
                    components.push(component);
                }
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        let stays_inside = |component: &Vec<usize>| {
            let number = component_of[component[0]];
            let mut needs = component.iter().flat_map(|node| &self.needs[*node]);
            needs.all(|need| self.position.get(need).is_some_and(|node| component_of[*node] == number))
        };
        let closed = components.into_iter().filter(stays_inside);
        closed.map(|component| component.into_iter().map(|node| self.rows[node]).collect()).collect()
    }
}

#[cfg(test)]
mod tests;
