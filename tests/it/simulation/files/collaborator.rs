//! Random Collaborator files: users hand on, swap and pass round e-mails and logins, within batches and across them.

use fastrand::Rng;

use super::{File, KEEPER, Kind, Row, Title, pick, title};

const TITLES: [Title; 6] = [
    title("ID", Some("uid"), Kind::Required),
    title("Last name", Some("last_name"), Kind::Required),
    title("First name", Some("first_name"), Kind::Required),
    title("Middle name", Some("patronymic"), Kind::Optional),
    title("Login", Some("username"), Kind::Required),
    title("Email", Some("email"), Kind::Email),
];

/// Generates a file with rows of up to `users` users. The first file of a tenant creates the keeper.
pub(super) fn generate(rng: &mut Rng, users: usize, is_first: bool) -> File {
    let line_end = if rng.bool() { "\n" } else { "\r\n" };
    let mut file = File { titles: TITLES.to_vec(), is_collaborator: true, ..File::default() };
    let titles: Vec<&str> = TITLES.iter().map(|title| title.text).collect();
    file.text.push_str(&titles.join(";"));
    file.text.push_str(line_end);
    if is_first {
        push_row(&mut file, rng, line_end, [KEEPER.to_owned(), KEEPER.to_owned(), format!("{KEEPER}@x")]);
    }
    for _ in 0..rng.usize(4..=36) {
        let values = random_values(rng, users, is_first);
        push_row(&mut file, rng, line_end, values);
    }
    file
}

/// The uid, the login and the e-mail of a row.
fn random_values(rng: &mut Rng, users: usize, is_first: bool) -> [String; 3] {
    let user = rng.usize(0..users);
    let other = rng.usize(0..users);
    let uid = if rng.u8(0..20) == 0 { String::new() } else { format!("uid{user}") };
    let login = match rng.u8(0..20) {
        0 => format!("USER{user}"),
        1 => format!("user{user}.b"),
        2 if !is_first => KEEPER.to_owned(),
        3..=5 => format!("user{other}"),
        _ => format!("user{user}"),
    };
    let email = match rng.u8(0..20) {
        0 => format!("User{user}@x"),
        1 => format!("user{user}.b@x"),
        2 if !is_first => format!("{KEEPER}@x"),
        3 => format!("user{user}"),
        4..=6 => format!("user{other}@x"),
        _ => format!("user{user}@x"),
    };
    [uid, login, email]
}

fn push_row(file: &mut File, rng: &mut Rng, line_end: &str, [uid, login, email]: [String; 3]) {
    let names = ["Ann", "Bob", "Cid"];
    let cells = vec![uid, pick(rng, &names), pick(rng, &names), pick(rng, &names), login, email];
    let (line, offset) = (file.rows.len() as u64 + 2, file.text.len() as u64);
    file.text.push_str(&cells.join(";"));
    file.text.push_str(line_end);
    file.rows.push(Row { line, offset, cells, broken_quote: None });
}
