//! finnhub-stream records every trade that Finnhub's WebSocket delivers: once, digit for digit, in
//! order; and where nothing was recorded, a ledger says from when to when and why.
//!
//! # The threads
//!
//! ```text
//! main: connect, subscribe, read ──trades, log lines──▶ writer: rows, ledger, lock, log
//!  ▲                                                      │   │
//!  │ stop, new list                                       │   ├─ files to force to the disk ─▶ fsync
//!  │                                                      │   └─ closed files ─▶ compressor
//! signals, tickers-file, dashboard                        ▼ snapshot
//!                                    read by terminal, silence, events, dashboard
//! ```
//!
//! The main thread owns the blocking socket and, once connected, never waits for a disk. Trade
//! messages go over the channel as they came, those of one read together; the writer decodes them
//! and appends whole rows. All others read a snapshot, which counts only what is in the file.
//!
//! | thread | what it does | files |
//! |---|---|---|
//! | main | the session with the server | before it connects: reads `.env` and the tickers file; looks for what would refuse the start; opens, locks and repairs CSV, ledger, lock and log |
//! | writer | rows, ledger and log | writes these four; opens the next ones at a rotation, or when somebody has moved them; removes the files that a refused start has made |
//! | fsync | forces rows to the disk | gets handles of CSV and ledger, opens none |
//! | compressor | with `--compress` | reads closed files, writes their `.gz`, removes them |
//! | terminal | log lines and the live line | |
//! | table, table-change | with `--table`: keys and the screen; one for each change of the list by a key | replaces the tickers file then |
//! | silence | logs which symbols have fallen silent, and why | |
//! | events | runs the command of `--on-event` | |
//! | tickers-file | follows the tickers file | reads it |
//! | dashboard | serves the page | replaces the tickers file when the page changes the list |
//! | signals | asks for the end; also of `bars --follow` | |
//! | deadline | started by a signal; ends the writer and the program if the main thread cannot | |
//! | simulator, simulator-client | the market of `--demo`; one thread for each client | |
//!
//! # The folders
//!
//! A folder imports only from those with a smaller number; `tests/contract/house.rs` checks it.
//!
//! | | folder | what it is |
//! |---|---|---|
//! | 10 | `main.rs` | one error line, exit code |
//! | 9 | [`cli`] | the command line, its help and its errors; calls what is asked for |
//! | 8 | `app` | one recording from start to end: threads, channels, signals |
//! | 8 | [`check`] | tries everything that a recording needs |
//! | 8 | [`bars`] | makes candles of recordings |
//! | 8 | [`ship`] | brings a recording to a command, batch by batch |
//! | 8 | `generate` | loaders for other tools, commands for `ship`, completions, the man page, the React package |
//! | 7 | `config` | what was asked for, resolved once and valid; the tickers file |
//! | 7 | [`verify`] | reads recordings and says what is in them |
//! | 7 | [`simulator`] | a server like Finnhub's, with a simulated market |
//! | 6 | `terminal`, `dashboard`, `on_event` | views of a recording: standard error, the page, a command that is run |
//! | 5 | [`recorder`] | the writer thread and the output files |
//! | 5 | [`feed`] | Finnhub's side: one connection, and the policy around it |
//! | 4 | [`channel`] | what is sent to the writer and to the terminal |
//! | 3 | [`status`] | what is known of the market and of the feed, for people |
//! | 2 | [`recording`] | what a recording is on disk: the format; columns, header, rows, blocks of rows, rows of the ledger, the lock's line, names of files |
//! | 1 | [`protocol`] | Finnhub's JSON, and a trade |
//! | 1 | [`market`] | what a symbol is; hours and holidays of the US stock market; what the conditions of a trade mean; the prices of a bar |
//! | 1 | [`process`] | threads with names; child processes; the signals that ask for a stop; what ends the program, and with which exit code; waits that grow |
//! | 0 | [`text`] | words, numbers and times as people and JSON write them; the clock |
//!
//! # Where a behaviour is
//!
//! | what | where |
//! |---|---|
//! | how digits survive | `protocol/message`, `protocol/trade` |
//! | how a row is written | `recording/row` |
//! | how rows are read back, by the repair, `verify`, `bars`, `ship` and the replay | `recording/rows`, in blocks on several threads `recording/blocks`, ordinary rows in one pass `recording/ordinary_row` |
//! | what a row of the ledger says, and why nothing was recorded | `recording/ledger` |
//! | which trades move which price of a bar | `market/conditions` (the table), `market/prices` (of several, the one that counts) |
//! | how `bars` goes on with a recording through rotation | `bars/follow`, `bars/live_file` |
//! | how candles come to the page | `status/candles` (what trades add, from the writer), `dashboard/candles` (put together and thinned out), `dashboard/page/candles.js` (as long as they are shown) |
//! | what refuses a start | `config/settings`, `recorder/inspect` |
//! | what a crash leaves, and how it is repaired | `recorder/open` (what is to be done), `recorder/repair` (what is torn), `recorder/redo` (a new end, safe at any instant) |
//! | names of files under way, and a user's files of like names | `recorder/beside` |
//! | what a power cut may take: the order in which things reach the disk | `recorder/recording/sync`, `recorder/disk`, `recorder/lock_file`, `recording/lock_line` |
//! | what others do to the files while they are recorded, and disks that go away | `recorder/recording/external_changes` (found), `recorder/append_file` (which rows are ours), `recorder/open` (repaired) |
//! | a full disk | `recorder/append_file` (nothing torn), `recorder/writer/retry` (since when, the next try), `recorder/writer/row_writer` (what waits meanwhile) |
//! | what the writer does, and in which order | `recorder/writer` (the loop), `recorder/writer/row_writer` (from entries to the files) |
//! | what waits for the disk, when nothing more is read, what is dropped | `feed/backpressure` |
//! | that a symbolic link stays one | `recording/paths` (where it leads), `recorder/recording` (when it is set to another place) |
//! | rotation | `recorder/recording/period` (when), `recorder/recording/rotate` (the steps), `recorder/recording/cut_rotation` (after a kill between them), `recorder/rotation` (periods), `recording/names`, `recording/closed` (names of closed files, and their order) |
//! | when to reconnect | `feed/backoff`, `feed/watchdog` |
//! | which answer of the server is a WebSocket | `feed/connection/upgrade` |
//! | a dead address of the server | `feed/connection/tcp` (the next one), `feed/connection/addresses` (their order) |
//! | that the main thread never waits for a server | `feed/connection/socket` |
//! | that no thread wakes up without a reason | `feed/commands`, `feed/session/connected`, `recorder/writer/timers` |
//! | that time which the clock skips is not called recorded | `text/clock` (two clocks), `feed/session/reports` (told before anything later), `recorder/writer/session_view` (no heartbeat by the new time until then) |
//! | whether it is live, since when, and which gaps there were | `status/feed_status` |
//! | a stop within five seconds | `app/shutdown`, `recorder/writer/finish` |
//! | which signals ask for a stop | `process/signals` |
//! | a change of the watch list | `app/watch_list` (from the file, the page or the table), `config/tickers_file`, `feed/subscriptions` |
//! | what live line and table say; why it is quiet | `terminal/state_line`; `status/silence`, `market/hours` |
//! | that the terminal is left as it was found, and never waited for | `terminal/table/tty` |
//! | how every row reaches an engine | [`ship`] |
//! | where the key comes from | `config/key_source`, `config/dot_env` |
//! | that the key is never logged | `feed/api_key`, `app/logger` |

mod app;
pub mod bars;
pub mod channel;
pub mod check;
pub mod cli;
mod config;
#[cfg(feature = "dashboard")]
pub mod dashboard;
pub mod feed;
mod generate;
pub mod market;
mod on_event;
pub mod process;
pub mod protocol;
pub mod recorder;
pub mod recording;
pub mod ship;
pub mod simulator;
pub mod status;
mod terminal;
pub mod text;
pub mod verify;
