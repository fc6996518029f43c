//! Closed, or only quiet? What is said of US shares outside the regular session, with the clock set.
//!
//! The boundaries of each day are tables beside the rules, in `src/status`.

use crate::harness::{Recorder, Run};
use crate::pseudo_terminal::{PseudoTerminal, live_lines};
use crate::recording::trade_message;
use crate::server::Server;

/// The usual terminal.
const COLUMNS: u16 = 80;

const TRADE: &str = r#"{"p":1.5,"s":"AAPL","t":1680300000123,"v":5}"#;

fn run(server: &Server, utc: &str) -> Run {
    let run = Run::new().clock(utc).url(&server.url()).tickers("AAPL,MSFT");
    run.env("TERM", "xterm").env("NO_COLOR", "1")
}

fn live_line_begins(recorder: &Recorder, beginning: &str) -> bool {
    let bytes = recorder.stderr();
    live_lines(&bytes).last().is_some_and(|(_, line)| line.starts_with(beginning))
}

fn wait_for_live_line(recorder: &mut Recorder, beginning: &str) {
    recorder
        .wait_until(&format!("a live line {beginning:?}"), |now| live_line_begins(now, beginning));
}

/// The lines of the log from the first that is about US shares on.
fn told(recorder: &Recorder) -> Vec<String> {
    let log = recorder.log();
    let lines = log.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(_, text)| text.to_owned()).filter(|text| text.contains("US ")).collect()
}

#[test]
#[ignore = "needs faketime"]
fn a_night_is_quiet_and_its_trades_are_no_surprise() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(COLUMNS);
    // Monday 7 December 2026, 22:30 in New York.
    let mut recorder = run(&server, "2026-12-08 03:30:20").spawn_on(&terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    let quiet = "US shares quiet (night), pre-market in 5 h 29 m";
    wait_for_live_line(&mut recorder, &format!("live · {quiet}"));
    recorder.wait_until("the line in the log", |now| now.log().contains(quiet));
    connection.send_text(&trade_message(&[TRADE]));
    wait_for_live_line(&mut recorder, "live · 2 symbols · 1 trade");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(told(&recorder), [format!("INFO  {quiet}")]);
    assert!(recorder.csv().contains("AAPL,1.5,5,"), "{}", recorder.seen());
    assert!(!recorder.log().contains("WARN"), "{}", recorder.seen());
}

#[test]
#[ignore = "needs faketime"]
fn a_weekend_ends_with_the_night_of_sunday() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(COLUMNS);
    // Sunday 6 December 2026, half a minute before 21:00 in New York.
    let mut recorder = run(&server, "2026-12-07 01:59:30").spawn_on(&terminal);
    let connection = server.connect_and_wait_for_subscriptions(2);
    let closed = "US market closed (weekend), opens in 7 h";
    let quiet = "US shares quiet (night), pre-market in 6 h 59 m";
    wait_for_live_line(&mut recorder, &format!("live · {closed}"));
    wait_for_live_line(&mut recorder, &format!("live · {quiet}"));
    recorder.wait_until("the line in the log", |now| now.log().contains(quiet));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(told(&recorder), [format!("INFO  {closed}"), format!("INFO  {quiet}")]);
}

#[test]
#[ignore = "needs faketime"]
fn the_longest_name_of_a_holiday_fits_the_terminal() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(COLUMNS);
    // Monday 18 January 2027, noon in New York.
    let mut recorder = run(&server, "2027-01-18 17:00:00").spawn_on(&terminal);
    let connection = server.connect_and_wait_for_subscriptions(2);
    let closed = "live · US market closed (Martin Luther King Jr. Day), opens in 15 h 59 m";
    wait_for_live_line(&mut recorder, closed);
    terminal.resize(40);
    wait_for_live_line(&mut recorder, &closed[..39]);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}
