//! `simulate`: the built-in feed as a server of its own, here with the program itself as its
//! client.

use crate::harness::{Recorder, Run, Signal};
use crate::server::Server;
use crate::ship::gzipped;

pub(crate) fn simulate() -> Run {
    marking().arg("--plain-symbols")
}

/// One that marks its symbols, as it does by default.
fn marking() -> Run {
    Run::without_key().arg("simulate").arg("--listen").arg("127.0.0.1:0")
}

/// Where a simulator that was started says it listens.
pub(crate) fn url(simulator: &mut Recorder) -> String {
    simulator.wait_until_it_says("; Ctrl-C ends it");
    let said = simulator.stderr();
    let url = said.split_whitespace().find(|word| word.starts_with("ws://")).expect("its URL");
    url.trim_end_matches(';').to_owned()
}

fn end(mut simulator: Recorder, signal: Signal) {
    simulator.signal(signal);
    assert_eq!(simulator.wait_exit(), 0, "{signal:?}: {}", simulator.seen());
    assert_eq!(simulator.stdout(), "");
}

#[test]
fn it_serves_until_it_is_asked_to_stop() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut simulator = simulate().spawn();
        let mut recorder = Run::new().url(&url(&mut simulator)).tickers("AAPL").spawn();
        recorder.wait_for_row_count(2);
        recorder.signal(Signal::SIGTERM);
        assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
        assert!(recorder.csv().contains("\nAAPL,"), "the symbol as it was asked for");
        end(simulator, signal);
    }
}

#[test]
fn a_recording_played_back_is_recorded_the_same() {
    const COLUMNS: &str = "ticker,price,volume,timestamp_ms,conditions";
    let rows = "AAPL,100.10,5,1680300000123,1;12\nAAPL,1e-07,0.000004,1680300000122,\n\
                MSFT,2,0,1680300090000,\nAAPL,3.0,1,1680300090001,8\n";
    let recording = format!("{COLUMNS}\n{rows}");
    // Of a compressed one in two parts the second begins in the middle of a row.
    let (first, second) = recording.split_at(recording.len() - 30);
    let parts = [gzipped(first), gzipped(second)].concat();
    for (name, bytes) in [
        ("before.csv", recording.as_bytes()),
        ("before.csv.gz", &gzipped(&recording)),
        ("renamed.csv", &parts),
    ] {
        let run = simulate().file(name, bytes).arg("--replay").arg(name);
        let mut simulator = run.arg("--speed").arg("1000").spawn();
        let url = url(&mut simulator);
        let mut recorder = Run::new().url(&url).tickers("AAPL,MSFT").columns(COLUMNS).spawn();
        recorder.wait_for_row_count(4);
        simulator.wait_until_it_says("is over: 4 rows played, 0 bad rows skipped");
        recorder.signal(Signal::SIGTERM);
        assert_eq!(recorder.wait_exit(), 0, "{name}: {}", recorder.seen());
        assert_eq!(recorder.csv(), recording, "{name}");
        end(simulator, Signal::SIGINT);
    }
}

#[test]
fn faults_and_limits_are_what_was_asked_for() {
    let run = simulate().arg("--faults").arg("refuse,garbage").arg("--max-symbols").arg("3");
    let mut simulator = run.arg("--rate").arg("200").arg("--ping-every").arg("0.05").spawn();
    let tickers = "A,B,C,D,E";
    let mut recorder = Run::new().url(&url(&mut simulator)).tickers(tickers).spawn();
    recorder.wait_until_it_says("Invalid symbol C");
    recorder.wait_until_it_says("too many symbols");
    recorder.wait_until_it_says("not a trade");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    end(simulator, Signal::SIGINT);
}

#[test]
fn pings_alone_are_no_reason_to_reconnect() {
    let run = simulate().arg("--faults").arg("pings-only").arg("--ping-every").arg("0.05");
    let mut simulator = run.spawn();
    let verbose = Run::new().url(&url(&mut simulator)).tickers("AAPL").arg("--verbose");
    let mut recorder = verbose.spawn();
    recorder.wait_until_it_says("connected to");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv().lines().count(), 1, "only the header");
    end(simulator, Signal::SIGINT);
}

