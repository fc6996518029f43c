//! What the server's answer to the upgrade means: a bad key, too many calls, a fault.

use std::time::Duration;

use crate::harness::{KEY, Run, Signal};
use crate::recording::trade_message;
use crate::server::Server;

const TRADE: &str = r#"{"p":1.5,"s":"AAPL","t":1680300000123,"v":5}"#;

/// Fails unless a first answer with this status ends the program, with one line that holds `words`.
fn assert_ends_with(status: &str, run: Run, words: &[&str]) {
    let server = Server::plain();
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    server.accept().refuse(status, "", "");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    let number = &status[..3];
    let stderr = recorder.stderr();
    let lines: Vec<&str> = stderr.lines().filter(|line| line.contains(number)).collect();
    assert_eq!(lines.len(), 1, "one line with {number}\n{}", recorder.seen());
    for word in words {
        assert!(lines[0].contains(word), "{word:?} in {:?}", lines[0]);
    }
    assert_eq!(recorder.stdout(), "");
    assert!(!server.has_a_caller(Duration::ZERO), "it must not try again");
}

#[test]
fn a_key_refused_on_the_first_connection_ends_the_program_and_names_its_variable() {
    let in_environment = |name: &str| Run::without_key().env(name, KEY);
    let in_dotenv = |name: &str| Run::without_key().dotenv(&format!("{name}={KEY}\n"));
    let status = "401 Unauthorized";
    assert_ends_with(
        status,
        in_environment("FINNHUB_API_KEY"),
        &["FINNHUB_API_KEY", "environment"],
    );
    assert_ends_with(status, in_environment("API_KEY"), &[" API_KEY", "environment"]);
    assert_ends_with(status, in_dotenv("FINNHUB_API_KEY"), &["FINNHUB_API_KEY", ".env"]);
    assert_ends_with(status, in_dotenv("API_KEY"), &[" API_KEY", ".env"]);
    assert_ends_with("403 Forbidden", Run::new(), &["FINNHUB_API_KEY", "environment"]);
}

#[test]
fn a_key_refused_after_it_was_accepted_is_an_error_to_wait_out() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").columns("price").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_for_row_count(1);
    drop(connection);
    server.accept().refuse("401 Unauthorized", "", "");
    recorder.wait_until_it_says("401");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "it was still trying: {}", recorder.seen());
}

#[test]
fn a_server_fault_at_the_handshake_is_tried_again() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").columns("price").spawn();
    server.accept().refuse("524 A Timeout Occurred", "", "<html>\u{1b}[31m</html>");
    server.accept().refuse("200 OK", "", "");
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_for_row_count(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(recorder.log().contains("524"), "{}", recorder.seen());
    assert_eq!(recorder.csv(), "price\n1.5\n");
}

#[test]
fn a_web_page_and_a_redirection_say_what_to_do_also_in_check() {
    for (status, headers, advice) in [
        ("200 OK", "", "that is a web page and no feed of trades; check --url"),
        (
            "301 Moved Permanently",
            "Location: https://elsewhere/\r\n",
            "sent to --url only; check --url",
        ),
    ] {
        let server = Server::plain();
        let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
        server.accept().refuse(status, headers, "<html></html>");
        recorder.wait_until("the advice", |now| now.stderr().contains(advice));
        recorder.signal(Signal::SIGTERM);
        assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());

        let mut checked = Run::new().arg("check").url(&server.url()).spawn();
        server.accept().refuse(status, headers, "<html></html>");
        assert_eq!(checked.wait_exit(), 1, "{}", checked.seen());
        let told = checked.stdout();
        let line = told.lines().find(|line| line.starts_with("✗ upgrade")).expect("the step");
        assert!(line.ends_with(advice) || line.contains(&format!("{advice}, and")), "{line}");
    }
}

#[test]
fn a_call_that_breaks_off_before_the_answer_is_made_again() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").columns("price").spawn();
    drop(server.accept_tcp());
    drop(server.accept());
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_for_row_count(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn too_many_calls_are_answered_with_patience() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    server.accept().refuse("429 Too Many Requests", "", "");
    recorder.wait_until_it_says("429");
    // The ordinary back-off would call again within half a second; one minute is promised.
    assert!(!server.has_a_caller(Duration::from_secs(2)), "it must wait: {}", recorder.seen());
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}
