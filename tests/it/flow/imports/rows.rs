//! Rows with typical mistakes, and values that only look dangerous, through the whole pipeline.

use muster_testkit::Site;
use serde_json::Value;

use crate::flow::expected::{Status, created};
use crate::flow::{TITLES, csv, test_on_both_backends, users};

test_on_both_backends!(
    bad_rows_fail_alone_with_their_line_and_reason,
    dangerous_looking_values_are_stored_unchanged,
    names_of_database_columns_are_ordinary_attributes,
    a_record_over_a_limit_costs_its_first_line,
    values_of_rows_never_appear_in_logs,
);

/// More rows than the service checks before it responds to the upload.
const GOOD_ROWS: usize = 2_500;

async fn bad_rows_fail_alone_with_their_line_and_reason(site: Site) {
    let too_long = "x".repeat(256);
    let far_too_long = "x".repeat(100_000);
    // (row, code, message)
    let bad_rows: Vec<(&[u8], &str, &str)> = vec![
        (b"a@x,a1,\xc8\xe2\xe0\xed,L", "utf8_invalid", "FIRST_NM is not UTF-8"),
        (b"a@x,a2,\xc0\xaf,L", "utf8_invalid", "FIRST_NM is not UTF-8"),
        (b"a@x,a3,F\0F,L", "nul_byte", "FIRST_NM has a NUL character"),
        (b"a@x,a4,\x1b[0m,L", "control_char", "FIRST_NM has the control character U+001B"),
        ("a@x,a5,F\u{202e}F,L".as_bytes(), "control_char", "FIRST_NM has the control character U+202E"),
        (b"a@,a6,F,L", "email_invalid", "EMAIL is not an e-mail address: it has nothing after the @"),
        (
            b"\"a@x\r\nBcc: b\",a7,F,L",
            "email_invalid",
            "EMAIL is not an e-mail address: it has white space at character 4; the row spans lines 2514 to 2515",
        ),
        (b"a@x,a8,F,   ", "value_empty", "LAST_NM is missing"),
        (
            b"a@x,a9,5\" disk,L",
            "quote_misplaced",
            "misplaced quote: quote the whole value and double the quotes inside it",
        ),
        (
            b"a@x,b1,F",
            "column_count",
            "expected 4 values, found 3; with Prefer: handling=lenient, missing values at the end are taken as empty",
        ),
        (b"a@x,b3,F,L,M,N", "column_count", "expected 4 values, found 6; a value that contains a comma must be quoted"),
        (
            b"# a comment",
            "column_count",
            "expected 4 values, found 1; with Prefer: handling=lenient, missing values at the end are taken as empty",
        ),
    ];
    let mut file = users((0..GOOD_ROWS).map(|n| format!("user{n}"))).into_bytes();
    assert!(file.len() > 64 * 1024);
    for (row, ..) in &bad_rows {
        file.extend_from_slice(row);
        file.extend_from_slice(b"\r\n \n");
    }
    for name in [&too_long, &far_too_long] {
        file.extend_from_slice(format!("a@x,b4,{name},L\n").as_bytes());
    }
    file.extend_from_slice(b"last@x,last,F,L\n\x1a");
    let status = site.client.import(file).await;
    assert_eq!(status.counts(), created(GOOD_ROWS as u64 + 1).failed(bad_rows.len() as u64 + 3), "{status}");
    assert_eq!(status["status"], "SUCCESS");

    let errors = site.client.get(&format!("/bulk/v1/files/{}/errors", status["id"])).await.json()["errors"].clone();
    let found: Vec<(&str, &str)> =
        errors.as_array().unwrap().iter().map(|error| (text(error, "code"), text(error, "message"))).collect();
    let mut expected: Vec<(&str, &str)> = bad_rows.iter().map(|(_, code, message)| (*code, *message)).collect();
    expected.extend([("value_too_long", "FIRST_NM is longer than 255 characters"); 2]);
    expected
        .push(("control_char", "has only the character U+001A (Ctrl-Z), which old programs put at the end of a file"));
    assert_eq!(found, expected);
    // A blank line follows each bad row, and one bad row spans two lines.
    let first = GOOD_ROWS as u64 + 2;
    let lines: Vec<u64> = errors.as_array().unwrap().iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(lines[..7], [0, 2, 4, 6, 8, 10, 12].map(|offset| first + offset));
    assert_eq!(lines[7], first + 15);
}

