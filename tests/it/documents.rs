//! The examples of `docs/api.md` work exactly as printed, and the documents agree with the sources.

use std::process::Command;

use muster_testkit::{Backend, Site, SiteOptions};
use reqwest::Method;
use serde_json::Value;

use crate::MUSTER;

const API: &str = include_str!("../../docs/api.md");
const SPIGIT: &str = include_str!("../fixtures/spigit-good.csv");
const COLLABORATOR: &str = include_str!("../fixtures/collaborator-24.csv");
const WORKBOOK: &[u8] = include_bytes!("../fixtures/real-files/book-users.xlsx");
const BATCH: &str = include_str!("../fixtures/collaborator-batch.json");

/// The code blocks in this language, in order.
fn code_blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    API.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// The keys of an object, in order, without the `...` that stands for keys which an example omits.
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).filter(|key| *key != "...").collect()
}

async fn site() -> Site {
    Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_examples_succeed() {
    let site = site().await;
    let folder = tempfile::tempdir().unwrap();
    let scripts = code_blocks("sh");
    assert_eq!(scripts.len(), 3, "a new example needs its input file and its expected reply here");
    std::fs::write(folder.path().join("users.xlsx"), WORKBOOK).unwrap();
    for (script, file, expected) in [
        (scripts[0], SPIGIT, ["\"status_url\""; 2].as_slice()),
        (scripts[1], SPIGIT, &["\"status_url\""]),
        (scripts[2], COLLABORATOR, &["\"created_count\""; 2]),
    ] {
        std::fs::write(folder.path().join("users.csv"), file).unwrap();
        std::fs::write(folder.path().join("users.json"), BATCH).unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", script]).current_dir(folder.path());
        shell.env("MUSTER_URL", &site.client.ingest);
        let output = shell.env("MUSTER_TOKEN", site.client.token.as_ref().unwrap()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{script}\n{text}");
        assert_eq!(text.matches(expected[0]).count(), expected.len(), "{script}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_have_the_keys_of_the_json_examples() {
    let site = site().await;
    let titles = "EMAIL,USERNAME,FIRST_NM,LAST_NM,badge";
    let file = format!("{titles}\na@x,a,A,A,17\n,b,B,B,1\nc@x,c,C,C,1\nd@x,d,D,D,1\n");
    let upload = site.client.post(&[("content-type", "text/csv")], file).await.json();
    let status = site.client.wait_until_final("/bulk/v1/files/1").await;
    let users = "1;Lee;Ann;;lee;lee@example.com;;31.02.1990\n2;Ray;Bob;;ray;ray@example.com\n";
    let users = format!("ID;Last name;First name;Middle name;Login;Email;Password;Birthdate\n{users}");
    let headers = [("content-type", "text/csv")];
    let reply = site.client.send(Method::POST, "/api/v2/users-import/csv", &headers, users.into_bytes()).await.json();
    let mut compared = 0;
    for block in code_blocks("json") {
        let example: Value = serde_json::from_str(block).unwrap();
        let names = keys(&example);
        let response = match names[0] {
            "status" => upload.clone(),
            "total_users" => status.clone(),
            "users" => site.client.get("/bulk/v1/users?email=a@x").await.json(),
            "warnings" => lenient_warnings(&site).await,
            "errors" => site.client.get("/bulk/v1/files/1/errors").await.json(),
            "id" => site.client.user("a").await,
            "created_count" => first_keys(&reply, 4),
            "row" => reply["errors"][0].clone(),
            other => panic!("an example that starts with {other} needs its request here"),
        };
        let omits_keys = example.as_object().unwrap().contains_key("...");
        let found: Vec<&str> = keys(&response).into_iter().filter(|key| !omits_keys || names.contains(key)).collect();
        assert_eq!(names, found, "{block}");
        compared += 1;
    }
    assert_eq!(compared, 8, "the number of JSON examples");
}

/// The warnings of a file of which lenient handling left out a value.
async fn lenient_warnings(site: &Site) -> Value {
    let file = "EMAIL,USERNAME,FIRST_NM,LAST_NM,INTF_PUBLISH_DT\nw@x,w,W,W,soon\n";
    let path = site.client.upload_with(&[("prefer", "handling=lenient")], file).await;
    site.client.wait_until_final(&path).await;
    site.client.get(&format!("{path}/errors?kind=warning")).await.json()
}

/// The object with its first `count` keys only; the later ones of a reply are optional.
fn first_keys(object: &Value, count: usize) -> Value {
    object.as_object().unwrap().clone().into_iter().take(count).collect::<serde_json::Map<_, _>>().into()
}

/// The glossary is one text, in two places where readers look for it.
#[test]
fn the_architecture_has_the_glossary_of_the_domain() {
    let domain = include_str!("../../shared/domain/src/lib.rs").split("# Glossary").nth(1).unwrap();
    let table: Vec<&str> = domain.lines().filter_map(|line| line.strip_prefix("//! |")).collect();
    let architecture = include_str!("../../docs/architecture.md").split("## Glossary").nth(1).unwrap();
    let architecture = architecture.split("\n## ").next().unwrap();
    let copied: Vec<&str> = architecture.lines().filter_map(|line| line.strip_prefix('|')).collect();
    assert!(table.len() > 20, "the glossary of shared/domain was not found");
    assert_eq!(copied, table);
}

/// Operators look a log line up in the table of `docs/operations.md`.
#[test]
fn every_log_message_is_in_the_table_of_the_documents() {
    let documented = include_str!("../../docs/operations.md").split("## Logs").nth(1).unwrap();
    let documented = documented.split("\n## ").next().unwrap();
    let mut messages = 0;
    for folder in crate::sources::source_folders() {
        // Fail points exist in test builds only.
        let files = crate::sources::sources(&folder);
        for (file, code) in files.into_iter().filter(|(file, _)| !file.ends_with("failpoint.rs")) {
            for message in ["error", "warn", "info", "debug"].iter().flat_map(|level| logged(&code, level)) {
                messages += 1;
                assert!(documented.contains(&format!("`{message}`")), "{}: {message}", file.display());
            }
        }
    }
    assert!(messages > 60, "only {messages} messages were found");
}

/// The message of each logging macro of this level: its last text literal.
fn logged<'a>(code: &'a str, level: &str) -> Vec<&'a str> {
    code.split(&format!("tracing::{level}!(")).skip(1).filter_map(last_literal).collect()
}

/// The last text literal before the parenthesis that closes a call.
fn last_literal(call: &str) -> Option<&str> {
    let (mut depth, mut start, mut found) = (0, None, None);
    for (index, character) in call.char_indices() {
        match (character, start) {
            ('"', Some(begin)) => {
                found = Some(&call[begin..index]);
                start = None;
            }
            ('"', None) => start = Some(index + 1),
            ('(', None) => depth += 1,
            (')', None) if depth == 0 => break,
            (')', None) => depth -= 1,
            _ => {}
        }
    }
    found
}
