//! Authentication, scopes, and the separation of tenants.

use muster_testkit::{Client, Site};
use reqwest::Method;

use super::{test_on_both_backends, users};

test_on_both_backends!(
    every_endpoint_requires_a_valid_token,
    tenants_cannot_see_each_others_files_and_users,
    tokens_expire_and_can_be_revoked_or_limited,
);

const ENDPOINTS: [(Method, &str); 6] = [
    (Method::POST, "/bulk/v1/files"),
    (Method::DELETE, "/bulk/v1/files/1"),
    (Method::GET, "/bulk/v1/files"),
    (Method::GET, "/bulk/v1/files/1"),
    (Method::GET, "/bulk/v1/files/1/errors"),
    (Method::GET, "/bulk/v1/users/a"),
];

async fn assert_unauthorized(client: &Client, headers: &[(&str, &str)], code: &str) {
    for (method, path) in ENDPOINTS {
        let response = client.send(method.clone(), path, headers, users(["a"]).into_bytes()).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (401, Some(code)), "{method} {path}");
        assert!(response.json()["message"].is_string());
        assert!(response.headers.contains_key("www-authenticate"));
    }
}

async fn every_endpoint_requires_a_valid_token(site: Site) {
    let anonymous = site.client.with_token(None);
    assert_unauthorized(&anonymous, &[], "auth_missing").await;
    assert_unauthorized(&anonymous, &[("authorization", "Basic dXNlcjpwdw==")], "auth_scheme").await;
    assert_unauthorized(&anonymous, &[("authorization", "Bearer ")], "auth_scheme").await;
    let from_vendor_sample = "$2a$10$./KN8pb6Yp8w9ijv.Y1CXO4Bc7V.kcSlbJwjOrW5.7nf4waRjw77y";
    assert_unauthorized(&site.client.with_token(Some(from_vendor_sample)), &[], "auth_invalid").await;
    assert!(!site.output().contains("KN8pb6Yp8w9ijv"), "a token is in the log");
}

async fn tenants_cannot_see_each_others_files_and_users(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let path = site.client.upload(users(["a"])).await;
    site.client.wait_until_final(&path).await;
    for (method, path) in
        [(Method::GET, path.clone()), (Method::GET, format!("{path}/errors")), (Method::DELETE, path.clone())]
    {
        let foreign = other.send(method.clone(), &path, &[], Vec::new()).await;
        let unknown = other.send(method, &path.replace("/files/", "/files/99"), &[], Vec::new()).await;
        assert_eq!(
            (foreign.status, &foreign.text),
            (404, &unknown.text),
            "a foreign file is reported like an unknown one"
        );
    }
    assert_eq!(other.user("a").await, serde_json::Value::Null);
    let status = other.import(users(["a"])).await;
    assert_eq!(status["created_users"], 1, "each tenant has a user of this name");
    assert_eq!(site.client.get(&path).await.status, 200);
}

async fn tokens_expire_and_can_be_revoked_or_limited(mut site: Site) {
    let expired = site.tenant("default", &["--expires-in-days", "0"]).await;
    assert_unauthorized(&expired, &[], "auth_invalid").await;

    let reader = site.tenant("default", &["--scope", "import:read"]).await;
    assert_eq!(reader.get("/bulk/v1/files").await.status, 200);
    let response = reader.post(&[("content-type", "text/csv")], users(["a"])).await;
    assert_eq!((response.status, response.json()["code"].as_str()), (403, Some("scope_missing")));
    assert!(response.text.contains("import:write"));

    let listed = site.while_stopped(|site| site.admin(&["token", "list", "--tenant", "default"]).unwrap()).await;
    let id = listed.lines().last().unwrap().split('\t').next().unwrap().to_owned();
    site.while_stopped(|site| site.admin(&["token", "revoke", &id]).unwrap()).await;
    let reader = site.client.with_token(reader.token.as_deref());
    assert_eq!(reader.get("/bulk/v1/files").await.status, 401);
    assert_eq!(site.client.get("/bulk/v1/files").await.status, 200);
}
