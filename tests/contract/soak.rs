//! A thousand messages a second for a minute: memory and file descriptors stay flat.
//!
//! Linux only: `/proc`.

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Run;
use crate::journal::{message, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, ledger_rows};
use crate::server::Server;

/// How long, in seconds; longer with this variable in the environment.
const SECONDS: u64 = 60;
const SECONDS_VARIABLE: &str = "FINNHUB_TEST_SOAK_SECONDS";

/// Messages on each of a second's steps, and the steps.
const MESSAGES: u64 = 50;
const STEP: Duration = Duration::from_millis(50);

/// What the program may need besides the waiting room.
const MEMORY_KIB: u64 = 32 << 10;

/// What may come on top of the memory after the first quarter: the allocator's manners.
const GROWTH_KIB: u64 = 1 << 10;

/// Reconnections on the way, because a leak of one each would take weeks to be seen.
/// Few enough that the back-off stays short.
const CONNECTIONS: u64 = 4;

#[test]
#[ignore = "takes a minute"]
#[expect(clippy::print_stderr, reason = "the measurements are what it is run for")]
fn memory_and_open_files_stay_flat_at_a_thousand_messages_a_second() {
    let seconds = env::var(SECONDS_VARIABLE).map_or(SECONDS, |text| text.parse().expect("seconds"));
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let (mut number, mut early) = (1, None);
    let mut measured = Vec::new();
    for part in 0..CONNECTIONS {
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        let (began, mut step) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(seconds / CONNECTIONS) {
            for _ in 0..MESSAGES {
                connection.send_text(&message(number..=number + 1));
                number += 2;
            }
            step += 1;
            thread::sleep((STEP * step).saturating_sub(began.elapsed()));
        }
        let end = format!("AAPL,{},5,1680300000123,1\n", number - 1);
        recorder.wait_until("everything to be written", |now| now.ends_with("op1.csv", &end));
        let now = (recorder.status_number("VmRSS"), recorder.open_files());
        measured.push(now);
        assert!(now.0 < MEMORY_KIB, "{measured:?}");
        let (memory, files) = *early.get_or_insert(now);
        assert!(now.0 <= memory + GROWTH_KIB && now.1 <= files, "{measured:?}");
        if part + 1 == CONNECTIONS {
            assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
            break;
        }
        connection.send_close(1001, "");
    }
    let csv = recorder.csv();
    let rows = csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
    assert!(numbers_of(rows).into_iter().eq(1..number), "every trade, once, in order");
    assert_eq!(ledger_rows(&recorder).len(), 2 * measured.len());
    eprintln!("{seconds} s, {} trades; KiB and open files: {measured:?}", number - 1);
}
