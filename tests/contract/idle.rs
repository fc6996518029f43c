//! A connection on which nothing happens: no thread wakes up without a reason, and who asks for
//! something is heard at once all the same.
//!
//! Linux only: `/proc`.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::frames::Opcode;
use crate::harness::{Run, Signal};
use crate::server::Server;

/// Long against each thread's own rhythm, of which the slowest have some seconds.
const WINDOW: Duration = Duration::from_secs(4);

/// Wake-ups of all threads in this time: twice a heartbeat, four looks for events, five at the tickers
/// file, and what else there is once in some seconds. Each may take more than one sleep.
const WAKE_UPS: u64 = 30;

/// Longer than the server must pause for the main thread to wait for whatever comes first.
const QUIET: Duration = Duration::from_millis(500);

/// Far shorter than the longest wait.
const AT_ONCE: Duration = Duration::from_millis(1500);

#[test]
fn nothing_wakes_up_without_a_reason() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).file("list.txt", "AAPL\n");
    let run = run.arg("--tickers-file").arg("list.txt").arg("--on-event").arg("true");
    let mut recorder = run.spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until_it_says("subscribed");
    // The first window may hold the end of the start.
    recorder.wait_until("a quiet window", |now| {
        let before = now.sleeps();
        thread::sleep(WINDOW);
        now.sleeps() - before < WAKE_UPS
    });
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn a_quiet_connection_hears_of_a_changed_list_and_of_a_stop_at_once() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).file("list.txt", "AAPL\n");
    let mut recorder = run.arg("--tickers-file").arg("list.txt").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    thread::sleep(QUIET);
    fs::write(recorder.path("list.txt"), "AAPL\nMSFT\n").expect("to save");
    let saved = recorder.stopwatch();
    connection.wait_for_subscriptions(2);
    let took = recorder.took(&saved);
    assert!(took < Duration::from_secs(2), "after {took:?}");
    thread::sleep(QUIET);
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    connection.wait_for(Opcode::Close);
    let took = recorder.took(&asked);
    assert!(took < AT_ONCE, "after {took:?}");
    drop(connection);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}
