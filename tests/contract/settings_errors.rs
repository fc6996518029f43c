//! Wrong usage and settings: one line that says what, with which value, and exit code 2, before
//! anything is connected to; what could not be opened: one line and exit code 1. Nothing is left
//! behind in either case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::harness::{KEY, Run};
use crate::recording::{FORETOLD_COLUMNS, trade_message};
use crate::server::Server;

/// What is in a folder: names and contents.
fn files_in(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let entries = fs::read_dir(folder).expect("the folder").flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).ok())).collect()
}

/// Fails unless `run` ends with `code` and one line on standard error with all these words, and
/// leaves its folder as it was.
fn assert_refused(run: Run, code: i32, words: &[&str]) {
    let before = files_in(run.directory());
    let (ended, recorder) = run.run_to_its_end();
    assert_eq!(ended, code, "{}", recorder.seen());
    assert_eq!(files_in(&recorder.path("")), before, "{}", recorder.seen());
    let line = recorder.only_error_line();
    for word in words {
        assert!(line.contains(word), "{word:?} in {line:?}");
    }
}

#[test]
fn a_run_without_symbols_is_refused() {
    assert_refused(Run::new(), 2, &["--tickers"]);
    assert_refused(Run::new().tickers(""), 2, &["--tickers"]);
    assert_refused(Run::new().tickers(" , "), 2, &["--tickers"]);
}

#[test]
fn what_cannot_be_a_symbol_is_refused_on_the_command_line_and_in_the_file() {
    for symbol in ["A;B", "A#B", "%zz", "A\u{1b}[2JB", "A\tB", "A\u{202e}B"] {
        assert_refused(
            Run::new().tickers(&format!("AAPL,{symbol}")),
            2,
            &["--tickers", "contains"],
        );
        // There a # begins a comment.
        if !symbol.contains('#') {
            let run = Run::new().file("list.txt", format!("AAPL\n{symbol}\n"));
            assert_refused(run.arg("-f").arg("list.txt"), 2, &["list.txt", "line 2", "contains"]);
        }
    }
}

#[test]
fn more_symbols_than_can_be_recorded_at_once_are_refused() {
    let symbols = |count: usize| -> Vec<String> { (0..count).map(|n| format!("S{n}")).collect() };
    let words = ["more than 5,000 symbols"];
    assert_refused(Run::new().tickers(&symbols(5_001).join(",")), 2, &words);
    let run = Run::new().file("list.txt", symbols(5_001).join("\n"));
    assert_refused(run.arg("-f").arg("list.txt"), 2, &["list.txt", words[0]]);
}

#[test]
fn a_missing_tickers_file_is_refused() {
    let run = Run::new().arg("--tickers-file").arg("nowhere.txt");
    let (code, recorder) = run.run_to_its_end();
    assert_ne!(code, 0);
    assert!(recorder.only_error_line().contains("nowhere.txt"));
}

#[test]
fn unknown_options_and_values_are_refused_in_one_line() {
    let run = || Run::new().tickers("AAPL");
    assert_refused(run().arg("--no-such-option"), 2, &["--no-such-option"]);
    assert_refused(run().arg("no-such-subcommand"), 2, &["no-such-subcommand"]);
    assert_refused(run().arg("--fsync").arg("sometimes"), 2, &["--fsync", "sometimes"]);
    assert_refused(run().arg("--rotate").arg("weekly"), 2, &["--rotate", "weekly", "daily"]);
    assert_refused(run().arg("--out"), 2, &["--out"]);
}

#[test]
fn symbols_and_an_address_in_the_wrong_place_get_the_right_form() {
    let words = |words: &[&str]| words.iter().fold(Run::new(), Run::arg);
    assert_refused(words(&["--tickers", "AAPL", "MSFT"]), 2, &["--tickers AAPL,MSFT"]);
    assert_refused(words(&["AAPL"]), 2, &["--tickers AAPL"]);
    let dashboard = words(&["--demo", "--dashboard", "127.0.0.1:9999"]);
    assert_refused(dashboard, 2, &["--dashboard=127.0.0.1:9999"]);
}

