//! What a person sees on the terminal: the log, one live line below it, the summary at the end.

use std::time::Duration;

use crate::connection::Connection;
use crate::frames::Opcode;
use crate::harness::{Recorder, Run, Signal};
use crate::pseudo_terminal::{PseudoTerminal, live_lines, screen, screen_resized};
use crate::recording::{summary_line, trade_message};
use crate::server::Server;

const TRADE: &str = r#"{"p":1.5,"s":"AAPL","t":1680300000123,"v":5}"#;
/// Costs a warning.
const NO_TRADE: &str = r#"{"data":[7],"type":"trade"}"#;

const WIDE: u16 = 120;

fn run(server: &Server) -> Run {
    Run::new().url(&server.url()).tickers("AAPL,MSFT").env("TERM", "xterm-256color")
}

/// A program on a terminal that shows one recorded trade.
fn shown(run: Run, server: &Server, terminal: &PseudoTerminal) -> (Recorder, Connection) {
    let mut recorder = run.spawn_on(terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_until("a live line with the trade", |now| {
        live_lines(&now.stderr()).last().is_some_and(|(_, line)| line.contains("1 trade "))
    });
    (recorder, connection)
}

#[test]
fn one_live_line_is_under_the_log_and_is_gone_at_the_end() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let run = run(&server).env("NO_COLOR", "1");
    let (mut recorder, mut connection) = shown(run, &server, &terminal);
    connection.send_text(NO_TRADE);
    recorder.wait_until("the warning above the live line", |now| {
        let rows = screen(&now.stderr(), WIDE);
        rows.iter().any(|row| row.contains("WARN"))
            && rows.last().expect("rows").starts_with("live · 2 symbols · 1 trade · ")
    });
    let rows = screen(&recorder.stderr(), WIDE);
    let (live, log) = rows.split_last().expect("rows");
    assert!(live.starts_with("live · 2 symbols · 1 trade · "), "{live}");
    for part in ["/s · last ", " ago · 0 s missing · 0 reconnects · "] {
        assert!(live.contains(part), "{live}");
    }
    // The first line of a day has the date in front of the time.
    let clocks = log.iter().enumerate().map(|(at, row)| &row[if at == 0 { 11 } else { 0 }..]);
    assert!(log[0].starts_with("20"), "{log:#?}");
    assert!(clocks.into_iter().all(|row| row.as_bytes()[2] == b':'), "{log:#?}");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let rows = screen(&recorder.stderr(), WIDE);
    assert_eq!(rows.last().expect("rows"), &summary_line(1, 1), "{rows:#?}");
    assert!(rows.iter().all(|row| !row.starts_with("live")), "{rows:#?}");
    let bytes = recorder.stderr();
    let summary = bytes.lines().last().expect("lines");
    assert_eq!(summary.trim_end(), summary_line(1, 1), "plain, without any escape");
}

#[test]
fn times_are_local_on_the_terminal_and_utc_in_the_log() {
    /// Half an hour beside every other zone of this size, and no summer time.
    const AHEAD_MINUTES: u32 = 5 * 60 + 30;
    let server = Server::plain();
    let mut recorder = run(&server).env("TZ", "Asia/Kolkata").spawn();
    let connection = server.connect_and_wait_for_subscriptions(2);
    recorder.wait_until_it_says("connected to");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let minute = |text: &str, before: char| {
        let line = text.lines().find(|line| line.contains("connected to")).expect("the line");
        let clock = line.split_once("INFO").expect("a level").0.trim_end();
        let clock = clock.rsplit(before).next().expect("a clock");
        let [hours, minutes] = [0, 3].map(|at| clock[at..at + 2].parse::<u32>().expect("digits"));
        60 * hours + minutes
    };
    let (local, utc) = (minute(&recorder.stderr(), ' '), minute(&recorder.log(), 'T'));
    let ahead = (local + 24 * 60 - utc) % (24 * 60);
    // The two may be written on both sides of a full minute.
    assert!(ahead.abs_diff(AHEAD_MINUTES) <= 1, "{local} {utc}: {}", recorder.seen());
}

