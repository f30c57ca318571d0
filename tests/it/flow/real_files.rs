//! Files as people really make them, from public reports about importers, each with the right answer.
//!
//! `tests/fixtures/real-files/cases.txt` is the table. A case is a line with the name of the file and how it is sent,
//! and indented lines with the answer: the status of the import or the refusal, then failed rows and warnings, then stored
//! values of users. The files of one case are sent in their order, and a table is sent in its order.

use std::fmt::Write as _;

use muster_testkit::{Client, Response, Site};
use reqwest::Method;
use serde_json::Value;

use super::expected::hide_user_ids;
use super::test_on_both_backends;

test_on_both_backends!(every_file_has_its_right_answer);

/// How many failed rows of a file the table lists.
const LISTED_ROWS: usize = 8;

async fn every_file_has_its_right_answer(mut site: Site) {
    let blocking = blocking_tenant(&mut site).await;
    let titled = titled_tenant(&mut site).await;
    // An embedded service has another port after the commands that created the tenants.
    let blocking = site.client.with_token(blocking.token.as_deref());
    let mut wrong = String::new();
    let table = std::fs::read_to_string(fixture("cases.txt")).unwrap();
    for case in cases(&table) {
        let tenant = case.options.iter().find_map(|option| option.strip_prefix("tenant="));
        let client = match tenant {
            Some("blocking") => &blocking,
            Some("titled") => &titled,
            _ => &site.client,
        };
        let found = answer(client, &case).await;
        let found: Vec<String> = found.iter().map(|line| hide_user_ids(line)).collect();
        if found != case.expected {
            let _ = writeln!(wrong, "{}\n{}", case.title, indent(&found));
        }
    }
    assert!(wrong.is_empty(), "other answers than in the table:\n{wrong}");
}

/// A client of a tenant that blocks missing users.
async fn blocking_tenant(site: &mut Site) -> Client {
    let create = ["tenant", "create", "blocking", "--missing-users", "block", "--missing-guard-min", "100"];
    site.while_stopped(|site| site.admin(&create).unwrap()).await;
    site.tenant("blocking", &[]).await
}

/// A client of a tenant that has titles of its own.
async fn titled_tenant(site: &mut Site) -> Client {
    let titles = ["Mail=EMAIL", "Kürzel=login", "Vorname=FIRST_NM", "Nachname=secondname", "Nr=uid", "Alt=WORK_CITY"];
    let create = [&["tenant", "create", "titled"][..], &titles.map(|title| ["--title", title]).concat()].concat();
    let replace = ["tenant", "set", "titled", "--title", "Alt=", "--title", "Stadt=WORK_CITY"];
    site.while_stopped(|site| {
        site.admin(&create).unwrap();
        let listed = site.admin(&replace).unwrap();
        assert!(listed.contains(" title=Stadt=WORK_CITY") && !listed.contains("title=Alt"), "{listed}");
        let refused = site.admin(&["tenant", "set", "titled", "--title", "Mail=E_MAIL"]).unwrap_err();
        assert!(refused.contains("expected a column after the equals sign"), "{refused}");
    })
    .await;
    site.tenant("titled", &[]).await
}

fn fixture(name: &str) -> String {
    format!("{}/../../tests/fixtures/real-files/{name}", env!("CARGO_MANIFEST_DIR"))
}

struct Case<'a> {
    title: &'a str,
    file: &'a str,
    /// `spigit`, or the last part of the path of a Collaborator call.
    call: &'a str,
    options: Vec<&'a str>,
    expected: Vec<String>,
}

fn cases(table: &str) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for line in table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some(answer) = line.strip_prefix("    ") {
            cases.last_mut().expect("an answer belongs to a case").expected.push(answer.to_owned());
            continue;
        }
        let mut words = line.split_whitespace();
        let (file, call) = (words.next().unwrap(), words.next().expect("a case says how the file is sent"));
        cases.push(Case { title: line, file, call, options: words.collect(), expected: Vec::new() });
    }
    cases
}

fn indent(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}

async fn answer(client: &Client, case: &Case<'_>) -> Vec<String> {
    let response = send(client, case).await;
    let mut lines = match response.status {
        202 => {
            let url = response.json()["status_url"].as_str().unwrap().to_owned();
            let status = client.wait_until_final(&url[url.find("/bulk").unwrap()..]).await;
            describe_import(client, &status).await
        }
        200 => {
            let newest = client.get("/bulk/v1/files?limit=1").await.json()["files"][0].clone();
            describe_import(client, &newest).await
        }
        _ => describe_refusal(client, &response).await,
    };
    for wanted in case.expected.iter().filter_map(|line| line.strip_prefix("user ")) {
        let (name, values) = wanted.split_once(": ").unwrap();
        let user = client.user(name).await;
        let found = values
            .split(", ")
            .filter_map(|value| value.split_once('='))
            .map(|(key, _)| format!("{key}={}", text(&user[key])));
        lines.push(format!("user {name}: {}", found.collect::<Vec<_>>().join(", ")));
    }
    lines
}

