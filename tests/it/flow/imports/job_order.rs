//! Jobs of one tenant run one after another; jobs of different tenants do not wait for each other.

use muster_testkit::Site;

use crate::flow::{TITLES, csv, test_on_both_backends};

test_on_both_backends!(the_last_accepted_file_wins, a_small_job_does_not_wait_for_a_large_job_of_another_tenant);

fn users_in(city: &str, users: u32) -> String {
    csv(&format!("{TITLES},WORK_CITY"), (0..users).map(|n| format!("u{n}@x,u{n},F,L,{city}")))
}

async fn the_last_accepted_file_wins(site: Site) {
    let mut paths = Vec::new();
    for round in 0..6 {
        // Large and small files alternate: the lanes must not change the order.
        let users = if round % 2 == 0 { 13_000 } else { 100 };
        paths.push(site.client.upload(users_in(&format!("City {round}"), users)).await);
    }
    for (round, path) in paths.iter().enumerate() {
        let status = site.client.wait_until_final(path).await;
        let users = if round % 2 == 0 { 13_000 } else { 100 };
        let key = if round == 0 { "created_users" } else { "updated_users" };
        assert_eq!(status[key], users, "round {round}: {status}");
    }
    for (user, city) in [("u0", "City 5"), ("u99", "City 5"), ("u100", "City 4"), ("u12999", "City 4")] {
        assert_eq!(site.client.user(user).await["work_city"], city, "{user}");
    }
}

async fn a_small_job_does_not_wait_for_a_large_job_of_another_tenant(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let large = site.client.upload(users_in("Large", 30_000)).await;
    let small = other.import(users_in("Small", 10)).await;
    assert_eq!(small["created_users"], 10);
    assert_eq!(site.client.wait_until_final(&large).await["created_users"], 30_000);
}
