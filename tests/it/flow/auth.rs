//! Who may do what.

use muster_testkit::{Client, Site};
use reqwest::Method;

use super::{on_both, users};

on_both!(a_token_is_needed_everywhere, tenants_see_nothing_of_each_other, tokens_end_and_are_revoked);

const CALLS: [(Method, &str); 6] = [
    (Method::POST, "/bulk/v1/files"),
    (Method::DELETE, "/bulk/v1/files/1"),
    (Method::GET, "/bulk/v1/files"),
    (Method::GET, "/bulk/v1/files/1"),
    (Method::GET, "/bulk/v1/files/1/errors"),
    (Method::GET, "/bulk/v1/users/a"),
];

async fn refused(client: &Client, headers: &[(&str, &str)], code: &str, status: u16) {
    for (method, path) in CALLS {
        let answer = client.send(method.clone(), path, headers, users(["a"]).into_bytes()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{method} {path}");
        assert!(answer.json()["message"].is_string());
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
    }
}

async fn a_token_is_needed_everywhere(site: Site) {
    let nobody = site.client.with_token(None);
    refused(&nobody, &[], "auth_missing", 401).await;
    refused(&nobody, &[("authorization", "Basic dXNlcjpwdw==")], "auth_scheme", 401).await;
    refused(&nobody, &[("authorization", "Bearer ")], "auth_scheme", 401).await;
    let seed = "$2a$10$./KN8pb6Yp8w9ijv.Y1CXO4Bc7V.kcSlbJwjOrW5.7nf4waRjw77y";
    refused(&site.client.with_token(Some(seed)), &[], "auth_invalid", 401).await;
    assert!(!site.output().contains("KN8pb6Yp8w9ijv"), "a token is in the log");
}

async fn tenants_see_nothing_of_each_other(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let path = site.client.upload(users(["a"])).await;
    site.client.finished(&path).await;
    for (method, path) in
        [(Method::GET, path.clone()), (Method::GET, format!("{path}/errors")), (Method::DELETE, path.clone())]
    {
        let foreign = other.send(method.clone(), &path, &[], Vec::new()).await;
        let unknown = other.send(method, &path.replace("/files/", "/files/99"), &[], Vec::new()).await;
        assert_eq!((foreign.status, &foreign.text), (404, &unknown.text), "foreign and unknown look alike");
    }
    assert_eq!(other.user("a").await, serde_json::Value::Null);
    let status = other.import(users(["a"])).await;
    assert_eq!(status["created_users"], 1, "the same user of another tenant");
    assert_eq!(site.client.get(&path).await.status, 200);
}

async fn tokens_end_and_are_revoked(mut site: Site) {
    let expired = site.tenant("default", &["--expires-in-days", "0"]).await;
    refused(&expired, &[], "auth_invalid", 401).await;

    let reader = site.tenant("default", &["--scope", "import:read"]).await;
    assert_eq!(reader.get("/bulk/v1/files").await.status, 200);
    let answer = reader.post(&[("content-type", "text/csv")], users(["a"])).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("scope_missing")));
    assert!(answer.text.contains("import:write"));

    let listed = site.while_stopped(|site| site.admin(&["token", "list", "--tenant", "default"]).unwrap()).await;
    let id = listed.lines().last().unwrap().split('\t').next().unwrap().to_owned();
    site.while_stopped(|site| site.admin(&["token", "revoke", &id]).unwrap()).await;
    let reader = site.client.with_token(reader.token.as_deref());
    assert_eq!(reader.get("/bulk/v1/files").await.status, 401);
    assert_eq!(site.client.get("/bulk/v1/files").await.status, 200);
}
