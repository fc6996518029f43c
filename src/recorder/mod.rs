//! The disk's side: the writer thread and the output files.

mod append_file;
mod beside;
mod compress;
mod created_files;
mod disk;
mod error;
mod fsync;
mod header;
mod ledger;
mod lock_file;
mod log_file;
mod open;
mod options;
mod origin;
mod output;
mod preflight;
mod recording;
mod redo;
mod repair;
mod rotation;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use disk::sync_directory;
pub use error::OpenError;
pub use header::header;
pub(crate) use ledger::{HEADER as LEDGER_HEADER, ROTATED};
pub use ledger::{belongs_to_recording, ledger_of, ledger_path, recording_of_ledger};
pub(crate) use lock_file::heartbeat_ms;
pub use lock_file::{Synced, read_synced};
pub(crate) use log_file::log_line;
pub use options::{Destination, Fsync, RecorderOptions};
pub use preflight::{try_header, try_log, try_out};
pub(crate) use rotation::closed_path;
pub use rotation::{Rotate, closed_label, compressed_name, recording_of};
pub use writer::{Summary, Writer, WriterHandle};
