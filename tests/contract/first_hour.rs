//! What somebody meets in the first hour: odd spellings, refused starts, addresses, and what `verify`
//! says of a whole folder.

use crate::harness::Run;
use crate::server::Server;

const LOG_LINE: &str = "2026-11-23T14:00:00.000Z INFO  stopped\n";
const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
const LEDGER: &str = "time_ms,state,tickers,reason\n";

/// The lines that a refused start has added to the log.
fn added_to_log(run: Run, code: i32) -> String {
    let (ended, refused) = run.run_to_its_end();
    assert_eq!(ended, code, "{}", refused.seen());
    let log = refused.text_of("websocket_data.log");
    let added = log.strip_prefix(LOG_LINE).expect("the log goes on").to_owned();
    assert_eq!(added.lines().count(), 1, "{log}");
    let error = refused.only_error_line();
    let reason = error.strip_prefix("error: ").expect("an error");
    assert!(added.trim_end().ends_with(&format!("ERROR not started: {reason}")), "{added}");
    added
}

#[test]
fn a_refused_start_adds_its_line_to_a_log_that_exists() {
    let run = || Run::new().file("websocket_data.log", LOG_LINE);
    assert!(added_to_log(run(), 2).contains("no symbols"));
    let without_key = Run::without_key().file("websocket_data.log", LOG_LINE).tickers("AAPL");
    assert!(added_to_log(without_key, 2).contains("API_KEY"));
    let other_columns = run().file("op1.csv", "a,b\n").tickers("AAPL").arg("--url");
    assert!(added_to_log(other_columns.arg("ws://127.0.0.1:9"), 1).contains("op1.csv"));
    assert!(added_to_log(run().args(&["-tickers", "AAPL"]), 2).contains("two dashes"));
    // Also when the command line cannot be understood, and the log has another name.
    assert!(added_to_log(run().args(&["-t", "AAPL", "--rotate", "weekly"]), 2).contains("weekly"));
    let elsewhere = Run::new().file("my.log", LOG_LINE).args(&["--log-file", "my.log", "--wrong"]);
    let (_, refused) = elsewhere.run_to_its_end();
    assert!(refused.text_of("my.log").contains("not started: "), "{}", refused.seen());
}

#[test]
fn a_refused_start_makes_no_log_and_writes_into_nothing_else() {
    let (_, refused) = Run::new().run_to_its_end();
    assert!(!refused.path("websocket_data.log").exists(), "{}", refused.seen());
    for (name, content) in [("op1.csv", HEADER), ("list.txt", "AAPL\n"), ("empty.log", "")] {
        let run =
            Run::new().file(name, content).args(&["--out", "op1.csv", "--wrong", "--log-file"]);
        let (code, refused) = run.arg(name).run_to_its_end();
        assert_eq!(code, 2, "{}", refused.seen());
        assert_eq!(refused.text_of(name), content, "{name}");
    }
}

