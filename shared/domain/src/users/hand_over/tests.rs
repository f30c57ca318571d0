//! The rules on small cases, and against a literal model of them.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn row(user: usize, email: Value) -> Row {
    Row { user, email: Some(email), login: None, is_complete: true, must_fail: false }
}

/// Existing users with these e-mails, each user with one row that wants another e-mail.
fn moves(moves: &[(Value, Value)]) -> Waiting {
    Waiting {
        rows: moves.iter().enumerate().map(|(user, (_, to))| row(user, *to)).collect(),
        users: (0..moves.len()).map(Some).collect(),
        accounts: moves.iter().map(|(from, _)| Account { email: Some(*from), ..Account::default() }).collect(),
        values: moves.iter().flat_map(|(from, to)| [*from, *to]).max().unwrap_or_default() + 1,
    }
}

#[test]
fn a_chain_is_unwound_from_its_free_end() {
    let decisions = decide(&moves(&[(0, 1), (1, 2), (2, 3)]));
    assert_eq!(decisions.groups, [[2], [1], [0]]);
}

#[test]
fn a_ring_exchanges_its_values_and_outsiders_are_passed_over() {
    // The first row wants the e-mail of the second user, who exchanges it with the third.
    let decisions = decide(&moves(&[(4, 1), (1, 2), (2, 1)]));
    assert_eq!(decisions.groups, [vec![1, 2]]);
    assert_eq!(decisions.rejected, [(0, Reason::Email)]);
}

#[test]
fn the_earliest_line_gets_a_free_value() {
    let waiting = Waiting { rows: vec![row(0, 0), row(1, 0)], users: vec![None, None], accounts: vec![], values: 1 };
    let decisions = decide(&waiting);
    assert_eq!((decisions.groups, decisions.rejected), (vec![vec![0]], vec![(1, Reason::Email)]));
}

#[test]
fn a_value_of_a_user_without_rows_is_taken() {
    let account = Account { email: Some(0), ..Account::default() };
    let waiting = Waiting { rows: vec![row(0, 0)], users: vec![None], accounts: vec![account], values: 1 };
    assert_eq!(decide(&waiting).rejected, [(0, Reason::Email)]);
}

#[test]
fn a_row_that_fails_gives_nothing_up() {
    // The second user wants what the third keeps, so the first one cannot have the e-mail of the second.
    let mut waiting = moves(&[(0, 1), (1, 2)]);
    waiting.accounts.push(Account { email: Some(2), ..Account::default() });
    let decisions = decide(&waiting);
    assert!(decisions.groups.is_empty());
    assert_eq!(decisions.rejected.len(), 2);
}

#[test]
fn of_two_new_uids_the_earlier_adopts_the_login() {
    let account = Account { login: Some(0), is_adoptable: true, ..Account::default() };
    let adopting = |user| Row { user, email: None, login: Some(0), is_complete: false, must_fail: false };
    let waiting =
        Waiting { rows: vec![adopting(0), adopting(1)], users: vec![None, None], accounts: vec![account], values: 1 };
    let decisions = decide(&waiting);
    assert_eq!((decisions.groups, decisions.rejected), (vec![vec![0]], vec![(1, Reason::Incomplete)]));
}

#[test]
fn a_row_that_can_no_longer_adopt_fails_if_it_is_incomplete() {
    let account = Account { login: Some(0), is_adoptable: true, ..Account::default() };
    let row = |user, email, login, is_complete| Row { user, email, login: Some(login), is_complete, must_fail: false };
    // The third row wants to adopt what the first one adopts. Once it has failed, its e-mail is free for the last one,
    // which leaves its login to the second.
    let rows =
        vec![row(0, None, 0, false), row(1, None, 0, true), row(2, Some(1), 0, false), row(0, Some(1), 2, false)];
    let waiting = Waiting { rows, users: vec![None; 3], accounts: vec![account], values: 3 };
    let decisions = decide(&waiting);
    assert_eq!((decisions.groups.concat(), decisions.rejected), (vec![0, 3, 1], vec![(2, Reason::Incomplete)]));
}

#[test]
fn large_chains_rings_and_stars_take_linear_time() {
    let count = 200_000;
    let chain: Vec<_> = (0..count).map(|number| (number, number + 1)).collect();
    assert_eq!(decide(&moves(&chain)).groups.len(), count);
    let ring: Vec<_> = (0..count).map(|number| (number, (number + 1) % count)).collect();
    assert_eq!(decide(&moves(&ring)).groups.len(), 1);
    let swaps: Vec<_> = (0..count).map(|number| (number, number ^ 1)).collect();
    assert_eq!(decide(&moves(&swaps)).groups.len(), count / 2);
    let star: Vec<_> = (0..count).map(|number| (number, 0)).collect();
    assert_eq!(decide(&moves(&star)).rejected.len(), count - 1, "the first row wants what it has");
}

