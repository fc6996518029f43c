//! Writes recordings: the writer thread and the output files.

mod append_file;
mod beside;
mod compress;
mod created_files;
mod disk;
mod error;
mod fsync;
mod header;
mod inspect;
mod ledger;
mod lock_file;
mod log_file;
mod open;
mod options;
mod output;
mod recording;
mod redo;
mod repair;
mod rotation;
#[cfg(test)]
mod tests;
mod writer;

pub use error::OpenError;
pub use inspect::{Inspection, try_log, try_out};
pub(crate) use log_file::{log_line, log_refusal};
pub use options::{Destination, Fsync, RecorderOptions};
pub use rotation::Rotate;
pub use writer::{Summary, Writer, WriterHandle};
