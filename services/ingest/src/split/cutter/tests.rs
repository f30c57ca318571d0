//! The batches make up the file, no user is in two batches of an epoch, and the result does not depend on the pieces.

use std::collections::HashMap;

use muster_domain::{
    BatchRecords, CheckRules, CheckedBatch, Dialect, Format, Handling, Header, OwnTitles, check_batch, spigit,
};
use proptest::prelude::*;

use super::*;

const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

fn header() -> Header {
    Header::from_titles(TITLES.split(',').map(str::to_owned).collect())
}

fn rules(batch_rows: u32, epoch_rows: u64) -> CutRules {
    CutRules { batch_rows, epoch_rows, ..CutRules::default() }
}

fn cut(text: &[u8], rules: CutRules, piece_bytes: usize) -> (Vec<Cut>, Progress) {
    let start = spigit::find_rows(text, true, rules.record, &OwnTitles::default()).unwrap().start;
    let layout =
        Layout { dialect: Dialect::Spigit, format: Format::Csv, handling: Handling::Strict, header: &header(), start };
    let mut cutter = Cutter::new(rules, layout, 0);
    let mut cuts = Vec::new();
    let mut rest = &text[usize::try_from(start.offset).unwrap()..];
    loop {
        let input = &rest[..piece_bytes.min(rest.len())];
        let at_end = input.len() == rest.len();
        let (found, used) = cutter.read(input, at_end).unwrap();
        rest = &rest[used..];
        let found_none = found.is_none();
        cuts.extend(found);
        if found_none && at_end {
            break;
        }
    }
    cuts.extend(cutter.take_last());
    (cuts, cutter.progress())
}

fn file(users: &[&str]) -> String {
    let rows: Vec<String> = users.iter().map(|user| format!("{user}@x.y,{user},f,l\n")).collect();
    format!("{TITLES}\n{}", rows.concat())
}

fn checked(cut: &Cut) -> CheckedBatch {
    let limits = CutRules::default().record;
    let rules = CheckRules {
        dialect: Dialect::Spigit,
        handling: Handling::Strict,
        format: Format::Csv,
        header: header(),
        limits,
    };
    let records = BatchRecords {
        first_line: cut.first_line,
        first_row: cut.first_row,
        broken: Some(cut.broken.clone()),
        text: &cut.records,
    };
    check_batch(&rules, records)
}

#[test]
fn batches_are_cut_by_rows_and_are_contiguous() {
    let text = file(&["a", "b", "c", "d", "e"]);
    let (cuts, progress) = cut(text.as_bytes(), rules(2, 100), 7);
    let shape: Vec<_> = cuts.iter().map(|c| (c.batch.0, c.first_line, c.rows, c.starts_epoch)).collect();
    assert_eq!(shape, [(1, 2, 2, false), (2, 4, 2, false), (3, 6, 1, false)]);
    assert_eq!(cuts[0].first_offset, 0);
    assert!(cuts.windows(2).all(|pair| pair[0].end_offset == pair[1].first_offset));
    assert_eq!(cuts[2].end_offset, text.len() as u64);
    let end_offset = text.len() as u64;
    assert_eq!(progress, Progress { batches: 3, rows: 5, end_offset, ..Progress::default() });
}

#[test]
fn a_user_of_an_earlier_batch_starts_an_epoch() {
    let text = file(&["a", "b", "c", "A", "d", "a"]);
    let (cuts, _) = cut(text.as_bytes(), rules(2, 100), 4096);
    let shape: Vec<_> = cuts.iter().map(|c| (c.first_line, c.rows, c.starts_epoch)).collect();
    assert_eq!(shape, [(2, 2, false), (4, 1, false), (5, 2, true), (7, 1, true)]);
}

#[test]
fn consecutive_rows_of_one_user_stay_in_one_batch() {
    let text = file(&["a", "b", "b", "b", "c"]);
    let (cuts, _) = cut(text.as_bytes(), rules(2, 100), 4096);
    let shape: Vec<_> = cuts.iter().map(|c| (c.rows, c.starts_epoch)).collect();
    assert_eq!(shape, [(4, false), (1, false)]);
}

#[test]
fn an_epoch_ends_at_its_row_limit() {
    let text = file(&["a", "b", "c", "d", "e"]);
    let (cuts, _) = cut(text.as_bytes(), rules(2, 4), 4096);
    let shape: Vec<_> = cuts.iter().map(|c| (c.rows, c.starts_epoch)).collect();
    assert_eq!(shape, [(2, false), (2, false), (1, true)]);
}

