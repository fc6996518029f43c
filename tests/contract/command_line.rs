//! What can be asked for, and that it is done: symbols, help, version, less on the terminal.

use crate::harness::Run;
use crate::server::Server;

#[test]
fn symbols_are_trimmed_kept_in_case_and_order_and_asked_for_once() {
    let server = Server::plain();
    let tickers = " AAPL ,IC MARKETS:1,AAPL, binance:btc\t,BRK.B,AAPL,Q\"uote";
    let mut recorder = Run::new().url(&server.url()).tickers(tickers).spawn();
    let mut connection = server.connect();
    let expected = ["AAPL", "IC MARKETS:1", "binance:btc", "BRK.B", "Q\"uote"];
    assert_eq!(connection.wait_for_subscriptions(expected.len()), expected);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.stdout(), "");
}

#[test]
fn symbols_come_from_a_file_with_comments() {
    let server = Server::plain();
    let list = "# mine\nAAPL # the first\n\n  BINANCE:BTCUSDT\r\nIC MARKETS:1\nAAPL\n";
    let run = Run::new().url(&server.url()).file("list.txt", list).arg("-f").arg("list.txt");
    let mut recorder = run.spawn();
    let mut connection = server.connect();
    let expected = ["AAPL", "BINANCE:BTCUSDT", "IC MARKETS:1"];
    assert_eq!(connection.wait_for_subscriptions(expected.len()), expected);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn more_than_fifty_symbols_get_a_warning_and_are_all_asked_for() {
    let server = Server::plain();
    let symbols: Vec<String> = (1..=51).map(|number| format!("SYMBOL{number}")).collect();
    let mut recorder = Run::new().url(&server.url()).tickers(&symbols.join(",")).spawn();
    let connection = server.connect_and_wait_for_subscriptions(51);
    assert_eq!(connection.subscribed, symbols);
    recorder.wait_until_it_says("50");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn help_and_version_go_to_standard_output() {
    for argument in ["--help", "--version", "-h", "-V"] {
        let (code, recorder) = Run::without_key().arg(argument).run_to_its_end();
        assert_eq!(code, 0, "{argument}: {}", recorder.seen());
        assert_eq!(recorder.stderr(), "", "{argument}");
        assert!(recorder.stdout().contains("finnhub-stream"), "{argument}: {}", recorder.seen());
        assert_eq!(recorder.all_files(), [], "{argument} writes no file");
    }
}

#[test]
fn help_names_every_option_and_the_key_variable() {
    let (_, recorder) = Run::without_key().arg("--help").run_to_its_end();
    let help = recorder.stdout();
    for word in [
        "--tickers",
        "--tickers-file",
        "--out",
        "--log-file",
        "--columns",
        "--fsync",
        "--rotate",
        "--compress",
        "--demo",
        "--url",
        "--quiet",
        "--verbose",
        "FINNHUB_API_KEY",
    ] {
        assert!(help.contains(word), "{word} in {help}");
    }
}