#[test]
fn at_80_columns_the_state_and_its_reason_are_there_whole() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(80);
    let (mut recorder, connection) = shown(run(&server), &server, &terminal);
    connection.reset();
    let closed = server.shut_down();
    let reason = format!(
        ": cannot connect to {}: connection refused",
        closed.url().trim_start_matches("ws://")
    );
    recorder.wait_until("an outage that lasts", |now| {
        let bytes = now.stderr();
        let lines = live_lines(&bytes);
        let line = lines.last().map_or("", |(_, line)| *line);
        // The colours of the state have 9 characters.
        line.chars().count() <= 79 + 9
            && ["down", &reason, "1 trade"].iter().all(|part| line.contains(part))
    });
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

#[test]
fn ten_equal_warnings_are_one_line_and_a_count_on_the_terminal() {
    const WARNING: &str = "WARN  not a trade (it is no object): 7\n";
    let server = Server::plain();
    let mut recorder = run(&server).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    for _ in 0..10 {
        connection.send_text(NO_TRADE);
    }
    recorder.wait_until("all of them", |now| now.log().matches(WARNING).count() == 10);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let told = recorder.stderr();
    assert_eq!(told.matches(WARNING).count(), 1, "{told}");
    assert!(told.contains("WARN  not a trade (it is no object): 7 (10 times)\n"), "{told}");
}

#[test]
fn a_lost_connection_shows_in_the_live_line() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let (mut recorder, connection) = shown(run(&server), &server, &terminal);
    connection.reset();
    let closed = server.shut_down();
    recorder.wait_until("the outage", |now| {
        let bytes = now.stderr();
        bytes.contains("down\x1b[0m: cannot connect to 127.0.0.1:")
            && bytes.contains("connection refused · ")
    });
    let server = closed.open();
    let connection = server.connect_and_wait_for_subscriptions(2);
    recorder.wait_until("the recovery", |now| {
        let bytes = now.stderr();
        let lines = live_lines(&bytes);
        lines.last().is_some_and(|(_, line)| line.contains("live") && line.contains("1 reconnect "))
    });
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn the_live_line_follows_the_width_and_leaves_nothing_behind() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let run = run(&server).env("NO_COLOR", "1");
    let (mut recorder, connection) = shown(run, &server, &terminal);
    // Whole parts are left out first, then the state is cut.
    let widths: [(u16, usize, &str); 4] =
        [(40, 39, " ago"), (12, 11, "live"), (4, 3, "li…"), (1, 0, "")];
    for (width, fits, ending) in widths {
        let is_new = |line: &str| line.chars().count() <= fits && line.ends_with(ending);
        terminal.resize(width);
        recorder.wait_until("a line of the new width", |now| {
            let bytes = now.stderr();
            live_lines(&bytes).last().is_some_and(|(_, line)| is_new(line))
        });
        let bytes = recorder.stderr();
        let lines = live_lines(&bytes);
        let first_new = lines.iter().position(|(_, line)| is_new(line)).expect("it came");
        assert!(lines[first_new..].iter().all(|(_, line)| is_new(line)), "{lines:#?}");
        if width == 40 {
            let rows = screen_resized(&bytes, WIDE, lines[first_new].0, width);
            let live = rows.iter().filter(|row| row.starts_with("live")).count();
            assert!(
                live == 1 && rows.last().is_some_and(|row| row.starts_with("live")),
                "{rows:#?}"
            );
        }
    }
    terminal.resize(WIDE);
    recorder.wait_until("the whole line again", |now| {
        live_lines(&now.stderr()).last().is_some_and(|(_, line)| line.ends_with(" B"))
    });
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    const WARNING: &str = "\x1b[33mWARN \x1b[0m not a trade";
    // An empty value counts as none, see https://no-color.org.
    for (no_color, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let server = Server::plain();
        let terminal = PseudoTerminal::new(WIDE);
        let mut run = run(&server);
        if let Some(value) = no_color {
            run = run.env("NO_COLOR", value);
        }
        let (mut recorder, mut connection) = shown(run, &server, &terminal);
        connection.send_text(NO_TRADE);
        recorder.wait_until_it_says("not a trade");
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let bytes = recorder.stderr();
        assert_eq!(bytes.contains(WARNING), coloured, "{no_color:?}: {bytes:?}");
        assert_eq!(bytes.contains("\x1b[3"), coloured, "{no_color:?}: {bytes:?}");
        assert!(!recorder.log().contains('\x1b'), "the file is plain");
    }
}

