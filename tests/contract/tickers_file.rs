//! The tickers file: saved by any editor, applied on the open connection; never a reason to stop.

use std::fs;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::frames::Opcode;
use crate::harness::{Recorder, Run};
use crate::server::{ClosedPort, Server};

/// A saved file is applied within this.
const APPLIED_WITHIN: Duration = Duration::from_secs(2);

const LIST: &str = "list.txt";

fn start(server: &Server, list: &str) -> Recorder {
    Run::new().url(&server.url()).file(LIST, list).arg("--tickers-file").arg(LIST).spawn()
}

/// Reads until so many symbols have been unsubscribed on this connection.
fn wait_for_unsubscriptions(connection: &mut Connection, count: usize) {
    while connection.unsubscribed.len() < count {
        connection.wait_for(Opcode::Text);
    }
}

/// The symbols and reasons of the ledger's rows, without their times.
fn ledger_rows(recorder: &Recorder) -> Vec<String> {
    let ledger = recorder.ledger();
    let rows = ledger.lines().skip(1);
    rows.map(|row| row.split_once(',').expect("a time and more").1.to_owned()).collect()
}

type Save = fn(&Recorder, &str);

/// How editors save.
const SAVES: [(&str, Save); 4] = [
    ("in place", |recorder, text| fs::write(recorder.path(LIST), text).expect("to save")),
    ("emptied, then written in two steps", |recorder, text| {
        use std::io::Write;
        let mut file = fs::File::create(recorder.path(LIST)).expect("the file");
        let (first, second) = text.split_at(text.len() / 2);
        for part in [first, second] {
            file.write_all(part.as_bytes()).expect("to save");
            file.sync_all().expect("to save");
        }
    }),
    ("renamed over", |recorder, text| {
        fs::write(recorder.path("new.txt"), text).expect("to save");
        fs::rename(recorder.path("new.txt"), recorder.path(LIST)).expect("the file");
    }),
    ("as vi does", |recorder, text| {
        fs::rename(recorder.path(LIST), recorder.path("list.txt~")).expect("to save");
        fs::write(recorder.path(LIST), text).expect("to save");
        fs::remove_file(recorder.path("list.txt~")).expect("to save");
    }),
];

#[test]
fn a_saved_list_is_applied_on_the_open_connection_however_it_is_saved() {
    for (how, save) in SAVES {
        let server = Server::plain();
        let mut recorder = start(&server, "AAPL\nMSFT\n");
        let mut connection = server.connect_and_wait_for_subscriptions(2);
        let saved = recorder.stopwatch();
        save(&recorder, "# changed\nMSFT\nIC MARKETS:1\nTSLA\n");
        connection.wait_for_subscriptions(4);
        let took = recorder.took(&saved);
        assert!(took < APPLIED_WITHIN, "{how}: it took {took:?}");
        assert_eq!(connection.subscribed, ["AAPL", "MSFT", "IC MARKETS:1", "TSLA"], "{how}");
        assert_eq!(connection.unsubscribed, ["AAPL"], "{how}");
        recorder.wait_until("the new list in the ledger", |now| {
            ledger_rows(now).last().is_some_and(|row| row == "live,MSFT;IC MARKETS:1;TSLA,")
        });
        assert_eq!(ledger_rows(&recorder)[0], "live,AAPL;MSFT,", "{how}");
        assert_eq!(ledger_rows(&recorder).len(), 2, "{how}: {}", recorder.ledger());
        assert!(!server.has_a_caller(Duration::ZERO), "{how}: one connection was enough");
        assert_eq!(recorder.stop(connection), 0, "{how}: {}", recorder.seen());
    }
}

#[test]
fn what_is_no_list_keeps_the_last_one_and_is_reported_once() {
    let server = Server::plain();
    let mut recorder = start(&server, "AAPL\n");
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let list = recorder.path(LIST);
    fs::remove_file(&list).expect("to save");
    recorder.wait_until_it_says("cannot read the tickers file list.txt");
    fs::write(&list, "# nothing yet\n").expect("to save");
    recorder.wait_until_it_says("names no symbol");
    fs::write(&list, "AAPL\nMSFT,TSLA\n").expect("to save");
    recorder.wait_until_it_says("line 2");
    fs::write(&list, [0xff, 0xfe, 0x00, b'A']).expect("to save");
    recorder.wait_until_it_says("UTF-8");
    fs::write(&list, "AAPL\n").expect("to save");
    recorder.wait_until_it_says("can be read again");
    // Something new at last: the only thing that the server hears of all this.
    fs::write(&list, "AAPL\nTSLA\n").expect("to save");
    connection.wait_for_subscriptions(2);
    assert_eq!((&*connection.subscribed[1], connection.unsubscribed.len()), ("TSLA", 0));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let log = recorder.log();
    for once in
        ["cannot read the tickers file list.txt: No such", "names no symbol", "line 2", "UTF-8"]
    {
        assert_eq!(log.matches(once).count(), 1, "{once:?} in\n{log}");
    }
    assert_eq!(ledger_rows(&recorder), ["live,AAPL,", "live,AAPL;TSLA,", "down,,stopped"]);
}

