//! Wrong usage and settings: one line that says what, with which value, and exit code 2, before
//! anything is connected to; what could not be opened: one line and exit code 1.

use std::time::Duration;

use crate::harness::Run;
use crate::server::Server;

/// Fails unless `run` ends with `code` and one line on standard error with all these words.
fn assert_refused(run: Run, code: i32, words: &[&str]) {
    let (ended, recorder) = run.run_to_its_end();
    assert_eq!(ended, code, "{}", recorder.seen());
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
    // These only look like loopback: what stands before the `@` is a user's name.
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
