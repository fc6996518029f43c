//! Finnhub's JSON: the only room that knows its field names.

pub mod message;
pub mod trade;
