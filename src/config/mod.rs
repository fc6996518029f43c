//! What was asked for, resolved once and valid.

pub mod settings;
pub mod tickers_file;
