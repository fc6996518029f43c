//! What a recording is on disk: its columns, how a row is written, found and checked, the line in its
//! lock, and the names of its files.
//!
//! Any thread. Changes no file but by `paths`, which replaces the tickers file and the positions of
//! `ship`.

pub(crate) mod blocks;
pub(crate) mod closed;
pub mod columns;
pub(crate) mod gzip;
pub mod header;
pub(crate) mod ledger;
pub mod lock_line;
pub(crate) mod names;
pub(crate) mod paths;
pub(crate) mod row;
pub(crate) mod row_rules;
pub(crate) mod rows;
pub(crate) mod source;

pub use row::push_row;
