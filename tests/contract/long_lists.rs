//! The longest list of symbols is one row of the ledger, which the next start must be able to read.

use crate::harness::{Run, Signal};
use crate::recording::rows_of_ledger;
use crate::server::Server;

/// Symbols that can be recorded at once, and bytes of each, as promised.
const MOST_SYMBOLS: usize = 5_000;
const LONGEST_SYMBOL: usize = 100;

/// In quotes, for it has a quote in it, and each of those is written twice.
#[test]
fn the_longest_list_is_read_back_after_a_kill() {
    let server = Server::plain();
    let quotes = "\"".repeat(LONGEST_SYMBOL - 4);
    let list: Vec<String> = (0..MOST_SYMBOLS).map(|n| format!("{quotes}{n:04}")).collect();
    let run = Run::new().url(&server.url()).file("list.txt", list.join("\n"));
    let mut recorder = run.arg("-f").arg("list.txt").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.wait_for_subscriptions(MOST_SYMBOLS);
    recorder.wait_until("it is live", |now| now.bytes_of("op1.coverage.csv").ends_with(b"\",\n"));
    let live = rows_of_ledger(&recorder.ledger());
    assert_eq!(live[0].tickers, list.join(";"));
    recorder.signal(Signal::SIGKILL);
    recorder.wait_exit();
    drop(connection);
    let mut recorder = Run::beside(&recorder).url(&server.url()).tickers("AAPL").spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("it is live", |now| now.ledger().contains(",live,AAPL,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let rows = rows_of_ledger(&recorder.ledger());
    let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(reasons, ["", "killed", "", "stopped"]);
}

/// A hundred characters may be four hundred bytes, and thousands of those a row that nothing reads.
#[test]
fn a_symbol_is_bounded_in_bytes_on_the_command_line_and_in_the_file() {
    let long = "\u{20ac}".repeat(34);
    let run = Run::new().tickers(&format!("AAPL,{long}"));
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 2, "{}", recorder.seen());
    assert!(recorder.only_error_line().contains("more than 100 bytes"), "{}", recorder.seen());
    let run = Run::new().file("list.txt", format!("AAPL\n{long}\n"));
    let (code, recorder) = run.arg("-f").arg("list.txt").run_to_its_end();
    assert_eq!(code, 2, "{}", recorder.seen());
    let line = recorder.only_error_line();
    assert!(line.contains("line 2") && line.contains("more than 100 bytes"), "{line}");
}
