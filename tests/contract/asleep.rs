//! A program that was asleep (SIGSTOP, as for Ctrl-Z) while the server went on: nothing that was
//! delivered meanwhile is thrown away.
//!
//! Linux only: `/proc`.

use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::frames::{Opcode, append_frame};
use crate::harness::{Recorder, Signal};
use crate::journal::{message, numbers_of, recorded_up_to};
use crate::recording::{FORETOLD_COLUMNS, ledger_rows};
use crate::server::Server;

fn fall_asleep(recorder: &mut Recorder) {
    recorder.signal(Signal::SIGSTOP);
    recorder.wait_until("it is stopped", |now| now.status_line("State").starts_with('T'));
}

fn numbers(recorder: &Recorder) -> Vec<u64> {
    let csv = recorder.csv();
    numbers_of(csv.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header"))
}

/// More than the system takes for a program that does not read: some wait at the server.
const MANY: u64 = 2_000;

/// All of these are here already when a reset throws away what waits at the server.
const FEW: u64 = 300;

/// How many trades it sends, how it leaves, and what the ledger says of that.
type Leaving = (u64, fn(Connection), &'static str);

#[test]
fn what_a_server_sent_before_it_left_is_read_after_waking_up() {
    let close = |mut connection: Connection| connection.send_close(1001, "");
    let ways: [Leaving; 3] = [
        (MANY, close, "closed by the server with code 1001"),
        (MANY, drop, "closed by the server without a Close frame"),
        (FEW, Connection::reset, "reset by the server"),
    ];
    for (last, leave, reason) in ways {
        let server = Server::plain();
        let (mut recorder, mut connection) = recorded_up_to(1, &server);
        fall_asleep(&mut recorder);
        let mut bytes = Vec::new();
        for number in 2..=last {
            append_frame(&mut bytes, Opcode::Text, true, message(number..=number).as_bytes());
            // Each is answered, first into a connection that nobody reads, then into none.
            if number % 50 == 0 {
                append_frame(&mut bytes, Opcode::Ping, true, b"there?");
            }
        }
        connection.send_raw(&bytes);
        leave(connection);
        recorder.signal(Signal::SIGCONT);
        let second = server.connect_and_wait_for_subscriptions(1);
        assert_eq!(recorder.stop(second), 0, "{}", recorder.seen());
        assert!(numbers(&recorder).into_iter().eq(1..=last), "{reason}: {}", recorder.seen());
        let rows = ledger_rows(&recorder);
        assert_eq!(rows[1].reason, format!("connection lost: {reason}"), "{}", recorder.ledger());
    }
}

/// The promised patience, and some more.
const LONG: Duration = Duration::from_secs(165);

#[test]
#[ignore = "takes three minutes"]
fn a_sleep_longer_than_any_silence_loses_nothing_and_no_connection() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recorded_up_to(1, &server);
    fall_asleep(&mut recorder);
    let (began, mut last) = (Instant::now(), 1);
    while began.elapsed() < LONG {
        last += 1;
        connection.send_text(&message(last..=last));
        thread::sleep(Duration::from_millis(100));
    }
    recorder.signal(Signal::SIGCONT);
    recorder.wait_for_row_count(usize::try_from(last).expect("a few"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(numbers(&recorder).into_iter().eq(1..=last), "{}", recorder.seen());
    assert_eq!(ledger_rows(&recorder).len(), 2, "no other connection: {}", recorder.ledger());
}
