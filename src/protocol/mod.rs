//! Finnhub's JSON: the only folder with its field names.

pub mod message;
pub mod trade;