#[test]
fn there_is_no_escape_where_there_is_no_terminal() {
    let server = Server::plain();
    let mut recorder = run(&server).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(NO_TRADE);
    recorder.wait_until_it_says("not a trade");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(!recorder.stderr().contains(['\x1b', '\r']), "{:?}", recorder.stderr());
    assert!(!recorder.stderr().contains("live · "), "{:?}", recorder.stderr());
}

#[test]
fn quiet_and_dumb_terminals_have_no_live_line() {
    for (quiet, terminal_name) in [(true, "xterm"), (false, "dumb")] {
        let server = Server::plain();
        let terminal = PseudoTerminal::new(WIDE);
        let mut run = run(&server).env("TERM", terminal_name);
        if quiet {
            run = run.arg("--quiet");
        }
        let mut recorder = run.spawn_on(&terminal);
        let mut connection = server.connect_and_wait_for_subscriptions(2);
        connection.send_text(&trade_message(&[TRADE]));
        connection.send_text(NO_TRADE);
        recorder.wait_until_it_says("not a trade");
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let bytes = recorder.stderr();
        assert_eq!(live_lines(&bytes), [], "{bytes:?}");
        assert!(bytes.contains("WARN") && bytes.contains(&summary_line(1, 1)), "{bytes:?}");
        assert_eq!(bytes.contains("INFO"), !quiet, "{bytes:?}");
    }
}

#[test]
fn rows_on_the_same_screen_leave_no_room_for_a_live_line() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let mut recorder = run(&server).arg("--out").arg("-").spawn_all_on(&terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_until_it_says("AAPL,1.5,5,1680300000123,");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(live_lines(&recorder.stderr()), [], "{}", recorder.seen());
}

#[test]
fn a_second_ctrl_c_leaves_no_live_line_behind() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let (mut recorder, mut connection) = shown(run(&server), &server, &terminal);
    recorder.signal(Signal::SIGINT);
    connection.wait_for(Opcode::Close);
    recorder.wait_until("the word that it stops", |now| {
        screen(&now.stderr(), WIDE).last().is_some_and(|row| row.contains("stopping"))
    });
    recorder.insist();
    assert_eq!(recorder.wait_exit(), 130, "{}", recorder.seen());
    let rows = screen(&recorder.stderr(), WIDE);
    assert!(rows.last().expect("rows").contains("stopping"), "{rows:#?}");
}

const NEW_SYMBOLS: usize = 60;

/// What a healthy end takes, and the half second that the terminal is waited for.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);

#[test]
fn a_stopped_terminal_delays_neither_the_recording_nor_the_end() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let with_list = run(&server).file("list.txt", "FIRST\n").arg("--tickers-file").arg("list.txt");
    let mut recorder = with_list.spawn_on_stopped(&terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(3);
    let symbols: Vec<String> = (0..NEW_SYMBOLS).map(|number| format!("S{number}")).collect();
    std::fs::write(recorder.path("list.txt"), symbols.join("\n")).expect("a new list");
    connection.wait_for_subscriptions(3 + NEW_SYMBOLS);
    connection.send_text(&trade_message(&[TRADE]));
    recorder.wait_for_row_count(1);
    let line = "subscribed to 60 symbols: S0, S1, S2, S3, S4 and 55 more\n";
    recorder.wait_until("one line in the log for all of them", |now| now.log().contains(line));
    assert_eq!(recorder.log().matches("subscribed to").count(), 1, "{}", recorder.log());
    let asked = recorder.stopwatch();
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < LEAVES_WITHIN, "it took {took:?}");
    assert!(recorder.log().contains(&summary_line(1, 0)), "{}", recorder.seen());
}
