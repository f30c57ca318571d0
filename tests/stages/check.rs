//! The work on the records of a batch before a worker calls the database.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use muster_domain::plan::{Existing, plan};
use muster_domain::scanner::RecordLimits;
use muster_domain::waiting::WaitingClaims;
use muster_domain::{CheckedBatch, Handling, JobId, RowDigest, spigit};

use crate::sample;

fn checked_batch() -> (CheckedBatch, usize) {
    let (header, records) = sample::batch();
    let limits = RecordLimits::default();
    (spigit::check_text(&header, Handling::Strict, limits, 2, records), records.len())
}

/// The least that any reader of a batch must do: read every byte and find every value.
#[divan::bench]
fn yardstick_csv_core(bencher: Bencher<'_, '_>) {
    let (_, records) = sample::batch();
    bencher.counter(BytesCount::new(records.len())).counter(ItemsCount::new(sample::BATCH_ROWS)).bench(|| {
        let (mut reader, mut fields, mut ends) = (csv_core::Reader::new(), [0; 4096], [0; 64]);
        let (mut rest, mut values) = (records, 0);
        while !rest.is_empty() {
            let (_, used, _, found) = reader.read_record(rest, &mut fields, &mut ends);
            rest = &rest[used..];
            values += found;
        }
        values
    });
}

#[divan::bench]
fn rows(bencher: Bencher<'_, '_>) {
    let (header, records) = sample::batch();
    bencher
        .counter(BytesCount::new(records.len()))
        .counter(ItemsCount::new(sample::BATCH_ROWS))
        .bench(|| spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, records));
}

#[divan::bench]
fn digests(bencher: Bencher<'_, '_>) {
    let (batch, bytes) = checked_batch();
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(sample::BATCH_ROWS)).bench(|| {
        for row in batch.rows() {
            black_box(RowDigest::compute(&row));
        }
    });
}

#[divan::bench]
fn plan_of_new_users(bencher: Bencher<'_, '_>) {
    let (batch, bytes) = checked_batch();
    let existing = Existing::default();
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(sample::BATCH_ROWS))
        .bench(|| plan(JobId(1), &batch, &existing, &WaitingClaims::default()).inserts.len());
}
