//! Asked to stop, it closes, writes what it has, says what it did, and goes.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::certificates::certificates_for;
use crate::connection::Connection;
use crate::frames::Opcode;
use crate::harness::{Recorder, Run, Signal};
use crate::recording::{
    FORETOLD_COLUMNS, assert_says, ledger_rows, now_ms, summary_line, trade_message,
};
use crate::server::{ClosedPort, Server};

const TRADE: &str = r#"{"p":1.5,"s":"AAPL","t":1680300000123,"v":5}"#;
const ROW: &str = "AAPL,1.5,5,1680300000123,\n";

/// A program that has recorded one trade, and its connection.
fn recording_program(server: &Server) -> (Recorder, Connection) {
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_for_row_count(1);
    (recorder, connection)
}

/// Fails when it says anything after "stopping" that belongs to a program which goes on.
fn assert_stops_quietly(recorder: &Recorder) {
    for said in [recorder.stderr(), recorder.log()] {
        let after = said.split_once("stopping").expect("the word of it").1;
        for word in ["Interrupted", "connecting again", "WARN", "ERROR"] {
            assert!(!after.contains(word), "{word}: {}", recorder.seen());
        }
        assert!(!said.contains("Interrupted"), "{}", recorder.seen());
    }
}

/// Fails unless the last row of the ledger is `down`, because the program was stopped.
fn assert_ledger_ends_with_stopped(recorder: &Recorder) {
    let ledger = recorder.ledger();
    let last = ledger.lines().last().unwrap_or_default();
    let time = last.strip_suffix(",down,,stopped").expect("a last row `down,,stopped`");
    time.parse::<u64>().expect("milliseconds");
}

#[test]
fn each_polite_signal_closes_writes_sums_up_and_exits_with_0() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let server = Server::plain();
        let (mut recorder, mut connection) = recording_program(&server);
        recorder.signal(signal);
        connection.answer_close();
        assert_eq!(recorder.wait_exit(), 0, "{signal:?}: {}", recorder.seen());
        assert_says(&recorder, &summary_line(1, 0));
        assert_ledger_ends_with_stopped(&recorder);
        assert_eq!(recorder.csv(), format!("{FORETOLD_COLUMNS}\n{ROW}"));
        assert_eq!(recorder.stdout(), "");
    }
}

#[test]
fn trades_sent_before_the_answer_to_the_close_frame_are_written() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recording_program(&server);
    recorder.signal(Signal::SIGTERM);
    connection.wait_for(Opcode::Close);
    // These were on their way when the program said that it wants to stop.
    for _ in 0..100 {
        connection.send_text(&trade_message(&[TRADE, TRADE]));
    }
    connection.send_close(1000, "");
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv(), format!("{FORETOLD_COLUMNS}\n{}", ROW.repeat(201)));
    assert_says(&recorder, &summary_line(201, 0));
}

/// The contract's bound for leaving when the server no longer answers.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Well below the time after which the program is ended in the place of a stuck main thread.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn a_server_that_answers_no_more_holds_it_for_no_more_than_five_seconds() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recording_program(&server);
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    connection.wait_for(Opcode::Close);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < LEAVE_WITHIN, "it took {took:?}");
    assert_ledger_ends_with_stopped(&recorder);
}

#[test]
fn a_second_ctrl_c_leaves_at_once_with_130() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recording_program(&server);
    recorder.signal(Signal::SIGINT);
    connection.wait_for(Opcode::Close);
    recorder.insist();
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 130, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert_eq!(recorder.csv(), format!("{FORETOLD_COLUMNS}\n{ROW}"));
}

/// `timeout -s INT` sends it to the program, and then to its group.
#[test]
fn two_ctrl_c_at_the_same_time_are_one() {
    let server = Server::plain();
    let (mut recorder, mut connection) = recording_program(&server);
    recorder.signal(Signal::SIGINT);
    // Time enough for the program to see two, and less than a person takes.
    std::thread::sleep(Duration::from_millis(5));
    recorder.signal(Signal::SIGINT);
    connection.answer_close();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert_ledger_ends_with_stopped(&recorder);
}

#[test]
fn it_stops_in_the_middle_of_a_handshake_that_is_never_answered() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let handshake = server.accept();
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < AT_ONCE, "it took {took:?}");
    assert_says(&recorder, &summary_line(0, 0));
    assert_stops_quietly(&recorder);
    let before_ms = now_ms() - 10_000;
    let rows = ledger_rows(&recorder);
    assert!(rows.iter().all(|row| row.time_ms > before_ms), "{}", recorder.seen());
    assert_ledger_ends_with_stopped(&recorder);
    drop(handshake);
}

