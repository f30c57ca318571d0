//! Jobs of one tenant run one after another; those of different tenants do not wait for each other.

use muster_testkit::Site;

use super::{TITLES, csv, on_both};

on_both!(the_last_accepted_file_wins, tenants_do_not_wait_for_each_other);

fn cities(city: &str, users: u32) -> String {
    csv(&format!("{TITLES},WORK_CITY"), (0..users).map(|n| format!("u{n}@x,u{n},F,L,{city}")))
}

async fn the_last_accepted_file_wins(site: Site) {
    let mut paths = Vec::new();
    for round in 0..6 {
        // Big and small in turn: lanes must not change the order.
        let users = if round % 2 == 0 { 13_000 } else { 100 };
        paths.push(site.client.upload(cities(&format!("City {round}"), users)).await);
    }
    for (round, path) in paths.iter().enumerate() {
        let status = site.client.finished(path).await;
        let users = if round % 2 == 0 { 13_000 } else { 100 };
        let key = if round == 0 { "created_users" } else { "updated_users" };
        assert_eq!(status[key], users, "round {round}: {status}");
    }
    for (user, city) in [("u0", "City 5"), ("u99", "City 5"), ("u100", "City 4"), ("u12999", "City 4")] {
        assert_eq!(site.client.user(user).await["work_city"], city, "{user}");
    }
}

async fn tenants_do_not_wait_for_each_other(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let big = site.client.upload(cities("Big", 30_000)).await;
    let small = other.import(cities("Small", 10)).await;
    assert_eq!(small["created_users"], 10);
    assert_eq!(site.client.finished(&big).await["created_users"], 30_000);
}
