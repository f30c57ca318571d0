//! The body of a batch message: compression and encryption, and their reversal.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use muster_messages::PayloadCodec;

use crate::sample;

const ID: &str = "1:1";
const KEY: Option<&[u8; 32]> = Some(&[7; 32]);

fn measure<T>(bencher: Bencher<'_, '_>, run: impl Fn(&[u8]) -> T + Sync) {
    let (_, records) = sample::batch();
    let counted = bencher.counter(BytesCount::new(records.len())).counter(ItemsCount::new(sample::BATCH_ROWS));
    counted.bench(|| run(records));
}

/// Muster uses level 1.
#[divan::bench(args = [-5, -1, 1, 2, 3, 6])]
fn zstd_level(bencher: Bencher<'_, '_>, level: i32) {
    measure(bencher, |records| zstd::bulk::compress(records, level).expect("memory can be compressed").len());
}

#[divan::bench]
fn seal(bencher: Bencher<'_, '_>) {
    let codec = PayloadCodec::new(None);
    measure(bencher, |records| codec.seal(ID, records).expect("a batch can be sealed"));
}

#[divan::bench]
fn seal_with_a_key(bencher: Bencher<'_, '_>) {
    let codec = PayloadCodec::new(KEY);
    measure(bencher, |records| codec.seal(ID, records).expect("a batch can be sealed"));
}

#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    let codec = PayloadCodec::new(None);
    let sealed = codec.seal(ID, sample::batch().1).expect("a batch can be sealed");
    measure(bencher, |_| codec.open(ID, &sealed).expect("a sealed batch can be opened"));
}
