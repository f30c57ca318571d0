//! Quotas of a tenant, as an operator sets them and a client meets them.

use muster_testkit::{RawConnection, Site};
use reqwest::Method;

use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(uploads_beyond_a_quota_are_refused_before_their_body_is_read);

async fn set(site: &mut Site, quotas: &[&str]) {
    let arguments = [&["tenant", "set", "default"], quotas].concat();
    site.while_stopped(|site| site.admin(&arguments).unwrap()).await;
}

async fn uploads_beyond_a_quota_are_refused_before_their_body_is_read(mut site: Site) {
    site.client.import(users(["a"])).await;
    set(&mut site, &["--max-uploads-per-day", "1"]).await;
    site.client.import(users(["b"])).await;
    assert_refused(&site, "As many files as the quota of the tenant allows were uploaded today (1)").await;

    set(&mut site, &["--max-uploads-per-day", "0", "--max-stored-bytes", "200"]).await;
    assert_refused(&site, "exceed its quota of 200 bytes").await;
    let list = site.while_stopped(|site| site.admin(&["tenant", "list"]).unwrap()).await;
    assert!(
        list.contains("max_stored_bytes=200 max_unfinished_jobs=0 max_uploads_per_day=0 max_new_passwords_per_hour=0"),
        "{list}"
    );

    set(&mut site, &["--max-stored-bytes", "0"]).await;
    site.client.import(users(["c"])).await;
}

/// Both APIs refuse the next upload, and wait for no body.
async fn assert_refused(site: &Site, problem: &str) {
    let headers = [("content-type", "text/csv"), ("prefer", "respond-async")];
    let names: Vec<String> = (0..20).map(|number| format!("d{number}")).collect();
    let rows = names.iter().map(|name| format!("{name};Last;First;;{name};{name}@x\n"));
    let collaborator = format!("ID;Last name;First name;Middle name;Login;Email\n{}", rows.collect::<String>());
    for (path, body) in [("/bulk/v1/files", users(&names)), ("/api/v2/users-import/csv", collaborator)] {
        let response = site.client.send(Method::POST, path, &headers, body.into_bytes()).await;
        assert_eq!(response.status, 429, "{}", response.text);
        assert!(response.text.contains(problem), "{}", response.text);
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let token = site.client.token.clone().unwrap();
    connection
        .send(format!(
            "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n\
             Content-Length: 1000000\r\n\r\n"
        ))
        .await;
    let response = connection.next_response().await;
    assert_eq!((response.status, response.json()["code"].as_str()), (429, Some("quota_exceeded")));
}
