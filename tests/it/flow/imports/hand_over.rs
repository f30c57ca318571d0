//! E-mails and logins that users of one file hand on, swap or pass round, whatever the order of rows and batches.

use muster_testkit::Site;
use reqwest::Method;
use serde_json::Value;

use crate::flow::expected::{RowCounts, Status, created, updated};
use crate::flow::{TITLES, csv, test_on_both_backends};

test_on_both_backends!(
    a_chain_against_the_line_order_is_handed_on,
    a_ring_of_thousands_is_passed_round,
    a_swap_in_two_batches_is_made_and_an_outsider_is_refused,
    the_earlier_line_gets_an_email_in_whatever_batch,
    a_row_that_wants_what_a_waiting_row_wants_waits_too,
    a_row_that_fails_gives_nothing_up,
    a_canceled_or_unreadable_file_leaves_nothing_waiting,
    logins_and_emails_are_swapped_together,
    a_file_whose_good_rows_all_waited_is_not_failed,
);

/// More than one batch.
const MANY: usize = 5_000;

fn row(user: &str, email: &str) -> String {
    format!("{email},{user},F,L")
}

/// Rows of other users, which fill a batch.
fn filler(name: &str) -> Vec<String> {
    (0..2_100).map(|number| row(&format!("{name}{number}"), &format!("{name}{number}@f"))).collect()
}

async fn import<R: AsRef<str>>(site: &Site, rows: impl IntoIterator<Item = R>) -> Value {
    let status = site.client.import(csv(TITLES, rows)).await;
    if let Some(servers) = &site.servers {
        assert_eq!(servers.number("select count(*) from waiting").await, 0);
    }
    status
}

async fn email(site: &Site, user: &str) -> String {
    site.client.user(user).await["email"].as_str().unwrap().to_owned()
}

async fn assert_emails(site: &Site, expected: &[(&str, &str)]) {
    for (user, expected) in expected {
        assert_eq!(email(site, user).await, *expected, "{user}");
    }
}

async fn a_chain_against_the_line_order_is_handed_on(site: Site) {
    import(&site, (0..MANY).map(|number| row(&format!("u{number}"), &format!("e{number}@x")))).await;
    // Each user wants the e-mail of the next one, who gives it up one line later; the last one frees the whole chain.
    let status = import(&site, (0..MANY).map(|number| row(&format!("u{number}"), &format!("e{}@x", number + 1)))).await;
    assert_eq!(status.counts(), updated(MANY as u64));
    assert_eq!(status["waiting_users"], 0);
    assert_emails(&site, &[("u0", "e1@x"), ("u2500", "e2501@x"), ("u4999", "e5000@x")]).await;
}

async fn a_ring_of_thousands_is_passed_round(site: Site) {
    import(&site, (0..MANY).map(|number| row(&format!("u{number}"), &format!("e{number}@x")))).await;
    let next = |number: usize| row(&format!("u{number}"), &format!("e{}@x", (number + 1) % MANY));
    let status = import(&site, (0..MANY).map(next)).await;
    assert_eq!(status.counts(), updated(MANY as u64));
    assert_emails(&site, &[("u0", "e1@x"), ("u4999", "e0@x")]).await;
    let again = import(&site, (0..MANY).map(next)).await;
    assert_eq!(again.counts(), RowCounts::default().unchanged(MANY as u64), "the same file changes nothing");
}

async fn a_swap_in_two_batches_is_made_and_an_outsider_is_refused(site: Site) {
    import(&site, [row("a", "a@x"), row("b", "b@x")]).await;
    let mut rows = vec![row("outsider", "a@x"), row("a", "b@x")];
    rows.extend(filler("f"));
    rows.push(row("b", "a@x"));
    let status = import(&site, rows).await;
    assert_eq!(status.counts(), created(2_100).updated(2).failed(1));
    assert_eq!(status.errors(), "Line 2: EMAIL belongs to another user (user N, written by line 2104 of this file)");
    assert_emails(&site, &[("a", "b@x"), ("b", "a@x")]).await;
}

