//! Rows of one batch that want each other's e-mail come out as in a single-threaded run.

use muster_testkit::Site;

use super::{TITLES, counts, csv, on_both};

on_both!(
    an_email_is_handed_on_in_line_order,
    two_new_users_with_one_email_leave_the_first,
    a_user_may_change_its_email_and_back,
    a_conflict_between_jobs_names_the_row,
);

async fn an_email_is_handed_on_in_line_order(site: Site) {
    site.client.import(csv(TITLES, ["a@x,a,A,A", "b@x,b,B,B"])).await;
    // b wants a's e-mail before a has let go of it (line 2), and again after (line 4).
    let status = site.client.import(csv(TITLES, ["a@x,b,B,B", "z@x,a,A,A", "a@x,b,B,B", "q@x,q,Q,Q"])).await;
    assert_eq!(counts(&status), [4, 1, 2, 0, 1]);
    assert_eq!(status["error_message"], "Line 2: EMAIL belongs to another user");
    assert_eq!(site.client.user("a").await["email"], "z@x");
    assert_eq!(site.client.user("b").await["email"], "a@x");
}

async fn two_new_users_with_one_email_leave_the_first(site: Site) {
    let status = site.client.import(csv(TITLES, ["same@x,a,A,A", "SAME@x,b,B,B", "c@x,c,C,C"])).await;
    assert_eq!(counts(&status), [3, 2, 0, 0, 1]);
    assert_eq!(status["error_message"], "Line 3: EMAIL belongs to another user");
}

async fn a_user_may_change_its_email_and_back(site: Site) {
    let status = site.client.import(csv(TITLES, ["a@x,a,A,A", "b@x,a,A,A", "a@x,a,A,A", "b@x,b,B,B"])).await;
    assert_eq!(counts(&status), [4, 2, 2, 0, 0]);
    assert_eq!(site.client.user("b").await["email"], "b@x");
}

async fn a_conflict_between_jobs_names_the_row(site: Site) {
    site.client.import(csv(TITLES, ["a@x,a,A,A"])).await;
    let status = site.client.import(csv(TITLES, ["c@x,c,C,C", "A@X,b,B,B"])).await;
    assert_eq!(counts(&status), [2, 1, 0, 0, 1]);
    assert_eq!(status["error_message"], "Line 3: EMAIL belongs to another user");
}
