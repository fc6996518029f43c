//! The live page from outside: its addresses, what it refuses, what it costs the recording, and
//! the page itself in a real browser.
//!
//! * `harness` (`tests/harness`, which all tests of the built binary share), `program`, `feed`,
//!   `http`, `waiting`: the recorder as a process, a server for it to record, and plain HTTP
//! * `served`: the page's server alone, fed by the test
//! * `addresses`, `candles`, `hostile`, `crowd`, `hours`, `tickers_file`: what is promised
//! * `package`: the React package as a file
//! * `webdriver`, `page`, `page_candles`, `tabs`: the same in Chromium; ignored unless asked for, because
//!   it must be there
//! * `react`: the package in applications of React 18 and 19, in Chromium; needs npm as well
//!
//! Nothing sleeps to be right: every wait is for something that can be seen, and has a deadline.
#![cfg(all(test, unix, feature = "dashboard"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../harness/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod harness;

mod addresses;
mod candles;
mod crowd;
mod feed;
mod hostile;
mod hours;
mod http;
mod package;
mod page;
mod page_candles;
mod program;
mod react;
mod served;
mod tabs;
mod tickers_file;
mod waiting;
mod webdriver;
