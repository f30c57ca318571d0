//! Files as spreadsheets and directories write them: encodings, line ends, loose quotes.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{TITLES, counts, counts_and_errors, file, on_both, post_csv, row};

on_both!(
    each_encoding_and_line_end_is_read,
    letters_behind_the_head_decide_the_encoding_too,
    quotes_are_taken_loosely,
    a_quote_that_never_closes_costs_nothing,
    blank_lines_are_no_rows,
    empty_cells_behind_the_last_column_are_ignored,
);

fn windows_1251(text: &str) -> Vec<u8> {
    let byte = |letter: char| match u32::from(letter) {
        code @ 0..=0x7F => code,
        code @ 0x410..=0x44F => code - 0x410 + 0xC0,
        0x401 => 0xA8,
        0x451 => 0xB8,
        _ => panic!("no byte for {letter}"),
    };
    text.chars().map(|letter| u8::try_from(byte(letter)).unwrap()).collect()
}

fn each_encoding(text: &str) -> [(&'static str, Vec<u8>); 5] {
    let marked = format!("\u{feff}{text}");
    [
        ("UTF-8", text.as_bytes().to_vec()),
        ("UTF-8 with a mark", marked.as_bytes().to_vec()),
        ("UTF-16LE with a mark", marked.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE with a mark", marked.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("windows-1251", windows_1251(text)),
    ]
}

async fn each_encoding_and_line_end_is_read(site: Site) {
    for (end, name) in [("\n", "lf"), ("\r\n", "crlf"), ("\r", "cr")] {
        for (number, last) in [(0, end), (1, "")] {
            let login = format!("{name}{number}");
            let titles = "ИД;Фамилия;Имя;Отчество;Логин".to_owned();
            let text = [titles, format!("{login};Толстой;Лёв;;{login}"), row("second")].join(end) + last;
            for (encoding, bytes) in each_encoding(&text) {
                let answer = post_csv(&site, bytes).await;
                let user = site.client.user(&login).await;
                counts(&answer);
                assert_eq!(user["last_name"], "Толстой", "{encoding}, {name}, {}", answer.text);
                assert_eq!(user["first_name"], "Лёв", "{encoding}, {name}");
                assert_eq!(counts(&post_csv(&site, file([format!("{login};x;x;;{login}")])).await), [0, 1, 0, 0]);
            }
        }
    }
    assert_eq!(site.client.user("second").await["uid"], "second");
}

/// The first 64 KiB are plain ASCII, or cut through a letter.
async fn letters_behind_the_head_decide_the_encoding_too(site: Site) {
    let mut rows: Vec<String> = (0..3_000).map(|n| row(&format!("user{n}"))).collect();
    rows.push("anna;Толстая;Анна;;anna".to_owned());
    let text = file(rows);
    assert!(text.len() > 64 * 1024);
    assert_eq!(counts(&post_csv(&site, windows_1251(&text)).await), [3_001, 0, 0, 0]);
    assert_eq!(site.client.user("anna").await["first_name"], "Анна");
    assert_eq!(counts(&post_csv(&site, &text).await), [0; 4], "the same in UTF-8");

    for shift in ["", "x"] {
        let rows = (0..3_000).map(|n| format!("user{n};Толстой;Лёв{shift};;user{n}"));
        let text = format!("{shift};{TITLES}\n{}", rows.collect::<Vec<_>>().join("\n"));
        assert_eq!(counts(&post_csv(&site, text).await), [0, 3_000, 0, 0]);
        for n in (0..3_000).step_by(331) {
            assert_eq!(site.client.user(&format!("user{n}")).await["first_name"], format!("Лёв{shift}"));
        }
    }
}

async fn quotes_are_taken_loosely(site: Site) {
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
        counts(&post_csv(&site, file(rows)).await);
        let (user, next) = (site.client.user(&login).await, site.client.user("next").await);
        assert_eq!((&user["department"], &user["position"]), (stored, &json!("Manager")), "{cell}");
        assert_eq!((&next["department"], &next["position"]), (&json!("Sales"), &json!("Clerk")), "{cell}");
    }
}

async fn a_quote_that_never_closes_costs_nothing(site: Site) {
    let mut rows: Vec<String> = (0..3_000).map(|n| row(&format!("user{n}"))).collect();
    rows[1] = format!("{};;;;;\"open;Manager", row("user1"));
    rows[2_500] = format!("{};;;;;\"open again", row("user2500"));
    assert_eq!(counts(&post_csv(&site, file(&rows)).await), [3_000, 0, 0, 0]);
    let user = site.client.user("user1").await;
    assert_eq!((&user["department"], &user["position"]), (&json!("\"open"), &json!("Manager")));
    assert_eq!(site.client.user("user2500").await["department"], "\"open again");
    for n in [0, 2, 1_234, 2_499, 2_501, 2_999] {
        assert_eq!(site.client.user(&format!("user{n}")).await["uid"], format!("user{n}"));
    }
}

async fn blank_lines_are_no_rows(site: Site) {
    let rows = format!("\n  \n{}\n\n\n;Last;First;;b\n \t \n{}\n\n", row("a"), row("c"));
    let answer = post_csv(&site, format!("{TITLES}\n{rows}")).await;
    let (counts, errors) = counts_and_errors(&answer);
    assert_eq!(counts, [2, 0, 0, 0]);
    assert_eq!(errors, [(2, "uid".to_owned(), "value_empty".to_owned())]);
    assert_eq!(answer.json()["errors"][0]["line"], 7, "{}", answer.text);
}

async fn empty_cells_behind_the_last_column_are_ignored(site: Site) {
    for (name, tail) in [("a", ";"), ("b", ";;; ;;"), ("c", ";x"), ("d", ";;;x")] {
        let full = format!("{}{}manager", row(name), ";".repeat(23));
        let (cells, is_good) = (format!("{full}{tail}"), !tail.contains('x'));
        let answer = post_csv(&site, file([cells, row("good")])).await;
        if is_good {
            counts(&answer);
        } else {
            let (_, errors) = counts_and_errors(&answer);
            assert_eq!((errors[0].0, &*errors[0].2), (1, "column_count"), "{name}");
        }
        assert_eq!(site.client.user(name).await["uid"] == name, is_good, "{name}");
    }
    assert_eq!(site.client.user("a").await["manager_uid"], json!(["manager"]));
}
