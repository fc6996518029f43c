//! finnhub-stream records every trade that Finnhub's WebSocket delivers: once, digit for digit, in
//! order; and where nothing was recorded, a ledger says from when to when and why.
//!
//! # Two threads and a channel, and who stands beside them
//!
//! ```text
//! main: connect, subscribe, read ──trades, log lines──▶ writer: rows, ledger, lock, log
//!  ▲                                                      │   │
//!  │ a stop, a new list                                   │   ├─ what to force to the disk ─▶ fsync
//!  │                                                      │   └─ closed files ─▶ compressor
//! signals, tickers-file, dashboard                        ▼ snapshot
//!                                          read by terminal, quiet, dashboard
//! ```
//!
//! The main thread owns the blocking socket and, once connected, never waits for a disk. Trade
//! messages go over the channel as they came, the ones of one read together; the writer decodes
//! them and appends whole rows. The terminal and the page read a snapshot of what the writer has
//! handed to the file. `deadline` starts at a signal, and sees the writer through when the main
//! thread is stuck; `simulator` is the market of `--demo`.
//!
//! | thread | files |
//! |---|---|
//! | main | before it connects: reads `.env` and the tickers file; looks for what would refuse the start; opens, locks and repairs CSV, ledger, lock and log |
//! | writer | writes these four; opens the next ones at a rotation, or when somebody has moved them; removes what a refused start has made |
//! | fsync | gets handles of CSV and ledger, opens none |
//! | compressor | reads closed files, writes their `.gz`, removes them; with `--compress` only |
//! | tickers-file | reads the tickers file |
//! | dashboard | replaces the tickers file when the page changes the list |
//!
//! # The floors
//!
//! A room imports only from lower floors, which `tests/house.rs` checks; only [`app`] starts threads
//! and makes channels, and [`simulator`] its own threads.
//!
//! | floor | rooms |
//! |---|---|
//! | 6 edge | `main.rs` |
//! | 5 wiring | [`tasks`] (from the command line to who does it), [`app`] (threads, channels, signals, the end), [`cli`], [`check`], [`verify`], [`ship`], [`simulator`] |
//! | 4 choices | [`settings`] |
//! | 3 loop | [`session`] |
//! | 2 doors | [`connection`] (one WebSocket), [`recorder`] (the output files), [`tickers_file`], [`terminal`], [`log_lines`], `dashboard` (the live page), [`on_event`] (tells somebody) |
//! | 1 rules | [`wire`] (Finnhub's JSON), [`watch_list`], [`backoff`], [`watchdog`], [`waiting_room`], [`market`] (counters, snapshot), [`quiet`] (closed or broken), [`log_limit`], [`entry`] (what travels on the channels) |
//! | 0 words | [`trade`], [`columns`], [`api_key`], [`error`], [`clock`], [`figures`], [`market_hours`], `rows` (where a row ends) |
//!
//! # Where a behaviour lives
//!
//! How digits survive: [`wire`]. How a row is written: [`recorder`]'s `row`; how rows are read back,
//! by the repair, [`verify`], [`ship`] and the replay: `rows`. What refuses a start: [`settings`],
//! `recorder/rehearsal`, `recorder/origin`. What a crash leaves and how it is repaired:
//! `recorder/repair`, `recorder/opening`. What others do to the files while they are recorded:
//! `recorder/recording/moved`, `recorder/rebuild`. What a power cut may take, and in which order
//! things reach the disk: `recorder/disk`, `recorder/coverage`, `recorder/lock_file`. A full disk:
//! `recorder/append_file` (nothing torn), `recorder/trouble` (holding and retrying),
//! [`waiting_room`] (the bound), `session/handover` (the pace). Rotation: `recorder/rotation`,
//! `recorder/recording`. How every row reaches an engine: [`ship`]. When to reconnect: [`backoff`],
//! [`watchdog`]. That no server holds the main thread up: `connection/socket`. Whether it is live,
//! and since when: `market/feed`. A stop within five seconds: `app/stopping`. What the live line
//! says: `terminal/live_line`; why it is quiet: [`quiet`]; who hears of it: [`on_event`]. That the key
//! is nowhere: [`api_key`], [`log_lines`].

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
pub mod on_event;
pub mod quiet;
pub mod recorder;
mod rows;
pub mod session;
pub mod settings;
pub mod ship;
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
