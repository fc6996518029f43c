//! What is shown of the feed while it is away: on the page's JSON, in the live line, in the ledger
//! and by `verify`, and that all of them say the same.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{DEADLINE, Recorder, Run};
use crate::journal::message;
use crate::pseudo_terminal::{PseudoTerminal, live_lines};
use crate::recording::{FORETOLD_COLUMNS, ledger_rows};
use crate::server::{ClosedPort, Server};

const WIDE: u16 = 200;

fn run(url: &str) -> Run {
    let run = Run::new().url(url).tickers("AAPL,MSFT").columns(FORETOLD_COLUMNS);
    run.arg("--dashboard=127.0.0.1:0").env("TERM", "xterm-256color").env("NO_COLOR", "1")
}

/// `GET /api/status`, as soon as it is served.
pub(crate) fn status(recorder: &Recorder) -> Value {
    let log = recorder.log();
    let address = log.split("dashboard at http://").nth(1).and_then(|rest| rest.split('/').next());
    let Some(address) = address else { return Value::Null };
    let mut stream = TcpStream::connect(address).expect("the dashboard");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
    let request =
        format!("GET /api/status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the dashboard");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}"))
}

fn wait_for_status(recorder: &mut Recorder, what: &str, is_right: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    recorder.wait_until(what, |now| {
        last = status(now);
        is_right(&last)
    });
}

fn live_line(recorder: &Recorder) -> String {
    let shown = recorder.stderr();
    live_lines(&shown).last().map(|(_, line)| (*line).to_owned()).unwrap_or_default()
}

#[test]
#[cfg(target_os = "linux")]
fn a_connection_that_is_lost_while_the_disk_is_full_is_shown_at_once() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let mut recorder = run(&server.url()).file_size_limit(1_003).spawn_on(&terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    for number in 1..=100 {
        connection.send_text(&message(number..=number));
    }
    recorder.wait_until_it_says("disk full");
    wait_for_status(&mut recorder, "it is live with a full disk", |status| {
        status["state"] == "live" && status["disk_trouble"] == "disk full (file size limit)"
    });
    connection.send_close(1001, "");
    drop(connection);
    let closed = server.shut_down();
    wait_for_status(&mut recorder, "the outage on the page", |status| {
        let reason = status["reason"].as_str().unwrap_or_default();
        status["state"] == "down"
            && status["missing_ms"].as_i64() > Some(500)
            && reason.contains("connection refused")
    });
    recorder.wait_until("the outage in the live line", |now| {
        let line = live_line(now);
        line.starts_with("down: cannot connect") && line.contains(" · disk full (file size limit)")
    });
    let server = closed.open();
    let connection = server.connect_and_wait_for_subscriptions(2);
    wait_for_status(&mut recorder, "the new connection", |status| {
        status["state"] == "live" && status["reconnects"] == 1
    });
    assert!(status(&recorder)["disk_trouble"].is_string(), "still: {}", recorder.seen());
    assert_eq!(recorder.stop(connection), 1, "{}", recorder.seen());
}

#[test]
fn an_outage_at_the_start_is_the_same_for_the_page_the_live_line_the_ledger_and_verify() {
    let port = ClosedPort::new();
    let terminal = PseudoTerminal::new(WIDE);
    let mut recorder = run(&port.url()).spawn_on(&terminal);
    wait_for_status(&mut recorder, "the outage", |status| {
        status["missing_ms"].as_i64() > Some(1_000)
    });
    let symbols: Vec<String> = status(&recorder)["tickers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|ticker| ticker["symbol"].to_string())
        .collect();
    assert_eq!(symbols, [r#""AAPL""#, r#""MSFT""#], "before the first connection");
    recorder.wait_until("the outage in the live line", |now| {
        let line = live_line(now);
        line.contains(" · 2 symbols · ")
            && line.contains(" s missing")
            && !line.contains(" 0 s missing")
    });
    let server = port.open();
    let connection = server.connect_and_wait_for_subscriptions(2);
    wait_for_status(&mut recorder, "the first connection", |status| status["state"] == "live");
    // The page has it first.
    recorder.wait_until("the ledger's rows", |now| ledger_rows(now).len() > 1);
    let rows = ledger_rows(&recorder);
    let missing_ms = rows[1].time_ms - rows[0].time_ms;
    assert_eq!((rows[0].state.as_str(), rows[1].state.as_str()), ("down", "live"), "{rows:?}");
    wait_for_status(&mut recorder, "the ledger's gap", |status| status["missing_ms"] == missing_ms);
    assert_eq!(status(&recorder)["reconnects"], 0);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());

    let verify = Run::beside(&recorder).arg("verify").arg("--json").arg("op1.csv");
    let (code, verify) = verify.run_to_its_end();
    let report: Value = serde_json::from_str(&verify.stdout()).expect("JSON");
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["files"][0]["coverage"]["missing_ms"], missing_ms, "{report}");
}

#[test]
fn a_list_that_is_changed_before_the_first_connection_is_shown_as_changed() {
    let port = ClosedPort::new();
    let run = run(&port.url()).file("list.txt", "ONE\n").arg("--tickers-file").arg("list.txt");
    let mut recorder = run.spawn();
    let symbols = |status: &Value| status["tickers"].as_array().map_or(0, Vec::len);
    wait_for_status(&mut recorder, "the list", |status| symbols(status) == 3);
    std::fs::write(recorder.path("list.txt"), "ONE\nTWO\nTHREE\n").expect("to save");
    recorder.wait_until("the new list", |now| symbols(&status(now)) == 5);
    let server = port.open();
    let connection = server.connect_and_wait_for_subscriptions(5);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}