#[test]
fn a_ledger_of_its_own_is_for_rows_on_standard_output() {
    let words =
        |words: &[&str]| words.iter().fold(Run::new().tickers("A").arg("--coverage"), Run::arg);
    let beside = ["--coverage x.csv is for --out - only", "here op1.coverage.csv; leave"];
    assert_refused(words(&["x.csv"]), 2, &beside);
    assert_refused(words(&["-", "--out", "-"]), 2, &["standard output carries the rows"]);
    let run = words(&["op1.coverage.csv", "-o", "-"]).file("op1.csv", "");
    assert_refused(run, 2, &["op1.coverage.csv is the ledger of op1.csv"]);
    for option in ["--log-file", "--tickers-file"] {
        let run = words(&["x", "-o", "-", option, "x"]).file("x", "A\n");
        assert_refused(run, 2, &[&format!("{option} x is x or belongs to it")]);
    }
    assert_refused(
        words(&["x", "-o", "-", "--log-file", "x.lock"]),
        2,
        &["x.lock is x or belongs"],
    );
    let run = Run::new().arg("check").arg("--coverage").arg("x.csv");
    assert_refused(run, 2, &beside);
}

/// `verify` would look for another ledger than the recorder's, and readers for gzip.
#[test]
fn what_cannot_be_meant_is_refused_with_the_right_form() {
    let words = |line: &str| line.split(' ').fold(Run::new(), Run::arg);
    for (line, expected) in [
        ("-tickers AAPL", "there is no option -tickers; long options have two dashes: --tickers"),
        ("stop", "there is no \"stop\", only verify, check, bars, ship, simulate, generate; "),
        (
            "-t A -o x.csv.gz",
            "--out x.csv.gz: rows are compressed when their file is closed; give --out x.csv --rotate daily --compress",
        ),
        ("check -o x.gz", "give --out x --rotate daily --compress"),
        (
            "-t A --dashboard-origin http://a",
            "--dashboard-origin is for the dashboard; add --dashboard",
        ),
        ("-t DEMO:AAPL", "ws.finnhub.io has no symbols DEMO:…: they come from --demo, or"),
        ("check -t DEMO:AAPL", "ws.finnhub.io has no symbols DEMO:…"),
    ] {
        assert_refused(words(line), 2, &[expected]);
    }
}