async fn send(client: &Client, case: &Case<'_>) -> Response {
    let body = std::fs::read(fixture(case.file)).unwrap_or_else(|error| panic!("{}: {error}", case.file));
    let charset = case.options.iter().find_map(|option| option.strip_prefix("charset="));
    let parameter = charset.map(|charset| format!("; charset={charset}")).unwrap_or_default();
    let lenient = case.options.contains(&"lenient").then_some(("prefer", "handling=lenient"));
    let json = matches!(case.call, "single" | "batch");
    let is_part = !json && (case.call != "spigit" || case.options.contains(&"part"));
    let file_type = match case.file.rsplit('.').next() {
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("zip") => "application/zip",
        _ => "text/csv",
    };
    let (kind, body) = if is_part {
        ("multipart/form-data; boundary=xxBOUNDARYxx".to_owned(), part(case.file, &parameter, &body))
    } else if json {
        ("application/json".to_owned(), body)
    } else {
        (format!("{file_type}{parameter}"), body)
    };
    let headers: Vec<(&str, &str)> = [("content-type", &*kind)].into_iter().chain(lenient).collect();
    let path = match case.call {
        "spigit" => "/bulk/v1/files".to_owned(),
        call => format!("/api/v2/users-import/{call}"),
    };
    let sheet = case.options.iter().find(|option| option.starts_with("sheet="));
    let query = sheet.map(|sheet| format!("?{sheet}")).unwrap_or_default();
    client.send(Method::POST, &(path + &query), &headers, body).await
}

fn part(name: &str, parameter: &str, file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--xxBOUNDARYxx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: text/csv{parameter}\r\n\r\n"
    );
    [head.as_bytes(), file, b"\r\n--xxBOUNDARYxx--\r\n"].concat()
}

/// A refusal, or an import none of whose rows was applied.
async fn describe_refusal(client: &Client, response: &Response) -> Vec<String> {
    let body = response.json();
    if body.get("errors").is_some() {
        let newest = client.get("/bulk/v1/files?limit=1").await.json()["files"][0].clone();
        let mut lines = describe_import(client, &newest).await;
        lines[0] = format!("{} {}", response.status, lines[0]);
        return lines;
    }
    let message = match (&body["status"], &body["data"]) {
        (Value::String(status), _) => {
            format!("{} {}", text(&body["code"]), status.trim_start_matches("Status: Failed. "))
        }
        (_, Value::Object(data)) => {
            data.iter().map(|(key, value)| format!("{key}: {}", text(value))).collect::<Vec<_>>().join("; ")
        }
        _ => body.to_string(),
    };
    vec![format!("{} {message}", response.status)]
}

async fn describe_import(client: &Client, status: &Value) -> Vec<String> {
    let mut first = text(&status["status"]);
    for (key, what) in [
        ("created_users", "created"),
        ("updated_users", "updated"),
        ("unchanged_users", "unchanged"),
        ("failed_users", "failed"),
        ("blocked_users", "blocked"),
        ("unblocked_users", "unblocked"),
        ("blank_rows", "blank"),
        ("skipped_lines", "skipped"),
        ("warnings", "warnings"),
        ("missing_users_kept", "missing users kept"),
    ] {
        match status[key].as_u64() {
            Some(number) if number > 0 => write!(first, ", {number} {what}").unwrap(),
            _ => {}
        }
    }
    let (charset, source) = (text(&status["charset"]), text(&status["charset_source"]));
    if (&*charset, &*source) != ("utf-8", "content") {
        write!(first, ", {charset} by {source}").unwrap();
    }
    let mut lines = vec![first];
    for (list, name, what) in [("kept_as_attributes", "title", "attribute"), ("ignored", "key", "ignored")] {
        for unknown in status[list].as_array().unwrap() {
            let meant = unknown["did_you_mean"].as_str().map(|meant| format!(", did you mean {meant}?"));
            lines.push(format!("{what} {}{}", text(&unknown[name]), meant.unwrap_or_default()));
        }
    }
    let id = text(&status["id"]);
    lines.extend(list(client, &format!("/bulk/v1/files/{id}/errors"), "errors").await);
    lines.extend(list(client, &format!("/bulk/v1/files/{id}/errors?kind=warning"), "warnings").await);
    lines
}

/// The first failed rows or warnings of an import.
async fn list(client: &Client, path: &str, key: &str) -> Vec<String> {
    let body = client.get(path).await.json();
    let Some(rows) = body[key].as_array() else { return Vec::new() };
    let mut lines: Vec<String> = rows.iter().take(LISTED_ROWS).map(|row| describe_row(row, key)).collect();
    if rows.len() > LISTED_ROWS {
        lines.push(format!("and {} more {key}", rows.len() - LISTED_ROWS));
    }
    lines
}

fn describe_row(row: &Value, key: &str) -> String {
    if key == "warnings" {
        let column = row["column"].as_str().filter(|column| !column.is_empty());
        return format!(
            "line {} warning {}{}",
            row["line"],
            text(&row["code"]),
            column.map(|c| format!(" in {c}")).unwrap_or_default()
        );
    }
    let other = &row["other"];
    let holder = match (other["line"].as_u64(), other["blocked"].as_bool()) {
        (_, None) => String::new(),
        (Some(line), _) => format!(" (that of line {line})"),
        (None, Some(blocked)) => format!(" ({} of another file)", if blocked { "a blocked user" } else { "a user" }),
    };
    format!("line {} {}: {}{holder}", row["line"], text(&row["code"]), text(&row["message"]))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
