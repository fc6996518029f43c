//! The filter for log records, and a plain logger for the subcommands.
//!
//! Any thread that logs. Only our own records get through: libraries log URLs, and ours holds the key.

use std::io::{self, IsTerminal, Write};

use env_logger::Builder;
use log::{LevelFilter, Metadata};

use super::live_line::ERASE;
use crate::text::clock::{local, now_ms};

/// The beginning of the target of all our records: the name of this crate.
const OUR_TARGET: &str = "finnhub_stream";

/// Makes a plain logger of the process, without a recording: our own lines go to standard error, on a
/// terminal in the place of a progress line. Lines of libraries are left out: they show clients' keys.
pub(crate) fn to_standard_error() {
    let mut builder = builder(LevelFilter::Info);
    let erase = if io::stderr().is_terminal() { ERASE } else { "" };
    builder.format(move |out, record| {
        if !is_ours(record.metadata()) {
            return io::Result::Ok(());
        }
        let (_, clock) = local(now_ms());
        writeln!(out, "{erase}{clock} {:<5} {}", record.level(), record.args())
    });
    // Another logger is there only in tests.
    let _ = builder.try_init();
}

/// The level is that of `RUST_LOG` or, without it, `level`.
pub(crate) fn builder(level: LevelFilter) -> Builder {
    let mut builder = Builder::new();
    builder.filter_level(level);
    if let Ok(wanted) = std::env::var("RUST_LOG") {
        builder.parse_filters(&wanted);
    }
    builder
}

/// Whether a record comes from this program, not from a library.
pub(crate) fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(OUR_TARGET)
}
