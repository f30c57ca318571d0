//! CSV files as spreadsheets and directory programs write them: charsets, line ends, loose quotes.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{TITLES, assert_no_failures, counts_and_errors, file, post_csv, row, test_on_both_backends};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    every_charset_and_line_end_is_read,
    the_charset_is_detected_after_a_head_of_plain_ascii,
    quotes_are_read_loosely,
    an_unclosed_quote_affects_no_other_row,
    blank_lines_are_not_counted_as_rows,
    extra_cells_are_ignored_if_they_are_empty,
);

fn windows_1251(text: &str) -> Vec<u8> {
    let byte = |letter: char| match u32::from(letter) {
        code @ 0..=0x7F => code,
        code @ 0x410..=0x44F => code - 0x410 + 0xC0,
        0x401 => 0xA8,
        0x451 => 0xB8,
        _ => panic!("{letter} is not in windows-1251"),
    };
    text.chars().map(|letter| u8::try_from(byte(letter)).unwrap()).collect()
}

fn in_every_charset(text: &str) -> [(&'static str, Vec<u8>); 5] {
    let with_mark = format!("\u{feff}{text}");
    [
        ("UTF-8", text.as_bytes().to_vec()),
        ("UTF-8 with a byte order mark", with_mark.as_bytes().to_vec()),
        ("UTF-16LE with a byte order mark", with_mark.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE with a byte order mark", with_mark.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("windows-1251", windows_1251(text)),
    ]
}

async fn every_charset_and_line_end_is_read(site: Site) {
    for (end, name) in [("\n", "lf"), ("\r\n", "crlf"), ("\r", "cr")] {
        for (number, final_end) in [(0, end), (1, "")] {
            let login = format!("{name}{number}");
            let titles = "ИД;Фамилия;Имя;Отчество;Логин;Почта".to_owned();
            let text = [titles, format!("{login};Толстой;Лёв;;{login}"), row("second")].join(end) + final_end;
            for (charset, bytes) in in_every_charset(&text) {
                let response = post_csv(&site, bytes).await;
                let user = site.client.user(&login).await;
                assert_no_failures(&response);
                assert_eq!(user["last_name"], "Толстой", "{charset}, {name}, {}", response.text);
                assert_eq!(user["first_name"], "Лёв", "{charset}, {name}");
                assert_eq!(post_csv(&site, file([format!("{login};x;x;;{login}")])).await.counts(), reply().updated(1));
            }
        }
    }
    assert_eq!(site.client.user("second").await["uid"], "second");
}

/// The charset is known only after the first 64 KiB, which are plain ASCII or end within a character.
async fn the_charset_is_detected_after_a_head_of_plain_ascii(site: Site) {
    let mut rows: Vec<String> = (0..3_000).map(|n| row(&format!("user{n}"))).collect();
    rows.push("anna;Толстая;Анна;;anna".to_owned());
    let text = file(rows);
    assert!(text.len() > 64 * 1024);
    assert_eq!(post_csv(&site, windows_1251(&text)).await.counts(), reply().created(3_001));
    assert_eq!(site.client.user("anna").await["first_name"], "Анна");
    assert_eq!(post_csv(&site, &text).await.counts(), reply(), "the same file in UTF-8");

    for shift in ["", "x"] {
        let rows = (0..3_000).map(|n| format!("user{n};Толстой;Лёв{shift};;user{n}"));
        let text = format!("{shift}{TITLES}\n{}", rows.collect::<Vec<_>>().join("\n"));
        assert_eq!(post_csv(&site, text).await.counts(), reply().updated(3_000));
        for n in (0..3_000).step_by(331) {
            assert_eq!(site.client.user(&format!("user{n}")).await["first_name"], format!("Лёв{shift}"));
        }
    }
}

async fn quotes_are_read_loosely(site: Site) {
    let cells = [
        (r#""a;b""#, json!("a;b")),
        (r#""a ""b"" c""#, json!(r#"a "b" c"#)),
        ("\"two\nlines\"", json!("two\nlines")),
        ("\"two\r\nlines; and a ;\"", json!("two\r\nlines; and a ;")),
        (r#""Kievsky" Department"#, json!(r#""Kievsky" Department"#)),
        (r#" "Minsky" Department "#, json!(r#""Minsky" Department"#)),
        (r#"5" disk"#, json!(r#"5" disk"#)),
        (r#"a "b" c"#, json!(r#"a "b" c"#)),
        (r#"""#, json!(r#"""#)),
        (r#""""#, Value::Null),
        (r#""""""#, json!(r#"""#)),
        ("a,b", json!("a,b")),
        (r"C:\temp\", json!(r"C:\temp\")),
        ("  ", Value::Null),
    ];
    for (number, (cell, stored)) in cells.iter().enumerate() {
        let login = format!("user{number}");
        let rows = [format!("{};;;;;{cell};Manager", row(&login)), format!("{};;;;;Sales;Clerk", row("next"))];
        assert_no_failures(&post_csv(&site, file(rows)).await);
        let (user, next) = (site.client.user(&login).await, site.client.user("next").await);
        assert_eq!((&user["department"], &user["position"]), (stored, &json!("Manager")), "{cell}");
        assert_eq!((&next["department"], &next["position"]), (&json!("Sales"), &json!("Clerk")), "{cell}");
    }
}

async fn an_unclosed_quote_affects_no_other_row(site: Site) {
    let mut rows: Vec<String> = (0..3_000).map(|n| row(&format!("user{n}"))).collect();
    rows[1] = format!("{};;;;;\"open;Manager", row("user1"));
    rows[2_500] = format!("{};;;;;\"open again", row("user2500"));
    assert_eq!(post_csv(&site, file(&rows)).await.counts(), reply().created(3_000));
    let user = site.client.user("user1").await;
    assert_eq!((&user["department"], &user["position"]), (&json!("\"open"), &json!("Manager")));
    assert_eq!(site.client.user("user2500").await["department"], "\"open again");
    for n in [0, 2, 1_234, 2_499, 2_501, 2_999] {
        assert_eq!(site.client.user(&format!("user{n}")).await["uid"], format!("user{n}"));
    }
}

async fn blank_lines_are_not_counted_as_rows(site: Site) {
    let rows = format!("\n  \n{}\n\n\n;Last;First;;b\n \t \n{}\n\n", row("a"), row("c"));
    let response = post_csv(&site, format!("{TITLES}\n{rows}")).await;
    let (counts, errors) = counts_and_errors(&response);
    assert_eq!(counts, reply().created(2).failed(1));
    assert_eq!(errors, [(2, "uid".to_owned(), "value_empty".to_owned())]);
    assert_eq!(response.json()["errors"][0]["line"], 7, "{}", response.text);
}

async fn extra_cells_are_ignored_if_they_are_empty(site: Site) {
    for (name, tail) in [("a", ";"), ("b", ";;; ;;"), ("c", ";x"), ("d", ";;;x")] {
        let full = format!("{}{}manager", row(name), ";".repeat(23));
        let (cells, is_valid) = (format!("{full}{tail}"), !tail.contains('x'));
        let response = post_csv(&site, file([cells, row("good")])).await;
        if is_valid {
            assert_no_failures(&response);
        } else {
            let (_, errors) = counts_and_errors(&response);
            assert_eq!((errors[0].0, &*errors[0].2), (1, "column_count"), "{name}");
        }
        assert_eq!(site.client.user(name).await["uid"] == name, is_valid, "{name}");
    }
    assert_eq!(site.client.user("a").await["manager_uid"], json!(["manager"]));
}
