//! `muster generate`.

use std::io::{BufWriter, ErrorKind};

use anyhow::Context;
use muster_client::generate;
use muster_domain::Dialect;

use crate::cli::GenerateArgs;

pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<()> {
    let dialect = Dialect::parse(&args.dialect).context("unknown dialect")?;
    let out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    match generate::write(out, dialect, args.rows, args.seed) {
        // The reader has enough, as in `muster generate 1000000 | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