#[test]
fn it_stops_in_the_middle_of_a_reconnection_and_the_loss_keeps_its_time() {
    let server = Server::plain();
    let (mut recorder, connection) = recording_program(&server);
    drop(connection);
    let handshake = server.accept();
    let again_ms = now_ms();
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let rows = ledger_rows(&recorder);
    let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    assert!(matches!(reasons[..], ["", _, .., "stopped"]), "{}", recorder.seen());
    assert!(rows[1].time_ms <= again_ms, "nothing was heard after that: {}", recorder.seen());
    drop(handshake);
}

/// A closing terminal sends SIGHUP to everything in it, some of them twice.
#[test]
fn signals_that_are_not_ctrl_c_may_come_twice() {
    for signal in [Signal::SIGHUP, Signal::SIGTERM] {
        let server = Server::plain();
        let (mut recorder, mut connection) = recording_program(&server);
        recorder.signal(signal);
        recorder.wait_until_it_says("stopping");
        recorder.signal(signal);
        recorder.signal(Signal::SIGHUP);
        connection.answer_close();
        assert_eq!(recorder.wait_exit(), 0, "{signal:?}: {}", recorder.seen());
        assert_says(&recorder, &summary_line(1, 0));
        assert_ledger_ends_with_stopped(&recorder);
    }
}

#[test]
fn it_stops_while_the_server_neither_reads_nor_answers() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    // Accepted by the system alone: nobody answers the request for an upgrade.
    assert!(server.has_a_caller(LEAVE_WITHIN), "{}", recorder.seen());
    recorder.signal(Signal::SIGINT);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < LEAVE_WITHIN, "it took {took:?}");
}

#[test]
fn it_stops_while_it_waits_to_try_again() {
    let port = ClosedPort::new();
    let mut recorder = Run::new().url(&port.url()).tickers("AAPL").spawn();
    recorder.wait_until_it_says("connecting again in");
    recorder.signal(Signal::SIGINT);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < LEAVE_WITHIN, "it took {took:?}");
    assert_says(&recorder, &summary_line(0, 0));
    assert_stops_quietly(&recorder);
}

/// A byte every few milliseconds, of a frame that does not end: there is always something to read.
#[test]
fn a_server_that_sends_one_byte_at_a_time_holds_up_neither_a_new_list_nor_a_stop() {
    for tls in [false, true] {
        let certificates = certificates_for(&["localhost"]);
        let server = if tls { Server::tls(certificates.acceptor) } else { Server::plain() };
        let run = Run::new().url(&server.url()).file("list.txt", "AAPL\n").arg("--tickers-file");
        let run = run.arg("list.txt").columns(FORETOLD_COLUMNS);
        let run = run.file("authority.pem", certificates.authority_pem);
        let mut recorder = run.env("SSL_CERT_FILE", "authority.pem").spawn();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        connection.send_text(&trade_message(&[TRADE]));
        recorder.wait_for_row_count(1);
        let trickling = connection.trickle();
        std::fs::write(recorder.path("list.txt"), "AAPL\nMSFT\n").expect("to save");
        recorder.wait_until("the new list", |now| now.ledger().contains(",live,AAPL;MSFT,"));
        recorder.signal(Signal::SIGTERM);
        let asked = recorder.stopwatch();
        assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
        let took = recorder.took(&asked);
        assert!(took < AT_ONCE, "TLS {tls}: it took {took:?}");
        assert_says(&recorder, &summary_line(1, 0));
        assert_ledger_ends_with_stopped(&recorder);
        trickling.join().expect("the trickling thread");
    }
}

#[test]
fn it_stops_in_the_middle_of_a_tls_handshake_and_says_nothing_of_it() {
    let server = Server::tls(certificates_for(&["localhost"]).acceptor);
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let silent = server.accept_tcp();
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < AT_ONCE, "it took {took:?}");
    assert_stops_quietly(&recorder);
    drop(silent);
}

/// Name resolution cannot be interrupted, not even by a signal: the deadline must see to the end.
#[test]
#[ignore = "needs root to replace the resolver"]
fn it_stops_while_the_resolver_hangs() {
    let address = (Ipv4Addr::new(127, 77, 77, 77), 53);
    let silent = UdpSocket::bind(address).expect("port 53 of an unused loopback address");
    silent.set_read_timeout(Some(LEAVE_WITHIN)).expect("a socket");
    let script = r#"mount --bind resolv.conf /etc/resolv.conf && exec "$0" "$@""#;
    let run = Run::new().file("resolv.conf", "nameserver 127.77.77.77\n");
    let run = run.through(&["unshare", "--mount", "sh", "-c", script]);
    let run = run.env("RES_OPTIONS", "timeout:30 attempts:2");
    let mut recorder = run.url("wss://feed.example").tickers("AAPL").spawn();
    silent.recv(&mut [0; 512]).expect("a question for an address");
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < LEAVE_WITHIN, "it took {took:?}");
    assert_says(&recorder, &summary_line(0, 0));
    assert_ledger_ends_with_stopped(&recorder);
}
