//! `check`: one line for each step, the fix where one fails, and nothing left behind.

use crate::certificates::certificates_for;
use crate::frames::Opcode;
use crate::harness::{KEY, Recorder, Run, Signal};
use crate::recording::trade_message;
use crate::server::{ClosedPort, Server};

const TRADE: &str = r#"{"p":1.5,"s":"BINANCE:BTCUSDT","t":1680300000123,"v":5}"#;

/// The steps in their order.
const STEPS: [&str; 8] =
    ["API key", "name", "TCP and TLS", "upgrade", "data", "output", "log", "header"];

fn check(url: &str) -> Run {
    Run::new().arg("check").url(url)
}

/// Fails unless the marks of the steps are these, in order; gives the lines.
fn assert_marks(recorder: &Recorder, marks: &str) -> Vec<String> {
    let stdout = recorder.stdout();
    let lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
    let found: String = lines.iter().filter_map(|line| line.chars().next()).collect();
    assert_eq!(found, marks, "{}", recorder.seen());
    for (line, step) in lines.iter().zip(STEPS) {
        assert!(line[line.find(' ').expect("a mark") + 1..].starts_with(step), "{step}: {line}");
    }
    assert_eq!(recorder.stderr(), "");
    assert!(!stdout.contains(KEY), "the key is not shown");
    lines
}

/// Serves one check to its end, as a healthy Finnhub.
fn serve(server: &Server, symbols: &[&str]) {
    let mut connection = server.connect_and_wait_for_subscriptions(symbols.len());
    assert_eq!(connection.subscribed, symbols);
    connection.send_text(&trade_message(&[TRADE]));
    connection.answer_close();
}

#[test]
fn all_is_well_and_nothing_is_left_behind() {
    let server = Server::plain();
    let mut recorder = check(&server.url()).spawn();
    serve(&server, &["BINANCE:BTCUSDT"]);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✓✓✓✓✓✓");
    assert!(lines[0].contains("FINNHUB_API_KEY, from the environment"), "{}", lines[0]);
    assert!(lines[4].contains("a trade of BINANCE:BTCUSDT"), "{}", lines[4]);
    assert_eq!(recorder.all_files(), [], "no file");
}

#[test]
fn an_existing_recording_is_not_touched() {
    let server = Server::plain();
    let csv = "price,ticker\n1,A\n";
    let run = check(&server.url()).file("op1.csv", csv).columns("price,ticker");
    let mut recorder = run.arg("-t").arg("AAPL,IC MARKETS:1").spawn();
    serve(&server, &["AAPL", "IC MARKETS:1"]);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert_marks(&recorder, "✓✓✓✓✓✓✓✓");
    assert_eq!(recorder.csv(), csv);
    assert_eq!(recorder.all_files().len(), 1, "nothing beside it");
}

