//! The body of a batch message: compressing, encrypting, and back.

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

/// The level in use is 1.
#[divan::bench(args = [-5, -1, 1, 2, 3, 6])]
fn zstd_level(bencher: Bencher<'_, '_>, level: i32) {
    measure(bencher, |records| zstd::bulk::compress(records, level).expect("memory is at hand").len());
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
    measure(bencher, |_| codec.open(ID, &sealed).expect("it opens again"));
}