#[test]
fn a_symbol_is_warned_of_wherever_the_list_comes_from() {
    let warning = "aapl: Finnhub's symbols are in capital letters; did you mean AAPL?";
    let server = Server::plain();
    let run = Run::new().file("list.txt", "MSFT\n").args(&["-f", "list.txt"]).url(&server.url());
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    std::fs::write(recorder.path("list.txt"), "MSFT\naapl\nBRK-B\n").expect("the list");
    recorder.wait_until_it_says(warning);
    recorder.wait_until_it_says("did you mean BRK.B?");
    connection.wait_for_subscriptions(3);
    // The next save does not repeat it.
    std::fs::write(recorder.path("list.txt"), "MSFT\naapl\nBRK-B\nTSLA\n").expect("the list");
    connection.wait_for_subscriptions(4);
    assert_eq!(recorder.log().matches(warning).count(), 1, "{}", recorder.seen());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn a_demo_warns_of_small_letters_and_its_market_refuses_them() {
    let run = Run::without_key().args(&["--demo", "-t", "aapl,MSFT", "--out", "op1.csv"]);
    let mut recorder = run.spawn();
    recorder
        .wait_until_it_says("aapl: Finnhub's symbols are in capital letters; did you mean AAPL?");
    recorder.wait_until_it_says("Invalid symbol DEMO:aapl");
    recorder.wait_for_row_count(3);
    assert!(!recorder.csv().contains("aapl"), "{}", recorder.csv());
    recorder.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

#[test]
fn check_warns_of_odd_spellings_too() {
    let run = Run::new().args(&["check", "-t", "aapl", "--url", "ws://127.0.0.1:9"]);
    let (_, checked) = run.run_to_its_end();
    let said = checked.stdout();
    assert!(
        said.contains("! symbols      aapl: Finnhub's symbols are in capital letters"),
        "{said}"
    );
}

#[test]
fn a_missing_list_says_what_it_should_hold() {
    let (code, refused) = Run::new().args(&["-f", "nope.txt"]).run_to_its_end();
    assert_eq!(code, 2, "{}", refused.seen());
    let line = refused.only_error_line();
    assert!(
        line.contains("nope.txt: No such file") && line.contains("one symbol per line"),
        "{line}"
    );
}

#[test]
fn an_address_behind_a_space_gets_a_hint_and_a_port_alone_is_one() {
    let (code, refused) = Run::new().args(&["-t", "AAPL", "--dashboard", "8788"]).run_to_its_end();
    assert_eq!(code, 2, "{}", refused.seen());
    let line = refused.only_error_line();
    assert!(line.contains("did you mean --dashboard=127.0.0.1:8788?"), "{line}");
    if cfg!(feature = "dashboard") {
        let run = Run::without_key().args(&["--demo", "--dashboard=0"]);
        let mut recorder = run.spawn();
        recorder.wait_until_it_says("dashboard at http://127.0.0.1:");
        recorder.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    }
}

/// The last line of `verify FILES` in the folder of `run`.
fn verdict(run: Run, files: &[&str], code: i32) -> String {
    let (ended, verified) = run.arg("verify").args(files).run_to_its_end();
    assert_eq!(ended, code, "{}", verified.seen());
    verified.stdout().lines().last().expect("a verdict").to_owned()
}

#[test]
fn the_glob_that_everybody_types_takes_ledgers_and_passes_them_over() {
    let row = |ms: i64| format!("AAPL,1.5,1,{ms},{ms},\n");
    let run = || {
        Run::without_key()
            .file("op1-2026-11-22.csv", HEADER.to_owned() + &row(1000))
            .file(
                "op1-2026-11-22.coverage.csv",
                format!("{LEDGER}500,live,AAPL,\n2000,down,,rotated\n"),
            )
            .file("op1.csv", HEADER.to_owned() + &row(3000) + &row(4000))
            .file("op1.coverage.csv", format!("{LEDGER}2000,live,AAPL,\n15000,down,,stopped\n"))
    };
    let files =
        ["op1-2026-11-22.coverage.csv", "op1-2026-11-22.csv", "op1.coverage.csv", "op1.csv"];
    assert_eq!(verdict(run(), &files, 0), "OK: 3 rows, nothing malformed, nothing missing");
    // Alone, a ledger is named by mistake.
    let (code, _) = run().args(&["verify", "op1.coverage.csv"]).run_to_its_end();
    assert_eq!(code, 1);
}

#[test]
fn the_verdict_says_what_is_wrong_and_what_is_missing() {
    let rows = format!("{HEADER}AAPL,1.5,1,3000,3000,\n");
    let one = |content: &str| Run::without_key().file("op1.csv", content);
    assert_eq!(
        verdict(one(&rows), &["op1.csv"], 0),
        "OK: 1 row, nothing malformed, no ledger says what is missing"
    );
    assert_eq!(
        verdict(one(&format!("{rows}x\n")), &["op1.csv", "nope.csv"], 1),
        "NOT OK: 1 row, 1 malformed row, 1 of 2 files not readable, or not to the end, no ledger says what is missing"
    );
    let ledger = format!(
        "{LEDGER}0,live,AAPL,\n1000,down,,connection lost: reset\n13000,live,AAPL,\n20000,down,,stopped\n80000,live,AAPL,\n81000,down,,silent\n82000,live,AAPL,\n"
    );
    assert_eq!(
        verdict(one(&rows).file("op1.coverage.csv", ledger), &["op1.csv"], 0),
        "OK: 1 row, nothing malformed, 2 gaps of 13 s in all (the longest: 12 s, connection lost)"
    );
}

#[test]
fn a_command_of_ship_that_is_a_file_here_gets_a_hint_and_a_first_start_reads() {
    let run = || {
        Run::without_key()
            .file("op1.csv", HEADER.to_owned() + "AAPL,1.5,1,1000,1000,\n")
            .file("got.sh", "#!/bin/sh\ncat\n")
            .args(&["ship", "op1.csv", "--name", "n", "--once", "--"])
    };
    let (code, refused) = run().arg("got.sh").run_to_its_end();
    assert_eq!(code, 1, "{}", refused.seen());
    let line = refused.only_error_line();
    assert!(line.contains("for the file here write ./got.sh"), "{line}");
    let (code, shipped) = run().arg("cat").run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    assert!(shipped.stderr().contains("reading op1.csv"), "{}", shipped.seen());
    assert!(!shipped.stderr().contains("going on"), "{}", shipped.seen());
}
