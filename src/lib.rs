//! finnhub-stream records every trade that Finnhub's WebSocket delivers: once, digit for digit, in
//! order; and where nothing was recorded, a ledger says from when to when and why.
//!
//! # Two threads and a channel
//!
//! ```text
//! main thread                                   writer thread
//! session: connect → subscribe → read ──mpsc──▶ recorder: CSV rows, ledger, log file
//! ```
//!
//! The main thread owns the blocking socket and never waits for a disk. Trade messages go over the
//! channel as they came, the ones of one read together; the writer decodes them, appends whole rows
//! and alone touches the output files. The terminal and the page read a snapshot of what the writer
//! has handed to the file.
//!
//! # The floors
//!
//! A room imports only from lower floors, which `tests/house.rs` checks; only [`app`] starts threads
//! and makes channels, and [`simulator`] its own threads.
//!
//! | floor | rooms |
//! |---|---|
//! | 6 edge | `main.rs` |
//! | 5 wiring | [`tasks`] (from the command line to who does it), [`app`] (threads, channels, signals, the end), [`cli`], [`check`], [`verify`], [`simulator`] |
//! | 4 choices | [`settings`] |
//! | 3 loop | [`session`] |
//! | 2 doors | [`connection`] (one WebSocket), [`recorder`] (the output files), [`tickers_file`], [`terminal`], [`log_lines`], `dashboard` (the live page) |
//! | 1 rules | [`wire`] (Finnhub's JSON), [`watch_list`], [`backoff`], [`watchdog`], [`waiting_room`], [`market`] (counters, snapshot), [`quiet`] (closed or broken), [`log_limit`], [`entry`] (what travels on the channels) |
//! | 0 words | [`trade`], [`columns`], [`api_key`], [`error`], [`clock`], [`figures`], [`market_hours`] |
//!
//! # Where a behaviour lives
//!
//! How digits survive: [`wire`]. What is a row: [`recorder`]'s `row`. What a crash leaves and how it
//! is repaired: `recorder/repair`, `recorder/opening`. A full disk: `recorder/append_file` (nothing
//! torn), `recorder/trouble` (holding and retrying), [`waiting_room`] (the bound). Rotation:
//! `recorder/rotation`, `recorder/recording`. When to reconnect: [`backoff`], [`watchdog`]. A stop
//! within five seconds: `app/stopping`. What the live line says: `terminal/live_line`; why it is
//! quiet: [`quiet`]. That the key is nowhere: [`api_key`], [`log_lines`].

pub mod api_key;
pub mod app;
pub mod backoff;
pub mod check;
pub mod cli;
pub mod clock;
pub mod columns;
pub mod connection;
#[cfg(feature = "dashboard")]
pub mod dashboard;
pub mod entry;
pub mod error;
pub mod figures;
pub mod log_limit;
pub mod log_lines;
pub mod market;
pub mod market_hours;
pub mod quiet;
pub mod recorder;
pub mod session;
pub mod settings;
pub mod simulator;
pub mod tasks;
pub mod terminal;
pub mod tickers_file;
pub mod trade;
pub mod verify;
pub mod waiting_room;
pub mod watch_list;
pub mod watchdog;
pub mod wire;
