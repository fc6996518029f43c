//! The whole terminal as a table: what is on it, what its keys do, and that the terminal is left as it was
//! found.

use std::io::Read;
use std::num::NonZeroU16;
use std::thread;
use std::time::Duration;

use crate::connection::Connection;
use crate::frames::Opcode;
use crate::harness::{Recorder, Run, Signal};
use crate::pseudo_terminal::{PseudoTerminal, ROWS};
use crate::recording::{summary_line, trade_message};
use crate::server::Server;

const WIDE: u16 = 120;

const DOWN: &str = "\x1b[B";
const END: &str = "\x1b[F";
const PAGE_DOWN: &str = "\x1b[6~";
const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// What gives the other screen back.
const LEAVES: &[u8] = b"\x1b[?1049l";

fn trade(symbol: &str, price: &str) -> String {
    let text = format!(r#"{{"p":{price},"s":"{symbol}","t":1680300000123,"v":5}}"#);
    trade_message(&[&text])
}

fn run(server: &Server) -> Run {
    Run::new()
        .url(&server.url())
        .arg("--table")
        .env("TERM", "xterm-256color")
        .file("list.txt", "AAPL\nMSFT\n")
        .arg("--tickers-file")
        .arg("list.txt")
}

/// The screen, so large, after everything that was written.
fn parsed(recorder: &Recorder, (columns, rows): (u16, u16)) -> vt100::Parser {
    let size = |number| NonZeroU16::new(number).expect("not zero");
    let mut parser = vt100::Parser::new(size(rows), size(columns), 0);
    parser.process(recorder.stderr().as_bytes());
    parser
}

/// Its rows.
fn rows(recorder: &Recorder) -> Vec<String> {
    let parser = parsed(recorder, (WIDE, ROWS));
    parser.screen().rows(0, WIDE).map(|row| row.trim_end().to_owned()).collect()
}

fn row_of(recorder: &Recorder, symbol: &str) -> String {
    rows(recorder).into_iter().find(|row| row.starts_with(symbol)).unwrap_or_default()
}

fn last_row(recorder: &Recorder) -> String {
    rows(recorder).pop().unwrap_or_default()
}

/// The row with the mark.
fn marked(recorder: &Recorder) -> String {
    let parser = parsed(recorder, (WIDE, ROWS));
    let is_marked = |row: &u16| parser.screen().cell(*row, 0).is_some_and(vt100::Cell::inverse);
    let row = (0..ROWS).find(is_marked);
    row.map(|row| rows(recorder)[usize::from(row)].clone()).unwrap_or_default()
}

/// A table that shows one trade of AAPL.
fn shown(run: Run, server: &Server, terminal: &PseudoTerminal) -> (Recorder, Connection) {
    let mut recorder = run.spawn_on(terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&trade("AAPL", "164.0601"));
    recorder.wait_until("the table with the trade", |now| {
        row_of(now, "AAPL").contains(" 164.0601 ") && rows(now)[0].contains(" 1 trade ")
    });
    (recorder, connection)
}

fn assert_given_back(recorder: &Recorder, terminal: &PseudoTerminal, modes: &str) {
    assert_eq!(terminal.modes(), modes);
    let parser = parsed(recorder, (WIDE, ROWS));
    let screen = parser.screen();
    assert!(!screen.alternate_screen(), "{}", recorder.seen());
    assert!(!screen.hide_cursor() && !screen.bracketed_paste(), "{}", recorder.seen());
}

#[test]
fn the_table_shows_each_symbol_and_leaves_the_terminal_as_it_was() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let (mut recorder, mut connection) = shown(run(&server), &server, &terminal);
    assert_ne!(terminal.modes(), modes, "keys come one by one");
    connection.send_text(&trade("AAPL", "165.70"));
    connection.send_text(r#"{"type":"error","msg":"Invalid symbol MSFT"}"#);
    recorder.wait_until("the change and the refusal", |now| {
        row_of(now, "AAPL").contains("165.70   +1.00 %") && row_of(now, "MSFT").contains("refused")
    });
    let rows_now = rows(&recorder);
    for part in ["live · 1 symbol (1 refused) · 2 trades", "/s · last ", "op1.csv "] {
        assert!(rows_now[0].contains(part), "{rows_now:#?}");
    }
    for part in ["symbol", "last", "change", "15 minutes", "trades", "volume", "age", "state"] {
        assert!(rows_now[1].contains(part), "{rows_now:#?}");
    }
    let aapl = row_of(&recorder, "AAPL");
    // How high depends on whether both trades fall into one step of the line.
    assert!(aapl.contains(|bar| ('▁'..='█').contains(&bar)), "{aapl}");
    assert!(aapl.contains("live") && aapl.contains(" 10 "), "{aapl}");
    assert!(rows_now.iter().any(|row| row.contains("connected to")), "{rows_now:#?}");
    assert!(last_row(&recorder).contains("q stop"), "{rows_now:#?}");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_given_back(&recorder, &terminal, &modes);
    // Each line is there once, whichever screen it came on first.
    let rows_now = rows(&recorder);
    let told = |text: &str| rows_now.iter().filter(|row| row.contains(text)).count();
    for text in ["recording 2 symbols", "connected to", "Invalid symbol"] {
        assert_eq!(told(text), 1, "{text}: {rows_now:#?}");
    }
    assert!(rows_now.contains(&summary_line(2, 0)), "{rows_now:#?}");
}

#[test]
fn a_recording_stops_only_when_the_question_is_answered() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let (mut recorder, mut connection) = shown(run(&server), &server, &terminal);
    for (keys, answer) in [("q", "n"), (CTRL_C, "x"), ("q", "\x1b")] {
        terminal.press(keys);
        recorder.wait_until("the question", |now| last_row(now).starts_with("stop recording? y/n"));
        terminal.press(answer);
        recorder.wait_until("the keys again", |now| last_row(now).contains("q stop"));
    }
    // What is pasted by mistake is no key.
    terminal.press("\x1b[200~qy\x1b[201~");
    terminal.press("a");
    recorder.wait_until("what came after it", |now| last_row(now).starts_with("add symbol: _"));
    terminal.press("\x1b");
    recorder.wait_until("the keys again", |now| last_row(now).contains("q stop"));
    terminal.press("qy");
    connection.answer_close();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert!(recorder.ledger().trim_end().ends_with(",down,,stopped"), "{}", recorder.ledger());
    assert_given_back(&recorder, &terminal, &modes);
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let (mut recorder, _connection) = shown(run(&server), &server, &terminal);
    terminal.press(CTRL_C);
    recorder.wait_until("the question", |now| last_row(now).starts_with("stop recording? y/n"));
    // Far enough from the first one to be another.
    thread::sleep(Duration::from_millis(60));
    terminal.press(CTRL_C);
    assert_eq!(recorder.wait_exit(), 130, "{}", recorder.seen());
    assert_given_back(&recorder, &terminal, &modes);
}

