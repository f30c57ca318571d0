//! Contested e-mails: several rows of one batch want the same e-mail.

use muster_testkit::Site;

use crate::flow::expected::{Status, created};
use crate::flow::{TITLES, csv, test_on_both_backends};

test_on_both_backends!(
    an_email_changes_hands_in_line_order,
    the_first_of_two_new_users_gets_a_contested_email,
    a_user_can_change_its_email_and_change_it_back,
    a_conflict_with_an_earlier_job_names_the_line,
);

async fn an_email_changes_hands_in_line_order(site: Site) {
    site.client.import(csv(TITLES, ["a@x,a,A,A", "b@x,b,B,B"])).await;
    // `b` wants the e-mail of `a` on line 2, before `a` gives it up on line 3.
    let status = site.client.import(csv(TITLES, ["a@x,b,B,B", "z@x,a,A,A", "a@x,b,B,B", "q@x,q,Q,Q"])).await;
    assert_eq!(status.counts(), created(1).updated(2).unchanged(1));
    assert_eq!(site.client.user("a").await["email"], "z@x");
    assert_eq!(site.client.user("b").await["email"], "a@x");
}

async fn the_first_of_two_new_users_gets_a_contested_email(site: Site) {
    let status = site.client.import(csv(TITLES, ["same@x,a,A,A", "SAME@x,b,B,B", "c@x,c,C,C"])).await;
    assert_eq!(status.counts(), created(2).failed(1));
    assert_eq!(status.errors(), "Line 3: EMAIL belongs to another user (user N, written by line 2 of this file)");
}

async fn a_user_can_change_its_email_and_change_it_back(site: Site) {
    let status = site.client.import(csv(TITLES, ["a@x,a,A,A", "b@x,a,A,A", "a@x,a,A,A", "b@x,b,B,B"])).await;
    assert_eq!(status.counts(), created(2).updated(2));
    assert_eq!(site.client.user("b").await["email"], "b@x");
}

async fn a_conflict_with_an_earlier_job_names_the_line(site: Site) {
    site.client.import(csv(TITLES, ["a@x,a,A,A"])).await;
    let status = site.client.import(csv(TITLES, ["c@x,c,C,C", "A@X,b,B,B"])).await;
    assert_eq!(status.counts(), created(1).failed(1));
    assert_eq!(status.errors(), "Line 3: EMAIL belongs to another user (user N)");
}