#[test]
fn a_batch_ends_at_its_byte_limit() {
    let text = file(&["a", "b", "c"]);
    let small = CutRules { batch_bytes: 25, ..CutRules::default() };
    let (cuts, _) = cut(text.as_bytes(), small, 4096);
    assert_eq!(cuts.iter().map(|c| c.rows).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn line_numbers_are_right_in_every_batch_despite_blank_lines() {
    let text = format!("{TITLES}\r\n\r\na@x.y,a,f,l\r\n\r\n\r\nb@x.y,b,f,l\r\nbroken\r\n");
    let (cuts, _) = cut(text.as_bytes(), rules(1, 100), 3);
    let lines: Vec<u64> = cuts.iter().map(|c| c.first_line).collect();
    assert_eq!(lines, [3, 6, 7]);
    assert_eq!(checked(&cuts[2]).rejections()[0].line, 7);
}

#[test]
fn too_many_blank_lines_start_a_batch() {
    let text = format!("{TITLES}\na@x.y,a,f,l\n{}b@x.y,b,f,l\n", "\n".repeat(10_000));
    let (cuts, progress) = cut(text.as_bytes(), rules(100, 100), 512);
    let shape: Vec<_> = cuts.iter().map(|c| (c.first_line, c.rows)).collect();
    assert_eq!(shape, [(2, 1), (10_003, 1)]);
    assert_eq!(cuts[0].end_offset, cuts[1].first_offset);
    assert_eq!(progress.end_offset, text.len() as u64);
}

proptest! {
    #[test]
    fn no_two_batches_of_an_epoch_share_a_user(users in proptest::collection::vec("[a-f]", 0..60), size in 1_u32..5) {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let (cuts, progress) = cut(file(&users).as_bytes(), rules(size, 1000), 11);
        prop_assert_eq!(progress.rows, users.len() as u64);
        let mut seen: HashMap<String, BatchNo> = HashMap::new();
        let mut joined = Vec::new();
        for cut in &cuts {
            if cut.starts_epoch {
                seen.clear();
            }
            let batch = checked(cut);
            prop_assert_eq!(batch.row_count(), u64::from(cut.rows));
            for row in batch.rows() {
                joined.push(row.key().to_owned());
                let first = *seen.entry(row.key().to_owned()).or_insert(cut.batch);
                prop_assert_eq!(first, cut.batch);
            }
        }
        prop_assert_eq!(joined, users);
    }

    #[test]
    fn the_batches_do_not_depend_on_the_pieces(
        text in "[a-c,\"\r\n ]{0,120}",
        piece_bytes in 1_usize..30,
        size in 1_u32..4,
    ) {
        let text = format!("{TITLES}\n{text}\"\n");
        prop_assert_eq!(cut(text.as_bytes(), rules(size, 8), usize::MAX), cut(text.as_bytes(), rules(size, 8), piece_bytes));
    }

    /// However damaged the text is: the worker finds the rows that the splitter counted, and every physical line is a row,
    /// broken, part of a row, or blank.
    #[test]
    fn splitter_and_worker_agree_on_damaged_text(
        text in "([a-c]@x,[a-c],f,l\r?\n|[a-c,\"\r\n ]{0,9}|EMAIL,USERNAME,FIRST_NM,LAST_NM\n|,,,\n){0,20}",
        size in 1_u32..5,
    ) {
        let text = format!("{TITLES}\n{text}");
        let (cuts, progress) = cut(text.as_bytes(), rules(size, 8), 5);
        let (mut rows, mut failed_lines, mut row_lines) = (0, 0, 0);
        for cut in &cuts {
            let batch = checked(cut);
            prop_assert_eq!(batch.row_count(), u64::from(cut.rows));
            rows += batch.row_count();
            let numbers: HashSet<u64> = batch.rows().filter_map(|row| row.row()).chain(batch.rejections().iter().filter_map(|r| r.row)).collect();
            let expected: HashSet<u64> = (cut.first_row..cut.first_row + u64::from(cut.rows)).collect();
            prop_assert_eq!(numbers, expected);
            failed_lines += batch.rejections().len();
            row_lines += batch.rows().len();
        }
        prop_assert_eq!(rows, progress.rows);
        let lines = text.lines().count();
        let skipped = usize::try_from(progress.blank_rows + progress.skipped_lines).unwrap();
        prop_assert!(1 + skipped + failed_lines + row_lines <= lines + text.matches('\r').count(), "a line counts twice");
    }
}
