//! Tests of the Collaborator row rules.

use super::*;
use crate::batch::Cell;
use crate::field::Field;
use crate::rejection::RejectionCode;

fn csv(records: &str) -> CheckedBatch {
    check_text(Format::Csv, RecordLimits::default(), 2, 1, records.as_bytes())
}

fn json(records: &str) -> CheckedBatch {
    check_text(Format::Json, RecordLimits::default(), 1, 1, records.as_bytes())
}

/// A row whose cells up to the password are valid, followed by these cells.
fn row(rest: &str) -> String {
    format!("7;Last;First;;login;a@b.c;;{rest}\n")
}

/// A valid object with further members.
fn object(more: &str) -> String {
    format!(r#"{{"uid":"7","secondname":"Last","firstname":"First","login":"login"{more}}}"#)
}

fn rejected(batch: &CheckedBatch) -> Vec<(Option<u64>, u64, &'static str, &str)> {
    batch.rejections().iter().map(|r| (r.row, r.line, r.code.as_str(), r.message.as_str())).collect()
}

#[test]
fn csv_cells_are_assigned_by_position() {
    let batch = csv(
        "7 ; Last;First;;Login;A@b.c;secret;16.10.1988;1;;Dep;Pos;x, y,x;1;2;2015-02-21;g;w;;s1,s2;1;2;3;{\"a\": 1};uk;4;5;9;m1\n",
    );
    assert_eq!(rejected(&batch), []);
    let row = batch.rows().next().unwrap();
    assert_eq!(
        (row.key(), row.username_key(), row.email_key(), row.row()),
        ("7", Some("login"), Some("a@b.c"), Some(1))
    );
    for (field, expected) in [
        (Field::Uid, Cell::Set("7")),
        (Field::LastName, Cell::Set("Last")),
        (Field::Patronymic, Cell::Clear),
        (Field::BirthDate, Cell::Set("1988-10-16")),
        (Field::Gender, Cell::Set("1")),
        (Field::City, Cell::Clear),
        (Field::Tags, Cell::Set(r#"["x","y"]"#)),
        (Field::BlockedReason, Cell::Set("maternity_leave")),
        (Field::DateOfEmployment, Cell::Set("2015-02-21")),
        (Field::DateOfAssignment, Cell::Clear),
        (Field::StructureUid, Cell::Set(r#"["s1","s2"]"#)),
        (Field::CustomInfo, Cell::Set(r#"{"a":1}"#)),
        (Field::Language, Cell::Set("uk")),
        (Field::UserField5, Cell::Set("5")),
        (Field::RoleId, Cell::Set("9")),
        (Field::ManagerUid, Cell::Set(r#"["m1"]"#)),
        (Field::FacebookId, Cell::Keep),
        (Field::WorkCity, Cell::Keep),
    ] {
        assert_eq!(row.cell(field), expected, "{field:?}");
    }
    assert_eq!(batch.passwords().collect::<Vec<_>>(), [(0, "7", "secret")]);
}

#[test]
fn absent_values_are_kept_and_a_named_user_becomes_active() {
    for batch in [csv("7;Last;First\n"), json(r#"{"uid":"7","login":null}"#)] {
        assert_eq!(rejected(&batch), []);
        let row = batch.rows().next().unwrap();
        assert_eq!((row.cell(Field::Username), row.email_key()), (Cell::Keep, None));
        assert_eq!(row.cell(Field::BlockedReason), Cell::Clear);
        assert_eq!(row.unset_required_field(), Some(Field::Username));
    }
}

#[test]
fn an_invalid_cell_fails_its_row() {
    for (cells, code, message) in [
        ("31.02.2020", "date_invalid", "Line 2: birth_date is not a date of the form DD.MM.YYYY or YYYY-MM-DD"),
        ("10/16/1988", "date_invalid", "Line 2: birth_date is not a date of the form DD.MM.YYYY or YYYY-MM-DD"),
        (";5", "gender_invalid", "Line 2: gender must be 0 (male) or 1 (female)"),
        (";F", "gender_invalid", "Line 2: gender must be 0 (male) or 1 (female)"),
        (";;a\u{7}", "control_char", "Line 2: city has the control character U+0007"),
        (
            ";;;;;;;9",
            "status_invalid",
            "Line 2: status must be 0 (working), 1 (dismissed), 2 (maternity leave) or 3 (sick leave)",
        ),
        (";;;;;;;;;;;;;;;;{", "json_invalid", "Line 2: customInfo is not valid JSON"),
        (";;;;;;;;;;;;;;;;;;;;x", "value_invalid", "Line 2: role_id must be a whole number"),
        (
            ";;;;;;;;;;;;;;;;;;;;;;x",
            "column_count",
            "Line 2: has 30 values, but there are only 29 columns; quote values that contain a semicolon",
        ),
    ] {
        let batch = csv(&row(cells));
        assert_eq!(rejected(&batch).len(), 1, "{cells}");
        let rejection = &batch.rejections()[0];
        assert_eq!((rejection.code.as_str(), rejection.sentence().as_str()), (code, message));
        assert_eq!((batch.failed_keys().collect::<Vec<_>>(), batch.rows_without_key()), (vec!["7"], 0), "{cells}");
    }
    assert_eq!(rejected(&csv(&row(";;;;;;;;;;;;;;;;;;;;;; ; ;"))), [], "empty cells after the last column are ignored");
}

#[test]
fn an_invalid_member_fails_its_object() {
    for (more, code, name) in [
        (r#","city":true"#, "type_invalid", Some("city")),
        (r#","tags":[1]"#, "type_invalid", Some("tags")),
        (r#","manager_uid":{}"#, "type_invalid", Some("manager_uid")),
        (r#","customInfo":5"#, "type_invalid", Some("customInfo")),
        (r#","customInfo":"{""#, "json_invalid", Some("customInfo")),
        (r#","customInfo":{"a":"\u0000"}"#, "nul_byte", Some("customInfo")),
        (r#","is_active":7"#, "value_invalid", Some("is_active")),
        (r#","status":true"#, "type_invalid", Some("status")),
        (r#","email":"x""#, "email_invalid", Some("email")),
        (r#","firstname":"""#, "value_empty", Some("firstname")),
        (r#","uid":"""#, "value_empty", Some("uid")),
        (r#","uid":null"#, "value_empty", Some("uid")),
        (r#","gender":tru"#, "json_invalid", None),
    ] {
        let batch = json(&object(more));
        let found: Vec<_> = batch.rejections().iter().map(|r| (r.code.as_str(), r.column.as_deref())).collect();
        assert_eq!(found, [(code, name)], "{more}");
    }
    assert_eq!(rejected(&json("5")), [(Some(1), 1, "type_invalid", "is not a JSON object")]);
}

#[test]
fn a_user_is_blocked_if_status_or_is_active_says_so() {
    for (more, expected) in [
        ("", Cell::Clear),
        (r#","status":"0","is_active":"1""#, Cell::Clear),
        (r#","status":0,"is_active":true"#, Cell::Clear),
        (r#","status":"","is_active":null"#, Cell::Clear),
        (r#","status":"1""#, Cell::Set("dismissed")),
        (r#","status":3"#, Cell::Set("sick_leave")),
        (r#","is_active":0"#, Cell::Set("inactive")),
        (r#","is_active":false,"status":2"#, Cell::Set("maternity_leave")),
        (r#","is_active":1,"status":"1""#, Cell::Set("dismissed")),
    ] {
        let batch = json(&object(more));
        assert_eq!(batch.rows().next().unwrap().cell(Field::BlockedReason), expected, "{more}");
    }
}

#[test]
fn the_uid_of_a_failed_row_is_recorded_if_it_can_be_read() {
    let batch = csv(&format!("{};x;x\n;x;x\n{}", "8", row("bad date")));
    assert_eq!(rejected(&batch).iter().map(|(row, ..)| *row).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert_eq!((batch.failed_keys().collect::<Vec<_>>(), batch.rows_without_key()), (vec!["7"], 1));
}

#[test]
fn a_uid_that_no_user_can_have_names_nobody() {
    for uid in ["b\\u0000".to_owned(), "b\\u0007".to_owned(), "b".repeat(256)] {
        let batch = json(&format!(r#"{{"uid":"{uid}"}}"#));
        assert_eq!((batch.failed_keys().count(), batch.rows_without_key()), (0, 1), "{uid}");
    }
}

/// The splitter and the checks must identify the user of a row by the same uid.
#[test]
fn the_uid_of_a_record_is_the_key_of_its_row() {
    for cell in ["7", " 7 ", "\u{a0}7", "\u{200b}7\u{feff}", "=\"7\""] {
        assert_eq!(clean_uid(cell).as_deref(), Some("7"));
        assert_eq!(csv(&format!("{cell};x\n")).rows().next().unwrap().key(), "7");
    }
    for object in [r#"{"uid":"7"}"#, r#"{"uid":" 7 "}"#, r#"{"uid":"1","uid":"7"}"#, r#"{"uid":7}"#] {
        assert_eq!(keys_of_json(object.as_bytes()).uid.as_deref(), Some("7"));
        assert_eq!(json(object).rows().next().unwrap().key(), "7");
    }
    for none in ["{}", r#"{"uid":[7]}"#, r#"{"uid":""}"#, "[", "5"] {
        assert_eq!(keys_of_json(none.as_bytes()).uid, None, "{none}");
    }
}

#[test]
fn a_list_is_limited_before_it_is_split() {
    let tags = |count: usize| {
        let tags: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
        csv(&row(&format!(";;;;;{}", tags.join(","))))
    };
    assert_eq!(rejected(&tags(1_000)), []);
    assert_eq!(rejected(&tags(1_001))[0].3, "tags has more than 1000 items");
    let long = csv(&row(&format!(";;;;;{}", "a,b,".repeat(20_000))));
    assert_eq!(rejected(&long)[0].3, "tags is longer than 65536 characters");
    let repeated = csv(&row(&format!(";;;;;{}", "a,b,".repeat(10_000))));
    assert_eq!(repeated.rows().next().unwrap().cell(Field::Tags), Cell::Set(r#"["a","b"]"#));
}

#[test]
fn custom_info_keeps_its_numbers_and_escaped_backslashes() {
    for (text, stored) in [
        (r#"{"n":123456789012345678901234567890}"#, Some(r#"{"n":123456789012345678901234567890}"#)),
        (r#"{"n":0.1000000000000000055511151231257827}"#, Some(r#"{"n":0.1000000000000000055511151231257827}"#)),
        (r#"{"n":"\\u0000"}"#, Some(r#"{"n":"\\u0000"}"#)),
        (r#"{"n":"\u0000"}"#, None),
        (r#"{"\u0000":1}"#, None),
    ] {
        let batch = json(&object(&format!(r#","customInfo":{text}"#)));
        let found = batch.rows().next().map(|row| row.cell(Field::CustomInfo));
        assert_eq!(found, stored.map(Cell::Set), "{text}");
    }
}

/// Rows inside a quoted value are rows: the stray quote costs the line on which it opens.
#[test]
fn a_stray_quote_before_other_rows_costs_its_line_and_names_no_user() {
    let batch = csv(
        "100;\"Ivanov;F;;l;a@x\n101;Petrov;F;;m;b@x\n102;Sidorov;F;;n;c@x;;;;;;;Monitor 24\";F;;l;a@x;;;5\n103;L;F;;o\n",
    );
    let found: Vec<_> = batch.rejections().iter().map(|rejection| (rejection.line, rejection.code)).collect();
    assert_eq!(found, [(2, RejectionCode::QuoteUnclosed), (4, RejectionCode::DateInvalid)]);
    assert_eq!(batch.rows().map(|row| row.key()).collect::<Vec<_>>(), ["101", "103"]);
}

#[test]
fn a_failed_row_of_several_lines_names_its_lines_and_no_user() {
    let batch = csv("100;\"Ivanov\njunior\";F;;l;no address\n101;Petrov;F;;m;b@x\n");
    let message = &batch.rejections()[0].message;
    assert!(message.ends_with("; the row spans lines 2 to 3"), "{message}");
    assert_eq!((batch.failed_keys().count(), batch.rows_without_key()), (0, 1));
}

#[test]
fn the_cells_of_a_workbook_are_what_they_are_in_their_column() {
    let titles = ["ID", "Last name", "First name", "", "Login", "Email", "Password", "Birthdate", "Gender", "City"];
    let header = Header::from_titles(titles.map(str::to_owned).to_vec());
    let (handling, limits) = (Handling::Strict, RecordLimits::default());
    let rules = CheckRules { dialect: Dialect::Collaborator, handling, format: Format::Workbook, header, limits };
    let check = |row: &str| {
        check_batch(&rules, BatchRecords { first_line: 17, first_row: 1, broken: None, text: row.as_bytes() })
    };
    let batch = check("\u{1}n7;Last;First;;\u{1}n42;a@b.c;;\u{1}d1990-05-17;1\n");
    let rows: Vec<_> = batch.rows().collect();
    assert_eq!((rows[0].key(), rows[0].cell(Field::Username)), ("7", Cell::Set("42")));
    assert_eq!(rows[0].cell(Field::BirthDate), Cell::Set("1990-05-17"));
    assert_eq!(rows[0].cell(Field::City), Cell::Clear, "the cells under the titles that are not written are empty");
    assert_eq!(rows[0].cell(Field::Department), Cell::Keep, "the file has no such column");
    let warnings: Vec<_> = batch.warnings().iter().map(|w| (w.line, w.column.as_str())).collect();
    assert_eq!(warnings, [(17, "uid"), (17, "login")]);
    let batch = check("7;Last;First;;login;a@b.c;;;;\u{1}d1990-05-17\n");
    assert_eq!(
        batch.rejections()[0].message,
        "city in cell J17 is a date; format the column as text and enter the value again"
    );
    assert_eq!(batch.failed_keys().collect::<Vec<_>>(), ["7"], "the user of the row is not missing");
}