fn text<'a>(error: &'a Value, key: &str) -> &'a str {
    error[key].as_str().unwrap()
}

async fn dangerous_looking_values_are_stored_unchanged(site: Site) {
    let values = [
        "=HYPERLINK(1)",
        "@SUM(A1)",
        "+380441234567",
        "-1",
        "'); DROP TABLE users;--",
        "${jndi:ldap://x/a}",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "NULL",
        "\\N",
        "N/A",
        "1e5",
        "\u{1f600} Zoë",
        "two\nlines, \"quoted\"",
    ];
    let rows = values.iter().enumerate().map(|(n, value)| {
        let quoted = format!("\"{}\"", value.replace('"', "\"\""));
        format!("u{n}@x,u{n},{quoted},L,{quoted},{quoted}")
    });
    let status = site.client.import(csv(&format!("{TITLES},WORK_CITY,note"), rows)).await;
    assert_eq!(status.counts(), created(values.len() as u64), "{status}");
    for (n, value) in values.iter().enumerate() {
        let user = site.client.user(&format!("u{n}")).await;
        assert_eq!((&user["first_name"], &user["work_city"]), (&(*value).into(), &(*value).into()));
        assert_eq!(user["attributes"]["note"], *value);
    }
    let response = site.client.get("/bulk/v1/users/u7").await;
    assert_eq!(response.headers["content-type"], "application/json;charset=UTF-8");
    assert_eq!(response.headers["x-content-type-options"], "nosniff");
}

/// A title that is the name of an internal column does not reach that column.
async fn names_of_database_columns_are_ordinary_attributes(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let titles = format!("{TITLES},tenant_id,tenant,id,created_at,is_system,role,role_id,version_job,username_key");
    let status = site.client.import(csv(&titles, ["a@x,a,F,L,2,2,77,1970-01-01,true,superadmin,1,99,b"])).await;
    assert_eq!(status.counts(), created(1), "{status}");
    let user = site.client.user("a").await;
    assert_ne!(user["id"], 77);
    assert_ne!(user["created_at"], "1970-01-01");
    assert_eq!((&user["attributes"]["role"], &user["attributes"]["tenant_id"]), (&"superadmin".into(), &"2".into()));
    assert_eq!((site.client.user("b").await, other.user("a").await), (Value::Null, Value::Null));
    let second = site.client.import(csv(TITLES, ["a@x,a,F,M"])).await;
    assert_eq!(second["updated_users"], 1, "the version in the file has no effect");
}

async fn a_record_over_a_limit_costs_its_first_line(site: Site) {
    let mut file = users(["a", "b"]);
    file.push_str(&"x".repeat(20_000_000));
    let status = site.client.import(file).await;
    assert_eq!(status.counts(), created(2).failed(1), "the other rows are imported");
    assert_eq!(status["error_message"], "Line 4: the record is larger than 262144 bytes");
    let mut file = users(["c"]);
    file.extend(["d@x,d,\"", &"\n".repeat(1_000_000), "\",L\n"]);
    let status = site.client.import(file).await;
    assert_eq!(status.counts(), created(1).failed(2));
    let lines = "Line 3: a quote opens a value, and no quote closes it; Line 1000003: a quote opens a value, and no ";
    assert!(status["error_message"].as_str().unwrap().starts_with(lines), "{status}");
    assert_eq!(status["blank_rows"], 999_999);
}

async fn values_of_rows_never_appear_in_logs(site: Site) {
    let forged_log_line = "\"canary\n2026-01-01T00:00:00Z ERROR canary-7f3a\"";
    let status = site
        .client
        .import(csv(
            &format!("{TITLES},canary_title"),
            [
                format!("canary@x,canary-1,{forged_log_line},L,{forged_log_line}"),
                format!("canary,canary-2,{forged_log_line},L,{forged_log_line}"),
                format!("canary@x,canary-3,{forged_log_line},L,{forged_log_line}"),
            ],
        ))
        .await;
    assert_eq!(status.counts(), created(1).failed(2), "{status}");
    assert!(!status["error_message"].as_str().unwrap().contains("canary"));
    let part_header = "content-disposition: form-data; name=file; filename=canary.csv";
    let body = format!("--b\r\n{part_header}\r\n\r\nEMAIL,canary\r\n--b--\r\n");
    assert_eq!(site.client.post(&[("content-type", "multipart/form-data; boundary=b")], body).await.status, 400);
    assert!(!site.output().contains("canary"), "{}", site.output());
}