/// The rules, literally: slow, and with nothing in common with the code above.
mod literal {
    use super::*;

    /// E-mail, login, whether it is adoptable, and the user whose rows name it.
    type LiteralAccount = (Option<Value>, Option<Value>, bool, Option<usize>);

    struct World {
        accounts: Vec<LiteralAccount>,
        undecided: Vec<usize>,
    }

    fn holder(world: &World, value: Value) -> Option<usize> {
        world.accounts.iter().position(|(email, login, ..)| *email == Some(value) || *login == Some(value))
    }

    fn own(world: &World, row: &Row) -> (Option<usize>, bool) {
        if let Some(known) = world.accounts.iter().position(|(.., user)| *user == Some(row.user)) {
            return (Some(known), false);
        }
        let adopted = row.login.and_then(|login| holder(world, login)).filter(|held| world.accounts[*held].2);
        (adopted, adopted.is_some())
    }

    fn wants(world: &World, row: &Row) -> Vec<Value> {
        let (own, adopts) = own(world, row);
        let (email, login) = own.map_or((None, None), |own| (world.accounts[own].0, world.accounts[own].1));
        let login = row.login.filter(|wanted| adopts || login != Some(*wanted));
        login.into_iter().chain(row.email.filter(|wanted| email != Some(*wanted))).collect()
    }

    fn is_claimed_before(world: &World, rows: &[Row], row: usize, value: Value) -> bool {
        let sets = |other: &usize| rows[*other].email == Some(value) || rows[*other].login == Some(value);
        world.undecided.iter().any(|other| *other < row && sets(other))
    }

    fn is_settled(world: &World, rows: &[Row], account: usize) -> bool {
        let (_, login, adoptable, user) = world.accounts[account];
        match user {
            Some(user) => !world.undecided.iter().any(|row| rows[*row].user == user),
            None => {
                !adoptable
                    || login.is_none_or(|login| !world.undecided.iter().any(|row| rows[*row].login == Some(login)))
            }
        }
    }

    fn apply(world: &mut World, rows: &[Row], group: &[usize]) {
        let owns: Vec<usize> = group
            .iter()
            .map(|row| {
                own(world, &rows[*row]).0.unwrap_or_else(|| {
                    world.accounts.push((None, None, false, None));
                    world.accounts.len() - 1
                })
            })
            .collect();
        for (row, own) in group.iter().zip(owns) {
            let account = &mut world.accounts[own];
            account.0 = rows[*row].email.or(account.0);
            account.1 = rows[*row].login.or(account.1);
            account.2 = false;
            account.3 = Some(rows[*row].user);
            world.undecided.retain(|other| other != row);
        }
    }