#[test]
fn a_ping_is_enough() {
    let server = Server::plain();
    let mut recorder = check(&server.url()).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(r#"{"type":"ping"}"#);
    connection.answer_close();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert!(assert_marks(&recorder, "✓✓✓✓✓✓✓✓")[4].contains("a ping after"));
}

#[test]
fn a_server_that_only_answers_is_well_and_one_that_says_nothing_is_not() {
    let (answering, silent) = (Server::plain(), Server::plain());
    let mut answered = check(&answering.url()).tickers("OANDA:EUR_USD").spawn();
    let mut ignored = check(&silent.url()).spawn();
    let mut connection = answering.connect_and_wait_for_subscriptions(1);
    connection.wait_for(Opcode::Ping);
    let unread = silent.connect();
    for (checked, mark) in [(&mut answered, '✓'), (&mut ignored, '✗')] {
        let word = format!("{mark} data");
        checked.wait_until("a word about data", |now| now.stdout().contains(&word));
    }
    connection.answer_close();
    drop(unread);
    assert_eq!(answered.wait_exit(), 0, "{}", answered.seen());
    let lines = assert_marks(&answered, "✓✓✓✓✓✓✓✓");
    assert!(lines[4].contains("the server answers, but no trade came in 10 s"), "{}", lines[4]);
    assert_eq!(ignored.wait_exit(), 1, "{}", ignored.seen());
    let lines = assert_marks(&ignored, "✓✓✓✓✗✓✓✓");
    assert!(lines[4].contains("nothing came from the server in 10 s"), "{}", lines[4]);
}

#[test]
fn without_a_key_the_rest_is_tried_as_far_as_it_goes() {
    let server = Server::plain();
    let run = Run::without_key().arg("check").url(&server.url());
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✗✓✓--✓✓✓");
    assert!(lines[0].contains("https://finnhub.io/register"), "{}", lines[0]);
    assert!(lines[3].contains("skipped: there is no key"), "{}", lines[3]);
}

#[test]
fn a_refused_key_is_reported_with_its_variable_and_place() {
    let server = Server::plain();
    let run = Run::without_key().dotenv(&format!("API_KEY={KEY}\n"));
    let mut recorder = run.arg("check").url(&server.url()).spawn();
    server.accept().refuse("401 Unauthorized", "", "no");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✓✗-✓✓✓");
    assert!(lines[0].contains("API_KEY, from ") && lines[0].contains(".env"), "{}", lines[0]);
    for word in ["HTTP 401", "API_KEY", ".env", "https://finnhub.io/dashboard"] {
        assert!(lines[3].contains(word), "{word}: {}", lines[3]);
    }
}

#[test]
fn a_key_in_use_elsewhere_is_reported() {
    let server = Server::plain();
    let mut recorder = check(&server.url()).spawn();
    server.accept().refuse("429 Too Many Requests", "", "");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✓✗-✓✓✓");
    assert!(lines[3].contains("one connection per key"), "{}", lines[3]);
    assert_eq!(lines[3].matches("stop").count(), 1, "the advice stands there once: {}", lines[3]);
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    let port = ClosedPort::new();
    let (code, recorder) = check(&port.url()).run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✗--✓✓✓");
    assert!(lines[2].contains("connection refused") && lines[2].contains("--url"), "{}", lines[2]);
}

#[test]
fn a_name_without_address_is_reported() {
    let (code, recorder) = check("wss://finnhub.invalid").run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✗---✓✓✓");
    assert!(lines[1].contains("finnhub.invalid"), "{}", lines[1]);
}

#[test]
fn a_certificate_that_is_not_trusted_is_reported_and_the_key_never_sent() {
    let server = Server::tls(certificates_for(&["localhost"]).acceptor);
    let mut recorder = check(&server.url()).spawn();
    server.accept_broken_tls();
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✗--✓✓✓");
    assert!(lines[2].contains("SSL_CERT_FILE"), "{}", lines[2]);
}

#[test]
fn a_refused_symbol_has_a_line_of_its_own() {
    let server = Server::plain();
    let refused =
        |symbol: &str| format!(r#"{{"msg":"Invalid symbol {symbol} {KEY}","type":"error"}}"#);
    let mut recorder = check(&server.url()).tickers("AAPL,NOPE,NADA").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(3);
    // The first trade may come before what is said of the other symbols.
    connection.send_text(&trade_message(&[TRADE]));
    connection.send_text(&refused("NOPE"));
    connection.send_text(&refused("NADA"));
    connection.answer_close();
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let told = recorder.stdout();
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[4].starts_with("✓ data         a trade of BINANCE:BTCUSDT"), "{told}");
    assert!(
        lines[5].starts_with("✗ symbol       NOPE <key> is refused (Invalid symbol NOPE <key>)"),
        "{told}"
    );
    assert!(lines[6].starts_with("✗ symbol       NADA <key> is refused"), "{told}");
    assert!(lines[6].contains("https://finnhub.io/docs/api/stock-symbols"), "{told}");
    assert!(lines[7].starts_with("✓ output") && !told.contains(KEY), "{told}");
}

#[test]
fn symbols_that_are_all_refused_and_a_kicked_connection_are_reported() {
    let server = Server::plain();
    let mut recorder = check(&server.url()).tickers("NOPE").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(r#"{"msg":"Invalid symbol NOPE","type":"error"}"#);
    connection.answer_close();
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let told = recorder.stdout();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[4], "- data         skipped: the server refuses what was asked for");
    assert!(
        lines[5].starts_with("✗ symbol       NOPE is refused (Invalid symbol NOPE); "),
        "{told}"
    );

    let mut recorder = check(&server.url()).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_close(1000, "");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✓✓✗✓✓✓");
    assert!(lines[4].contains("one connection per key"), "{}", lines[4]);
}

#[test]
fn a_recording_in_progress_is_not_disturbed() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("the lock", |now| !now.bytes_of("op1.csv.lock").is_empty());
    let before = recorder.csv();
    let (code, checked) = Run::beside(&recorder).arg("check").url(&server.url()).run_to_its_end();
    assert_eq!(code, 1, "{}", checked.seen());
    let lines = assert_marks(&checked, "✓✓✓--✗✓✓");
    assert!(lines[5].contains("is being recorded by another process"), "{}", lines[5]);
    assert!(lines[3].contains("would interrupt it"), "{}", lines[3]);
    assert_eq!(recorder.csv(), before);
    recorder.signal(Signal::SIGTERM);
    drop(connection);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

#[test]
fn files_that_cannot_be_used_are_reported_each_on_its_line() {
    let port = ClosedPort::new();
    let run = check(&port.url()).file("op1.csv", "something else\n").folder("logs");
    let (code, recorder) = run.arg("--log-file").arg("logs").run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✗--✓✗✗");
    assert!(lines[6].contains("logs"), "{}", lines[6]);
    assert!(lines[7].contains("give another --out"), "{}", lines[7]);
    assert_eq!(recorder.csv(), "something else\n");

    let (code, recorder) = check(&port.url()).arg("-o").arg("no/where.csv").run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✗--✗✓-");
    assert!(lines[5].contains("no/where.csv"), "{}", lines[5]);
    assert_eq!(recorder.all_files(), [], "no file");
}

/// As a start would refuse it.
#[test]
fn a_ledger_of_the_other_market_cannot_be_that_of_standard_output() {
    let port = ClosedPort::new();
    let ledger = "time_ms,state,tickers,reason\n1,live,DEMO:BTC-USD,\n2,down,,stopped\n";
    let run = check(&port.url()).arg("-o").arg("-").arg("--coverage").arg("hours.csv");
    let (code, recorder) = run.file("hours.csv", ledger).run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let lines = assert_marks(&recorder, "✓✓✗--✗✓✓");
    let refused = ["DEMO:BTC-USD", "give another --coverage"];
    assert!(refused.iter().all(|text| lines[5].contains(text)), "{}", lines[5]);
}

#[test]
fn words_that_make_no_sense_are_an_error_line_as_for_a_recording() {
    for arguments in [["--columns", "prize"], ["--url", "http://x"], ["--tickers", "A,,B"]] {
        let run = Run::new().arg("check").arg(arguments[0]).arg(arguments[1]);
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 2, "{}", recorder.seen());
        recorder.only_error_line();
    }
}
