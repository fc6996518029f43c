//! The built binary against scripted servers, from outside: what `finnhub-stream` promises to the
//! people who use it, section by section.
//!
//! * `harness` (`tests/harness`, which the tests of the live page share) and `recording`: how a test
//!   runs the program and looks at it, and plays Finnhub; `certificates`: the same with TLS
//! * `command_line`, `settings_errors`, `api_key_sources`, `dot_env_files`, `named_pipes`: the command
//!   line and its refusals
//! * `trades`, `malformed_messages`, `csv_file`, `million_trades`, `users_files`: what is recorded, and what is left alone
//! * `connecting`, `stopping`, `ignored_signals`, `reconnecting`, `handshake_refusals`, `tls`, `idle`: staying alive
//! * `terminal`, `table`, `market_hours`, `feed_state`, `tickers_file`: what a person sees, and changes while it
//!   runs
//! * `ship`, `ship_alike`, `ship_removed`, `ship_live`, `ship_refusals`, `ship_commands`, `ship_engines`, `ship_postgres`:
//!   from the file to an engine
//! * `archives`, `verify`, `verify_command`, `bars_command`, `bars_follow`, `bars_follow_property`,
//!   `bars_property`, `simulator`, `simulate_command`, `check_command`, `generate_command`, `answers`,
//!   `first_hour`: the
//!   subcommands
//! * `kill`, `power_cut`, `torn_files`, `full_disk`, `faulty_disks`, `moved_files`, `cut_files`, `emptied_files`, `mending`, `locks`, `links`, `ledger`,
//!   `piped_ledger`, `rotation`, `refused_rotation`, `clock_steps`, `long_lists`,
//!   `moved_ledgers`, `waiting_room`,
//!   `watchdog`, `asleep`, `fault_script`, `soak`: surviving everything, and saying what was missed
//!   (`journal`, `inside`, `wall_clock`: their server with a journal, the library run inside the test,
//!   and a clock that can be set)
//! * `loaders`: other tools read what is recorded, by `generate`
//! * `on_event`: somebody who does not look hears of it
//! * `panics`: no panic of the writer goes unnoticed, and counts make none
//! * `house`: the rules of the source itself
//! * `secrets`, `demo`, `readme`: the key is nowhere; the built-in market; what the README says can be
//!   done
//!
//! Longer runs of the same tests; the number behind each line is what it is without the variable:
//!
//! ```sh
//! FINNHUB_TEST_KILLS=2000 cargo test --test contract kill::every          # 50 by default
//! FINNHUB_TEST_POWER_CUTS=100000 cargo test --lib power_cut               # 2,400; prints a seed, FINNHUB_TEST_SEED plays it again
//! FINNHUB_TEST_CUTS=100 cargo test --test contract cut_files::whatever    # 5
//! FINNHUB_TEST_BARS=1000 cargo test --test contract bars_property          # 60
//! FINNHUB_TEST_FOLLOW=300 cargo test --test contract bars_follow_property  # 8
//! FINNHUB_TEST_EPISODES=1000 cargo test --test contract fault_script      # 30; prints a seed, FINNHUB_TEST_SEED plays it again
//! FINNHUB_TEST_SOAK_SECONDS=86400 cargo test --test contract soak -- --ignored   # 60
//! FINNHUB_TEST_KILLS=500 cargo test --test contract ship_removed          # 4; of recorder or ship, each after the file was removed
//! FINNHUB_TEST_SHIP_SECONDS=3600 cargo test --test contract recorder_and_ship -- --ignored   # 75; ship into PostgreSQL, with a recorder, rotation and compression
//! ```
//!
//! Unix only: the tests send signals, set permissions and reset connections.
#![cfg(all(test, unix))]

#[path = "../harness/mod.rs"]
mod harness;
use harness::{connection, frames, pseudo_terminal, server};

mod certificates;
mod inside;
mod journal;
mod recording;
mod wall_clock;

#[cfg(target_os = "linux")]
mod answers;
mod api_key_sources;
mod archives;
#[cfg(target_os = "linux")]
mod asleep;
mod bars_command;
mod bars_follow;
mod bars_follow_property;
mod bars_property;
mod check_command;
mod clock_steps;
mod command_line;
mod connecting;
mod csv_file;
mod cut_files;
mod demo;
mod dot_env_files;
#[cfg(target_os = "linux")]
mod emptied_files;
mod fault_script;
#[cfg(target_os = "linux")]
mod faulty_disks;
mod feed_state;
#[cfg(target_os = "linux")]
mod first_hour;
mod full_disk;
mod generate_command;
mod handshake_refusals;
mod house;
mod idle;
#[cfg(target_os = "linux")]
mod ignored_signals;
mod kill;
mod ledger;
mod links;
mod loaders;
mod locks;
mod long_lists;
mod malformed_messages;
mod market_hours;
#[cfg(target_os = "linux")]
mod mending;
mod million_trades;
mod moved_files;
mod moved_ledgers;
mod named_pipes;
mod on_event;
mod panics;
mod piped_ledger;
mod power_cut;
mod progress_line;
mod readme;
mod reconnecting;
mod refused_rotation;
mod rotation;
mod secrets;
mod settings_errors;
mod ship;
mod ship_alike;
mod ship_commands;
mod ship_engines;
mod ship_live;
mod ship_postgres;
mod ship_refusals;
mod ship_removed;
mod simulate_command;
mod simulator;
#[cfg(target_os = "linux")]
mod soak;
mod standard_output;
mod stopping;
#[cfg(all(target_os = "linux", feature = "table"))]
mod table;
mod terminal;
mod tickers_file;
mod tls;
mod torn_files;
mod trades;
mod users_files;
mod verify;
mod verify_command;
#[cfg(target_os = "linux")]
mod waiting_room;
mod watchdog;