#[test]
fn signals_from_outside_do_not_ask() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let server = Server::plain();
        let terminal = PseudoTerminal::new(WIDE);
        let modes = terminal.modes();
        let (mut recorder, mut connection) = shown(run(&server), &server, &terminal);
        recorder.signal(signal);
        connection.answer_close();
        assert_eq!(recorder.wait_exit(), 0, "{signal}: {}", recorder.seen());
        assert_given_back(&recorder, &terminal, &modes);
    }
}

#[test]
fn signals_that_end_the_program_at_once_give_the_terminal_back_first() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let (mut recorder, _connection) = shown(run(&server), &server, &terminal);
    recorder.signal(Signal::SIGQUIT);
    assert_eq!(recorder.wait_exit(), -(Signal::SIGQUIT as i32), "{}", recorder.seen());
    assert_given_back(&recorder, &terminal, &modes);
}

#[test]
fn symbols_are_added_and_removed_as_on_the_page() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let (mut recorder, mut connection) = shown(run(&server), &server, &terminal);
    terminal.press("aBINANCE:BTCUSDT\r");
    connection.wait_for_subscriptions(3);
    recorder.wait_until("the new symbol", |now| row_of(now, "BINANCE:BTCUSDT").contains("silent"));
    let list = recorder.text_of("list.txt");
    assert_eq!(list, "AAPL\nMSFT\nBINANCE:BTCUSDT\n");
    terminal.press(&format!("{DOWN}d"));
    recorder.wait_until("the question", |now| last_row(now) == "remove MSFT? y/n");
    assert_eq!(recorder.text_of("list.txt"), list);
    terminal.press("y");
    recorder.wait_until("it to be gone", |now| {
        row_of(now, "MSFT ").is_empty() && last_row(now) == "MSFT: removed"
    });
    while !connection.unsubscribed.contains(&"MSFT".to_owned()) {
        connection.wait_for(Opcode::Text);
    }
    assert_eq!(recorder.text_of("list.txt"), "AAPL\nBINANCE:BTCUSDT\n");
    terminal.press("aA,B\r");
    recorder.wait_until("the refusal", |now| last_row(now).contains("\"A,B\" contains"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn keys_sort_find_and_open_a_chart() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let (mut recorder, mut connection) = shown(run(&server), &server, &terminal);
    for price in ["10", "12"] {
        connection.send_text(&trade("MSFT", price));
    }
    recorder.wait_until("both", |now| row_of(now, "MSFT").contains("+20.00 %"));
    assert!(marked(&recorder).starts_with("AAPL"), "{:#?}", rows(&recorder));
    // By symbol, last, change: the mark follows its symbol.
    terminal.press("sss");
    recorder.wait_until("them sorted", |now| rows(now)[2].starts_with("MSFT"));
    assert!(rows(&recorder)[1].contains("▾change"), "{:#?}", rows(&recorder));
    terminal.press(DOWN);
    recorder.wait_until("the mark at the second", |now| marked(now).starts_with("AAPL"));
    terminal.press("/ms");
    recorder.wait_until("what is found", |now| {
        row_of(now, "AAPL").is_empty() && last_row(now) == "find: ms_"
    });
    terminal.press("\r\r");
    recorder.wait_until("the chart", |now| {
        let rows = rows(now);
        rows[1].starts_with("MSFT  12  +20.00 %") && rows.iter().any(|row| row.contains("│"))
    });
    terminal.press("\x1b");
    recorder.wait_until("the table", |now| rows(now)[1].starts_with("symbol"));
    terminal.press("\x1b");
    recorder.wait_until("all of them", |now| !row_of(now, "AAPL").is_empty());
    terminal.press("?");
    recorder.wait_until("the help", |now| rows(now).iter().any(|row| row.contains("PgDn")));
    terminal.press("?");
    recorder.wait_until("no help", |now| rows(now).iter().all(|row| !row.contains("PgDn")));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn an_outage_shows_with_its_reason_and_as_a_gap() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let (mut recorder, connection) = shown(run(&server), &server, &terminal);
    connection.reset();
    let closed = server.shut_down();
    recorder.wait_until("the outage", |now| {
        rows(now)[0].starts_with("down: cannot connect to 127.0.0.1:")
            && row_of(now, "AAPL").contains('·')
            && row_of(now, "AAPL").trim_end().ends_with("down")
    });
    terminal.press("\r");
    recorder.wait_until("its reason in the chart", |now| {
        rows(now).iter().any(|row| row.starts_with("gap ") && row.contains("–now: cannot connect"))
    });
    let server = closed.open();
    let connection = server.connect_and_wait_for_subscriptions(2);
    recorder.wait_until("the recovery", |now| rows(now)[0].contains("1 reconnect "));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn every_size_has_a_table() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let (mut recorder, connection) = shown(run(&server), &server, &terminal);
    for size in [(30, 8), (300, 100), (1, 1), (80, 24), (7, 300), (40, 3)] {
        terminal.resize_to(size.0, size.1);
        recorder.wait_until("a screen of the new size", |now| {
            let bytes = now.stderr();
            // Everything since the last resize fits it; a larger one is used as far as it is drawn.
            let whole = bytes.rsplit("\x1b[2J").next().expect("a frame");
            let parser = parsed(now, size);
            let rows: Vec<String> = parser.screen().rows(0, size.0).collect();
            let keys = rows.get(usize::from(size.1.min(150)) - 1).map_or("", |row| row.trim());
            let fits = "q stop".starts_with(keys) || keys.ends_with("q stop");
            let last_column = format!(";{}H", size.0 + 1);
            rows[0].starts_with(&"live"[..usize::from(size.0.min(4))])
                && !whole.contains(&last_column)
                && (size.1 < 2 || fits)
        });
    }
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn a_terminal_that_takes_nothing_costs_the_recording_nothing() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let mut recorder = run(&server).spawn_on_unread(&terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    recorder.wait_until("the table", |_| terminal.modes() != modes);
    // Each makes the terminal full at once, as nobody reads it.
    terminal.resize_to(300, 100);
    for number in 0..3_000 {
        connection.send_text(&trade("AAPL", &format!("{number}.5")));
    }
    recorder.wait_for_row_count(3_000);
    let cpu = recorder.cpu_ticks();
    thread::sleep(Duration::from_secs(2));
    assert!(recorder.cpu_ticks() - cpu < 50, "it is busy with nothing");
    let asked = recorder.stopwatch();
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    assert_eq!(terminal.modes(), modes);
    // Whoever reads it then has what gives the screen back.
    let mut waiting = Vec::new();
    let _ = terminal.for_reader().read_to_end(&mut waiting);
    assert!(
        waiting.windows(LEAVES.len()).any(|part| part == LEAVES),
        "{:?}",
        String::from_utf8_lossy(&waiting)
    );
}

#[test]
fn a_stopped_terminal_delays_neither_the_recording_nor_the_end() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let mut recorder = run(&server).spawn_on_stopped(&terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    connection.send_text(&trade("AAPL", "1"));
    recorder.wait_for_row_count(1);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let took = recorder.took(&asked);
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    assert_eq!(terminal.modes(), modes);
}

#[test]
fn a_terminal_that_is_gone_ends_the_table_alone() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let mut recorder = run(&server).spawn_on_unread(&terminal);
    let mut connection = server.connect_and_wait_for_subscriptions(2);
    recorder.wait_until("the table", |_| terminal.modes() != modes);
    drop(terminal);
    recorder.wait_until("its thread to end", |now| !now.has_thread("table"));
    let cpu = recorder.cpu_ticks();
    thread::sleep(Duration::from_secs(1));
    assert!(recorder.cpu_ticks() - cpu < 50, "it is busy with nothing");
    connection.send_text(&trade("AAPL", "1"));
    recorder.wait_for_row_count(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

/// A shell with job control, whose terminal this is: it starts the program, and goes on when that is
/// stopped.
fn from_a_shell(run: Run, then: &str) -> Run {
    let takes_terminal = "exec setsid --ctty \"$@\" 0<&2";
    let goes_on = format!("\"$@\"; {then}");
    run.through(&["sh", "-c", takes_terminal, "sh", "sh", "-mc", &goes_on, "sh"])
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let modes = terminal.modes();
    let run = from_a_shell(run(&server), "echo stopped >&2; read word; fg >&2; echo code $? >&2");
    let (mut recorder, connection) = shown(run, &server, &terminal);
    terminal.press(CTRL_Z);
    recorder.wait_until("the shell", |now| now.stderr().ends_with("stopped\r\n"));
    assert_given_back(&recorder, &terminal, &modes);
    terminal.press("go\n");
    recorder.wait_until("the table again", |now| {
        parsed(now, (WIDE, ROWS)).screen().alternate_screen()
            && row_of(now, "AAPL").contains("164.0601")
    });
    assert_ne!(terminal.modes(), modes);
    terminal.press("qy");
    drop(connection);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert!(recorder.stderr().contains("code 0"), "{}", recorder.seen());
    assert_given_back(&recorder, &terminal, &modes);
}

#[test]
fn ctrl_z_does_nothing_where_it_was_ignored_at_the_start() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let takes_terminal = "exec setsid --ctty \"$@\" 0<&2";
    let ignores = "trap '' TSTP; \"$@\"";
    let run = run(&server).through(&["sh", "-c", takes_terminal, "sh", "sh", "-mc", ignores, "sh"]);
    let (mut recorder, mut connection) = shown(run, &server, &terminal);
    terminal.press(CTRL_Z);
    for number in 2..4 {
        connection.send_text(&trade("MSFT", "5"));
        recorder.wait_for_row_count(number);
        thread::sleep(Duration::from_millis(300));
    }
    terminal.press("qy");
    drop(connection);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

#[test]
fn in_the_background_it_records_and_leaves_keys_to_the_shell() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let then = "bg >&2; while read word && [ $word != end ]; do echo read $word >&2; done; kill %1; wait %1; echo code $? >&2";
    let (mut recorder, mut connection) =
        shown(from_a_shell(run(&server), then), &server, &terminal);
    terminal.press(CTRL_Z);
    recorder.wait_until("the shell", |now| now.stderr().contains("[1]"));
    for (number, word) in ["one", "two"].iter().enumerate() {
        connection.send_text(&trade("MSFT", "5"));
        terminal.press(&format!("{word}\n"));
        recorder.wait_until("the word", |now| now.stderr().contains(&format!("read {word}\r\n")));
        // A second in which a key could be taken, and the program be stopped for it.
        recorder.wait_for_row_count(2 + number);
        thread::sleep(Duration::from_millis(700));
    }
    connection.send_text(&trade("MSFT", "5"));
    recorder.wait_for_row_count(4);
    terminal.press("end\n");
    drop(connection);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert!(recorder.stderr().contains("code 0"), "{}", recorder.seen());
}

/// As when tmux has started it.
#[test]
fn ctrl_z_does_nothing_where_no_shell_could_go_on_with_it() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let run = run(&server).through(&["setsid"]);
    let (mut recorder, mut connection) = shown(run, &server, &terminal);
    terminal.press(CTRL_Z);
    recorder.wait_until("the word", |now| last_row(now).starts_with("no shell is there"));
    connection.send_text(&trade("MSFT", "5"));
    recorder.wait_for_row_count(2);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn without_a_terminal_it_is_said_once_and_there_are_log_lines() {
    for (name, word) in [("xterm", "standard error is no terminal"), ("dumb", "a dumb one")] {
        let server = Server::plain();
        let terminal = PseudoTerminal::new(WIDE);
        let run = run(&server).env("TERM", name);
        let mut recorder = if name == "dumb" { run.spawn_on(&terminal) } else { run.spawn() };
        let connection = server.connect_and_wait_for_subscriptions(2);
        recorder.wait_until_it_says("connected to");
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let told = recorder.stderr();
        assert_eq!(told.matches("--table: ").count(), 1, "{told}");
        assert!(told.contains(word) && !told.contains('\x1b'), "{told}");
    }
}

#[test]
fn quiet_and_a_table_are_refused_in_one_line() {
    let (code, recorder) = Run::new().tickers("A").arg("--table").arg("--quiet").run_to_its_end();
    let told = recorder.stderr();
    assert_eq!((code, told.lines().count()), (2, 1), "{told}");
    assert!(told.contains("--table") && told.contains("--quiet"), "{told}");
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    for (no_color, coloured) in [("", true), ("1", false)] {
        let server = Server::plain();
        let terminal = PseudoTerminal::new(WIDE);
        let run = run(&server).env("NO_COLOR", no_color);
        let (mut recorder, connection) = shown(run, &server, &terminal);
        let parser = parsed(&recorder, (WIDE, ROWS));
        let colour = parser.screen().cell(0, 0).expect("a character").fgcolor();
        assert_eq!(colour != vt100::Color::Default, coloured, "{colour:?}");
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    }
}

#[test]
fn only_what_changes_is_drawn() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let (mut recorder, connection) = shown(run(&server), &server, &terminal);
    // The first window may hold the end of the start.
    recorder.wait_until("a quiet second", |now| {
        let before = now.stderr().len();
        thread::sleep(Duration::from_secs(1));
        // Ages of a message and of a trade, the rate: some digits, each with its place.
        now.stderr().len() - before < 200
    });
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn five_thousand_symbols_scroll() {
    let server = Server::plain();
    let terminal = PseudoTerminal::new(WIDE);
    let symbols: Vec<String> = (0..5_000).map(|number| format!("S{number:04}")).collect();
    let run = run(&server).file("list.txt", symbols.join("\n"));
    let mut recorder = run.spawn_on(&terminal);
    let connection = server.connect_and_wait_for_subscriptions(5_000);
    recorder.wait_until("the beginning", |now| !row_of(now, "S0000").is_empty());
    terminal.press(END);
    recorder.wait_until("the end", |now| marked(now).starts_with("S4999"));
    terminal.press("\x1b[H");
    let pressed = recorder.stopwatch();
    terminal.press(&PAGE_DOWN.repeat(50));
    recorder.wait_until("fifty pages", |now| {
        let row = marked(now);
        row.len() > 5
            && row[1..5].parse::<u32>().is_ok_and(|number| number > 400)
            && rows(now).iter().any(|row| row.contains("of 5000"))
    });
    let took = recorder.took(&pressed);
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}