#[test]
fn symbols_without_a_capital_letter_get_a_hint() {
    let server = Server::plain();
    let run = Run::new().file("list.txt", "ibm\nBRK.B\n").arg("-f").arg("list.txt");
    let mut recorder = run.tickers("aapl,MSFT,binance:btcusdt").url(&server.url()).spawn();
    let connection = server.connect_and_wait_for_subscriptions(5);
    recorder.wait_until_it_says(
        "aapl,binance:btcusdt,ibm: Finnhub's symbols are in capital letters; did you mean AAPL,BINANCE:BTCUSDT,IBM?",
    );
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn symbols_on_one_line_of_the_file_get_a_hint() {
    let server = Server::plain();
    let run = Run::new().file("list.txt", "IC MARKETS:1\nAAPL MSFT\n").url(&server.url());
    let mut recorder = run.arg("-f").arg("list.txt").spawn();
    let connection = server.connect_and_wait_for_subscriptions(2);
    recorder.wait_until_it_says("\"AAPL MSFT\" is read as one symbol; separate several by");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn what_was_given_is_shown_with_its_backslashes_as_they_are() {
    let run = Run::new().tickers("AAPL").columns("a\\b");
    assert_refused(run, 2, &["--columns \"a\\b\": unknown column \"a\\b\"; "]);
    assert_refused(Run::new().tickers("A\\B\u{1b}"), 2, &["--tickers \"A\\B\\u{1b}\": "]);
}

#[test]
fn an_unknown_column_is_refused_and_the_known_ones_are_named() {
    let run = Run::new().tickers("AAPL").columns("ticker,prize");
    assert_refused(run, 2, &["prize", "ticker", "price", "volume", "received_ms", "conditions"]);
    assert_refused(Run::new().tickers("AAPL").columns(""), 2, &["column"]);
}

#[test]
fn a_bad_url_is_refused_with_its_value() {
    for url in ["nonsense", "http://127.0.0.1:9", "wss://", "", "ws://127.0.0.1:99999"] {
        assert_refused(Run::new().tickers("AAPL").url(url), 2, &[url, "wss://"]);
    }
}

#[test]
fn a_key_is_never_sent_in_clear_to_another_host() {
    for url in [
        "ws://ws.finnhub.io",
        "ws://192.0.2.1:80",
        "ws://127.0.0.1.example.com",
        "ws://localhost.example.com",
        "WS://example.com",
    ] {
        assert_refused(Run::new().tickers("AAPL").url(url), 2, &["wss://"]);
    }
    // These only look like loopback: what is before the `@` is a user's name.
    for url in ["ws://127.0.0.1@example.com", "ws://localhost:80@example.com"] {
        assert_refused(Run::new().tickers("AAPL").url(url), 2, &["URL"]);
    }
}

#[test]
fn loopback_is_accepted_under_its_names() {
    for host in ["localhost", "127.0.0.1"] {
        let server = Server::plain();
        let url = format!("ws://{host}:{}", server.address().port());
        let mut recorder = Run::new().tickers("AAPL").url(&url).spawn();
        let connection = server.connect_and_wait_for_subscriptions(1);
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    }
}

#[test]
fn a_key_that_cannot_be_one_is_refused_without_being_shown() {
    let server = Server::plain();
    for key in ["", "   ", "two words", "tab\tinside", "your_finnhub_api_key"] {
        for name in ["FINNHUB_API_KEY", "API_KEY"] {
            let run = Run::without_key().env(name, key).tickers("AAPL").url(&server.url());
            let (code, recorder) = run.run_to_its_end();
            assert_eq!(code, 2, "{key:?}: {}", recorder.seen());
            let line = recorder.only_error_line();
            assert!(line.contains(name), "{key:?}: {line}");
            let shown = key.contains(char::is_alphabetic) && line.contains(key);
            assert!(!shown || key == "your_finnhub_api_key", "{key:?}: {line}");
        }
    }
    assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
}

#[test]
fn a_run_without_a_key_is_refused_and_says_where_to_put_it() {
    let run = Run::without_key().tickers("AAPL").url("ws://127.0.0.1:9");
    assert_refused(run, 2, &["FINNHUB_API_KEY", ".env"]);
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_connecting() {
    let server = Server::plain();
    let run = || Run::new().tickers("AAPL").url(&server.url()).folder("folder").file("file", "x");
    for (option, path) in [
        ("--out", "folder"),
        ("--out", "nowhere/op1.csv"),
        ("--out", "file/op1.csv"),
        ("--log-file", "folder"),
        ("--log-file", "nowhere/my.log"),
    ] {
        assert_refused(run().arg(option).arg(path), 1, &[path]);
    }
    assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
}

#[test]
fn a_line_end_in_the_name_of_a_file_makes_no_second_line() {
    let run = Run::new().url("ws://127.0.0.1:9").tickers("AAPL").arg("--out");
    let (code, recorder) = run.arg("two\nlines/op1.csv").run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    assert!(recorder.only_error_line().contains("two\\nlines/op1.csv"), "{}", recorder.seen());

    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").arg("--out").arg("two\nlines.csv");
    let mut recorder = run.spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(recorder.log().contains("two\\nlines.csv"), "{}", recorder.seen());
    assert!(recorder.path("two\nlines.csv").exists());
}

#[test]
fn a_file_that_is_no_recording_of_ours_or_has_other_columns_is_refused() {
    let run = || Run::new().tickers("AAPL").url("ws://127.0.0.1:9");
    let columns = "ticker,price,volume";
    assert_refused(
        run().file("op1.csv", format!("{columns}\nA,1,2\n")),
        1,
        &["--columns", columns],
    );
    assert_refused(run().file("op1.csv", "something else\n"), 1, &["op1.csv", "--out"]);
    assert_refused(run().file("op1.coverage.csv", "a,b\n"), 1, &["op1.coverage.csv"]);
    assert_refused(run().folder("op1.coverage.csv"), 1, &["op1.coverage.csv"]);
    assert_refused(run().folder("op1.csv.lock"), 1, &["op1.csv.lock"]);
    assert_refused(run().arg("--dashboard=192.0.2.1:80"), 1, &["192.0.2.1:80"]);
}

/// The log would make them unreadable, or a start would take them for its own.
#[test]
fn a_log_in_the_place_of_another_file_of_the_recording_is_refused() {
    let run = |log: &str| Run::new().tickers("AAPL").arg("--log-file").arg(log);
    for name in [
        "op1.csv",
        "./op1.csv",
        "folder/../op1.csv",
        "op1.coverage.csv",
        "op1.csv.lock",
        "op1.csv.ship-warehouse",
        "op1.csv.torn-1700000000000",
        "op1.csv.next",
    ] {
        assert_refused(run(name).folder("folder"), 2, &["--log-file", name, "another name"]);
        let list = Run::new().file("list.txt", "A\n").folder("folder").arg("-f").arg(name);
        if !Path::new(name).starts_with("folder") {
            assert_refused(list.file(name, "A\n"), 2, &["--tickers-file", "another name"]);
        }
        let other = run(name).folder("folder").arg("--out").arg("other.csv");
        assert_refused(other.url("http://not-that-far"), 2, &["not-that-far"]);
    }
    let linked = run("link").file("op1.csv", "");
    std::os::unix::fs::symlink("op1.csv", linked.directory().join("link")).expect("a link");
    assert_refused(linked, 2, &["--log-file", "link"]);
}

#[test]
fn a_log_that_cannot_be_one_is_refused_at_once() {
    let run = Run::new().tickers("AAPL").url("ws://127.0.0.1:9").arg("--log-file").arg("pipe");
    let made = Command::new("mkfifo").arg(run.directory().join("pipe")).status().expect("mkfifo");
    assert!(made.success());
    // Not by assert_refused, which would read the pipe.
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    assert!(recorder.only_error_line().contains("cannot open pipe: it is a named pipe"));
}

#[test]
fn a_start_that_the_server_refuses_leaves_nothing_behind() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let server = Server::plain();
        let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
        let handshake = server.accept();
        assert!(recorder.path("op1.csv").exists(), "the files were opened before");
        handshake.refuse(status, "", "");
        assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
        assert_eq!(files_in(&recorder.path("")), [], "{}", recorder.seen());
    }
}

#[test]
fn a_refused_start_takes_nothing_away_that_was_there_before() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[r#"{"p":1,"s":"AAPL","t":1680300000123,"v":5}"#]));
    recorder.wait_for_row_count(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let before = files_in(&recorder.path(""));
    let run = Run::beside(&recorder).url(&server.url()).tickers("AAPL");
    let mut recorder = run.columns(FORETOLD_COLUMNS).env("FINNHUB_API_KEY", KEY).spawn();
    server.accept().refuse("401 Unauthorized", "", "");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let after = files_in(&recorder.path(""));
    let grown = ["op1.csv.lock", "websocket_data.log"];
    for ((path, content), (left, kept)) in before.iter().zip(&after) {
        assert_eq!(path, left);
        let may_grow = grown.iter().any(|name| path.ends_with(name));
        assert!(may_grow || content == kept, "{}\n{}", path.display(), recorder.seen());
    }
    assert_eq!(before.len(), after.len(), "{}", recorder.seen());
}
