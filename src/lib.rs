//! finnhub-stream records every trade that Finnhub's WebSocket delivers.

pub mod api_key;
pub mod backoff;
pub mod clock;
pub mod columns;
pub mod connection;
pub mod entry;
pub mod error;
pub mod market;
pub mod recorder;
pub mod session;
pub mod trade;
pub mod waiting_room;
pub mod watch_list;
pub mod watchdog;
pub mod wire;
