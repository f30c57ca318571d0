//! Rule 3: rows that want each other's values exchange them.

use std::collections::{HashMap, HashSet};

use super::graph::Graph;
use super::state::State;

impl State<'_> {
    /// Rule 3. Returns whether rows exchanged values.
    pub(super) fn exchange(&mut self) -> bool {
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
}