async fn the_earlier_line_gets_an_email_in_whatever_batch(site: Site) {
    let mut rows = vec![row("first", "same@x")];
    rows.extend(filler("f"));
    rows.push(row("second", "SAME@x"));
    let status = import(&site, rows).await;
    assert_eq!(status.counts(), created(2_101).failed(1));
    assert_eq!(email(&site, "first").await, "same@x");
    assert_eq!(status.errors(), "Line 2103: EMAIL belongs to another user (user N, written by line 2 of this file)");
}

async fn a_row_that_wants_what_a_waiting_row_wants_waits_too(site: Site) {
    import(&site, [row("holder", "v@x")]).await;
    // The first user wants it before it is given up, the second one after that, in another batch.
    let mut rows = vec![row("first", "v@x")];
    rows.extend(filler("f"));
    rows.push(row("holder", "w@x"));
    rows.extend(filler("g"));
    rows.push(row("second", "v@x"));
    let status = import(&site, rows).await;
    assert_eq!(status.counts(), created(4_201).updated(1).failed(1));
    assert_emails(&site, &[("first", "v@x"), ("holder", "w@x")]).await;
}

async fn a_row_that_fails_gives_nothing_up(site: Site) {
    import(&site, [row("a", "a@x"), row("b", "b@x"), row("keeper", "k@x")]).await;
    let status = import(&site, [row("a", "b@x"), row("b", "k@x")]).await;
    assert_eq!(status.counts(), RowCounts::default().failed(2));
    assert_emails(&site, &[("a", "a@x"), ("b", "b@x")]).await;
}

async fn a_canceled_or_unreadable_file_leaves_nothing_waiting(site: Site) {
    import(&site, [row("a", "a@x"), row("b", "b@x")]).await;
    // What stands before and after the quote without an end is decided as in any other file.
    let status = import(&site, [row("a", "b@x"), row("b", "a@x"), "\"never closed".to_owned()]).await;
    assert_eq!((status["status"].as_str(), status.counts()), (Some("SUCCESS"), updated(2).failed(1)));
    assert_emails(&site, &[("a", "b@x"), ("b", "a@x")]).await;
}

async fn logins_and_emails_are_swapped_together(site: Site) {
    let columns = ["uid", "secondname", "firstname", "patronymic", "login", "email"].join(";");
    let file = |rows: [&str; 2]| format!("{columns}\n{}\n{}\n", rows[0], rows[1]);
    let import = async |rows| {
        let (path, headers) = ("/api/v2/users-import/csv", [("content-type", "text/csv")]);
        let response = site.client.send(Method::POST, path, &headers, file(rows).into_bytes()).await;
        (response.status, response.json())
    };
    let (status, body) = import(["1;L;F;;ann;ann@x", "2;L;F;;bob;bob@x"]).await;
    assert_eq!((status, &body["created_count"]), (200, &2.into()), "{body}");
    let (status, body) = import(["1;L;F;;bob;bob@x", "2;L;F;;ann;ann@x"]).await;
    assert_eq!((status, &body["updated_count"], &body["failed_count"]), (200, &2.into(), &Value::Null), "{body}");
    let (ann, bob) = (site.client.user("ann").await, site.client.user("bob").await);
    assert_eq!((ann["uid"].as_str(), ann["email"].as_str()), (Some("2"), Some("ann@x")));
    assert_eq!((bob["uid"].as_str(), bob["email"].as_str()), (Some("1"), Some("bob@x")));
}

async fn a_file_whose_good_rows_all_waited_is_not_failed(site: Site) {
    import(&site, [row("a", "a@x"), row("b", "b@x")]).await;
    let status = import(&site, [row("a", "b@x"), row("b", "a@x"), row("c", "")]).await;
    assert_eq!((status["status"].as_str(), status.counts()), (Some("SUCCESS"), updated(2).failed(1)));
}
