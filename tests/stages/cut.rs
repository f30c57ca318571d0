//! Cutting a file into batches. The yardstick only finds the ends of records.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use muster_domain::csv::CsvScanner;
use muster_domain::scanner::{RecordLimits, Scan, Scanner};
use muster_domain::{Format, Handling, spigit};
use muster_ports::CutRules;

use crate::sample;

fn measure(bencher: Bencher<'_, '_>, run: impl Fn(&[u8]) -> u64 + Sync) {
    let file = sample::file();
    bencher.counter(BytesCount::new(file.len())).counter(ItemsCount::new(sample::ROWS)).bench(|| run(file));
}

#[divan::bench]
fn yardstick_csv_core(bencher: Bencher<'_, '_>) {
    measure(bencher, |file| {
        let (mut reader, mut fields, mut ends) = (csv_core::Reader::new(), [0; 4096], [0; 64]);
        let (mut rest, mut records) = (file, 0);
        while !rest.is_empty() {
            let (result, used, _, _) = reader.read_record(rest, &mut fields, &mut ends);
            rest = &rest[used..];
            records += u64::from(matches!(result, csv_core::ReadRecordResult::Record));
        }
        records
    });
}

#[divan::bench]
fn records(bencher: Bencher<'_, '_>) {
    measure(bencher, |file| {
        let syntax = spigit::csv_syntax(&sample::batch().0, Handling::Strict, Format::Csv, RecordLimits::default());
        let mut scanner = CsvScanner::new(syntax, 1);
        let (mut rest, mut records) = (file, 0);
        while let Scan::Record(used) = scanner.scan(rest, true).expect("the sample is well formed") {
            rest = &rest[used..];
            records += 1;
        }
        records
    });
}

#[divan::bench]
fn batches_and_epochs(bencher: Bencher<'_, '_>) {
    let (header, _) = sample::batch();
    measure(bencher, |file| {
        let pieces = file.chunks(256 * 1024);
        let (batches, ..) = muster_ingest::internals::cut(CutRules::default(), &header, Handling::Strict, pieces);
        batches.len() as u64
    });
}