    /// The accounts at the end, and the rows that were applied.
    pub(super) fn run(waiting: &Waiting) -> Vec<usize> {
        let rows = &waiting.rows;
        let user_of = |account: usize| waiting.users.iter().position(|own| *own == Some(account));
        let accounts = waiting.accounts.iter().enumerate();
        let accounts =
            accounts.map(|(index, account)| (account.email, account.login, account.is_adoptable, user_of(index)));
        let mut world = World { accounts: accounts.collect(), undecided: (0..rows.len()).collect() };
        let mut applied = Vec::new();
        'next: while !world.undecided.is_empty() {
            let is_first = |row: &&usize| {
                !world.undecided.iter().any(|other| other < *row && rows[*other].user == rows[**row].user)
            };
            let turns: Vec<usize> = world.undecided.iter().filter(is_first).copied().collect();
            for row in &turns {
                let (account, _) = own(&world, &rows[*row]);
                if account.is_none() && !rows[*row].is_complete {
                    world.undecided.retain(|other| other != row);
                    continue 'next;
                }
                let others = |value: &Value| holder(&world, *value).filter(|held| Some(*held) != account);
                let wanted = wants(&world, &rows[*row]);
                if wanted.iter().all(|value| others(value).is_none() && !is_claimed_before(&world, rows, *row, *value))
                {
                    apply(&mut world, rows, &[*row]);
                    applied.push(*row);
                    continue 'next;
                }
                if wanted.iter().any(|value| others(value).is_some_and(|held| is_settled(&world, rows, held))) {
                    world.undecided.retain(|other| other != row);
                    continue 'next;
                }
            }
            if let Some(ring) = smallest_ring(&world, rows, &turns) {
                apply(&mut world, rows, &ring);
                applied.extend(ring);
                continue 'next;
            }
            world.undecided.retain(|row| !turns.contains(row));
        }
        applied.sort_unstable();
        applied
    }

    /// The minimal sets of two or more rows, the one with the earliest line first.
    fn smallest_ring(world: &World, rows: &[Row], turns: &[usize]) -> Option<Vec<usize>> {
        let mut rings: Vec<Vec<usize>> = Vec::new();
        for mask in 1_u32..1 << turns.len() {
            let set: Vec<usize> = (0..turns.len()).filter(|bit| mask & (1 << bit) != 0).map(|bit| turns[bit]).collect();
            if set.len() > 1 && exchanges(world, rows, &set) {
                rings.push(set);
            }
        }
        let is_minimal = |ring: &&Vec<usize>| {
            !rings.iter().any(|other| other.len() < ring.len() && other.iter().all(|row| ring.contains(row)))
        };
        rings.iter().filter(is_minimal).min_by_key(|ring| ring[0]).cloned()
    }

    fn exchanges(world: &World, rows: &[Row], set: &[usize]) -> bool {
        let mut wanted: Vec<Value> = set.iter().flat_map(|row| wants(world, &rows[*row])).collect();
        let count = wanted.len();
        wanted.sort_unstable();
        wanted.dedup();
        let adopts_in_turn = |row: &usize| {
            let (_, adopts) = own(world, &rows[*row]);
            !adopts
                || rows[*row].login.is_some_and(|login| {
                    !world.undecided.iter().any(|other| other < row && rows[*other].login == Some(login))
                })
        };
        let releases = |value: Value, account: usize, giver: &usize| {
            let row = &rows[*giver];
            let (email, login, ..) = world.accounts[account];
            own(world, row).0 == Some(account)
                && ((email == Some(value) && row.email.is_some_and(|new| new != value))
                    || (login == Some(value) && row.login.is_some_and(|new| new != value)))
        };
        let mut edges = Vec::new();
        for row in set {
            let (own_account, _) = own(world, &rows[*row]);
            for value in wants(world, &rows[*row]) {
                if let Some(taken_from) = holder(world, value).filter(|holder| Some(*holder) != own_account) {
                    let Some(giver) = set.iter().find(|giver| releases(value, taken_from, giver)) else { return false };
                    edges.push((*row, *giver));
                }
            }
        }
        let reaches_all = |start: usize| {
            let mut reached = vec![start];
            let mut next = 0;
            while next < reached.len() {
                let current = reached[next];
                for (_, to) in edges.iter().filter(|(from, _)| *from == current) {
                    if !reached.contains(to) {
                        reached.push(*to);
                    }
                }
                next += 1;
            }
            reached.len() == set.len()
        };
        wanted.len() == count && set.iter().all(adopts_in_turn) && set.iter().all(|row| reaches_all(*row))
    }
}

/// Up to six rows of up to four users, who want up to four e-mails and three logins.
fn any_waiting() -> impl Strategy<Value = Waiting> {
    let (emails, logins) = (4, 3);
    let account = (proptest::option::of(0..emails), proptest::option::of(0..logins), any::<bool>());
    let row = (0_usize..4, proptest::option::weighted(0.8, 0..emails), 0..logins, proptest::bool::weighted(0.8));
    let users = proptest::collection::vec(proptest::bool::weighted(0.6), 4);
    (proptest::collection::vec(account, 6), users, proptest::collection::vec(row, 1..7), any::<bool>()).prop_map(
        move |(accounts, users, rows, by_uid)| {
            let (mut free_emails, mut free_logins): (HashSet<Value>, HashSet<Value>) =
                ((0..emails).collect(), (0..logins).collect());
            let accounts: Vec<Account> = accounts
                .into_iter()
                .map(|(email, login, adoptable)| {
                    let email = email.filter(|email| free_emails.remove(email));
                    let login = login.filter(|login| by_uid && free_logins.remove(login)).map(|login| emails + login);
                    Account { email, login, is_adoptable: adoptable && by_uid }
                })
                .collect();
            let mut next = 0..accounts.len();
            let users: Vec<Option<usize>> = users
                .into_iter()
                .map(|exists| if exists { next.find(|account| !accounts[*account].is_adoptable) } else { None })
                .collect();
            let rows = rows.into_iter().map(|(user, email, login, is_complete)| Row {
                user,
                email,
                login: by_uid.then_some(emails + login),
                is_complete,
                must_fail: false,
            });
            Waiting { rows: rows.collect(), users, accounts, values: emails + logins }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_decisions_are_those_of_the_literal_rules(waiting in any_waiting()) {
        let decisions = decide(&waiting);
        let mut applied: Vec<usize> = decisions.groups.concat();
        applied.sort_unstable();
        prop_assert_eq!(applied.len() + decisions.rejected.len(), waiting.rows.len());
        prop_assert_eq!(applied, literal::run(&waiting));
    }
}
