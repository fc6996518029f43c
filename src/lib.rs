//! finnhub-stream records every trade that Finnhub's WebSocket delivers.
#![doc = ""]

pub mod columns;
pub mod market_hours;
pub mod verify;