#[test]
fn a_changed_list_survives_a_reconnect() {
    let server = Server::plain();
    let mut recorder = start(&server, "AAPL\nMSFT\n");
    let mut first = server.connect_and_wait_for_subscriptions(2);
    fs::write(recorder.path(LIST), "TSLA\nMSFT\n").expect("to save");
    first.wait_for_subscriptions(3);
    first.reset();
    let second = server.connect_and_wait_for_subscriptions(2);
    assert_eq!(second.subscribed, ["TSLA", "MSFT"]);
    assert_eq!(recorder.stop(second), 0, "{}", recorder.seen());
}

#[test]
fn a_list_changed_while_nobody_is_connected_counts_at_the_next_connection() {
    let port = ClosedPort::new();
    let run = Run::new().url(&port.url()).file(LIST, "AAPL\n").arg("-f").arg(LIST);
    let mut recorder = run.spawn();
    recorder.wait_until_it_says("refused");
    fs::write(recorder.path(LIST), "MSFT\n").expect("to save");
    recorder.wait_until_it_says("has changed: 1 symbol");
    let server = port.open();
    let connection = server.connect_and_wait_for_subscriptions(1);
    assert_eq!(connection.subscribed, ["MSFT"]);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn the_symbols_of_the_command_line_stay() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").file(LIST, "MSFT\nAAPL\n");
    let mut recorder = run.arg("-f").arg(LIST).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    fs::write(recorder.path(LIST), "TSLA\n").expect("to save");
    connection.wait_for_subscriptions(3);
    assert_eq!(connection.subscribed, ["AAPL", "MSFT", "TSLA"]);
    assert_eq!(connection.unsubscribed, ["MSFT"]);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn a_file_that_comes_later_is_fine_when_there_are_symbols_already() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").arg("-f").arg(LIST);
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until_it_says("cannot read the tickers file");
    fs::write(recorder.path(LIST), "MSFT\n").expect("to save");
    connection.wait_for_subscriptions(2);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.log().matches("cannot read").count(), 1, "once: {}", recorder.seen());
}

#[test]
fn a_list_that_grows_beyond_fifty_gets_a_warning_and_nothing_twice() {
    let server = Server::plain();
    let mut recorder = start(&server, "AAPL\n");
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let many: Vec<String> = (1..=51).map(|number| format!("S{number}")).collect();
    fs::write(recorder.path(LIST), many.join("\n")).expect("to save");
    connection.wait_for_subscriptions(52);
    wait_for_unsubscriptions(&mut connection, 1);
    recorder.wait_until_it_says("51 symbols: Finnhub's free plan delivers 50");
    assert_eq!(connection.subscribed[1..], many);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn a_list_that_grows_beyond_what_can_be_recorded_keeps_the_last_one_and_is_reported_once() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("GIVEN").file(LIST, "AAPL\n");
    let mut recorder = run.arg("-f").arg(LIST).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    let list = |count: usize| (0..count).map(|n| format!("S{n}\n")).collect::<Vec<_>>().concat();
    // With the symbol of the command line it is one too many.
    fs::write(recorder.path(LIST), list(5_000)).expect("to save");
    recorder.wait_until_it_says("more than 5,000 symbols");
    fs::write(recorder.path(LIST), list(6_000)).expect("to save");
    let seen_twice = Instant::now() + Duration::from_secs(2);
    recorder.wait_until("time for two more looks", |_| Instant::now() > seen_twice);
    fs::write(recorder.path(LIST), list(4_999)).expect("to save");
    connection.wait_for_subscriptions(2 + 4_999);
    assert_eq!(recorder.log().matches("more than 5,000").count(), 1, "{}", recorder.seen());
    assert_eq!(connection.subscribed[1..3], ["AAPL", "S0"]);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}
