//! finnhub-stream records every trade that Finnhub's WebSocket delivers.

pub mod api_key;
pub mod app;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod columns;
pub mod connection;
pub mod entry;
pub mod error;
pub mod log_lines;
pub mod market;
pub mod market_hours;
pub mod quiet;
pub mod recorder;
pub mod session;
pub mod settings;
pub mod simulator;
pub mod terminal;
pub mod tickers_file;
pub mod trade;
pub mod verify;
pub mod waiting_room;
pub mod watch_list;
pub mod watchdog;
pub mod wire;