#[test]
fn a_port_in_use_is_reported_with_exit_code_1() {
    let server = Server::plain();
    let address = server.address().to_string();
    let run = Run::without_key().arg("simulate").arg("--listen").arg(&address);
    let (code, recorder) = run.run_to_its_end();
    assert_eq!(code, 1, "{}", recorder.seen());
    let line = recorder.only_error_line();
    assert!(line.contains(&address) && line.contains("--listen"), "{line}");
}

#[test]
fn bad_values_are_reported_in_one_line_with_exit_code_2() {
    for arguments in [
        vec!["--listen", "here"],
        vec!["--rate", "-1"],
        vec!["--rate", "1000000"],
        vec!["--rate", "fast"],
        vec!["--speed", "2"],
        vec!["--replay", "some.csv", "--rate", "2"],
        vec!["--replay", "some.csv", "--speed", "0"],
        vec!["--faults", "reset,sleep"],
        vec!["--max-symbols", "0"],
        vec!["--ping-every", "0"],
        vec!["--ping-every", "inf"],
        vec!["--tickers", "AAPL"],
    ] {
        let run = simulate().file("some.csv", "ticker,price,volume,timestamp_ms\n");
        let run = arguments.iter().fold(run, Run::arg);
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 2, "{arguments:?}: {}", recorder.seen());
        recorder.only_error_line();
    }
}

#[test]
fn a_recording_that_cannot_be_played_is_reported() {
    for (name, content) in [("missing.csv", None), ("other.csv", Some("a,b\n"))] {
        let mut run = simulate().arg("--replay").arg(name);
        if let Some(content) = content {
            run = run.file(name, content);
        }
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 1, "{}", recorder.seen());
        assert!(recorder.only_error_line().contains(name), "{}", recorder.seen());
    }
}

#[test]
fn an_address_that_others_can_reach_gets_a_warning() {
    let run = Run::without_key().arg("simulate").arg("--listen").arg("0.0.0.0:0");
    let mut simulator = run.spawn();
    simulator.wait_until_it_says("can be reached by others");
    end(simulator, Signal::SIGINT);
}

#[test]
fn help_lists_the_faults() {
    let (code, recorder) = Run::without_key().arg("simulate").arg("--help").run_to_its_end();
    assert_eq!(code, 0);
    for line in ["  reset         TCP reset", "  pings-only    pings but no trades"] {
        assert!(recorder.stdout().contains(line), "{}", recorder.seen());
    }
}

#[test]
fn its_symbols_have_a_mark_and_never_come_into_a_real_recording() {
    const REAL: &str = "ticker,price\nAAPL,1.5\n";
    let mut simulator = marking().arg("--rate").arg("100").spawn();
    let url = url(&mut simulator);
    let run = Run::new().file("op1.csv", REAL).url(&url).columns("ticker,price");
    let mut real = run.tickers("AAPL").spawn();
    real.wait_until_it_says("a simulated trade in a recording of real ones");
    real.signal(Signal::SIGTERM);
    assert_eq!(real.wait_exit(), 0, "{}", real.seen());
    assert_eq!(real.csv(), REAL);
    assert!(real.log().contains("written 0 + rejected "), "{}", real.seen());

    // Asked for by their names they are recorded, but not there.
    let marked = || Run::beside(&real).url(&url).columns("ticker,price").tickers("DEMO:AAPL");
    let (code, refused) = marked().run_to_its_end();
    assert_eq!(code, 1, "{}", refused.seen());
    assert!(
        refused.only_error_line().contains("op1.csv holds trades of AAPL"),
        "{}",
        refused.seen()
    );
    let mut recorder = marked().arg("--out").arg("simulated.csv").spawn();
    recorder
        .wait_until("rows", |now| now.text_of("simulated.csv").matches("\nDEMO:AAPL,").count() > 2);
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert!(!recorder.text_of("simulated.csv").contains("\nAAPL,"), "{}", recorder.seen());
    end(simulator, Signal::SIGINT);
}
