//! `--out` is a symbolic link, as to a larger disk: it stays one, and everything is beside its target.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::connection::Connection;
use crate::harness::{Recorder, Run, Signal};
use crate::journal::message;
use crate::recording::{FORETOLD_COLUMNS, assert_says, rows_of_ledger};
use crate::server::Server;
use crate::ship::{KEEP, kept, ship};

const HEADER: &str = "ticker,price,received_ms\n";
/// Received at 2026-11-18T11:06:40Z.
const OLD_ROW: &str = "AAPL,1,1795000000000\n";
const OLD_LEDGER: &str =
    "time_ms,state,tickers,reason\n1794999990000,live,AAPL,\n1795000000000,down,,stopped\n";

/// A run with links in its folder: name and target.
fn linked(links: &[(&str, &str)]) -> Run {
    let run = Run::new().folder("big");
    for (name, target) in links {
        symlink(target, run.directory().join(name)).expect("a link");
    }
    run
}

/// Records one trade to `op1.csv`, and stops.
fn record(server: &Server, run: Run) -> Recorder {
    let (mut recorder, mut connection) = start(server, run);
    connection.send_text(&message(2..=2));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,2,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    recorder
}

fn start(server: &Server, run: Run) -> (Recorder, Connection) {
    let run = run.url(&server.url()).tickers("AAPL").columns(HEADER.trim_end());
    let recorder = run.spawn();
    (recorder, server.connect_and_wait_for_subscriptions(1))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn is_link(recorder: &Recorder, name: &str) -> bool {
    fs::symlink_metadata(recorder.path(name)).is_ok_and(|found| found.is_symlink())
}

#[test]
fn files_are_closed_and_compressed_beside_the_target_of_a_link() {
    for links in [
        [("op1.csv", "big/op1.csv")].as_slice(),
        &[("op1.csv", "link"), ("link", "big/op1.csv")],
        &[("op1.csv", "big/op1.csv"), ("op1.coverage.csv", "big/op1.coverage.csv")],
    ] {
        let server = Server::plain();
        let run = linked(links)
            .file("big/op1.csv", format!("{HEADER}{OLD_ROW}"))
            .file("big/op1.coverage.csv", OLD_LEDGER);
        let before = names_in(run.directory());
        let run = run.arg("--rotate").arg("daily").arg("--compress");
        let (mut recorder, mut connection) = start(&server, run);
        recorder.wait_until("it is compressed", |now| {
            now.path("big/op1-2026-11-18.csv.gz").exists()
                && !now.path("big/op1-2026-11-18.csv").exists()
        });
        connection.send_text(&message(2..=2));
        recorder.wait_until("the row", |now| now.csv().contains("AAPL,2,"));
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());

        assert!(links.iter().all(|(name, _)| is_link(&recorder, name)), "{links:?}");
        let mut expected = [before, vec!["websocket_data.log".to_owned()]].concat();
        expected.sort();
        assert_eq!(names_in(&recorder.path("")), expected, "{links:?}");
        let expected = [
            "op1-2026-11-18.coverage.csv",
            "op1-2026-11-18.csv.gz",
            "op1.coverage.csv",
            "op1.csv",
            "op1.csv.lock",
        ];
        assert_eq!(names_in(&recorder.path("big")), expected, "{links:?}");
        assert_eq!(recorder.text_of("big/op1-2026-11-18.coverage.csv"), OLD_LEDGER);
        let rows = rows_of_ledger(&recorder.text_of("big/op1.coverage.csv"));
        let states: Vec<&str> = rows.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(states, ["down", "live", "down"], "{rows:?}");

        let verify = Run::beside(&recorder).arg("verify").arg("--json").arg("op1.csv");
        let (code, verified) = verify.arg("big/op1-2026-11-18.csv.gz").run_to_its_end();
        let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
        assert_eq!((code, &report["total"]["files_without_ledger"]), (0, &0.into()), "{report}");
        let recordings = report["recordings"].as_array().expect("recordings");
        assert_eq!(recordings.len(), 1, "one recording, whatever its name: {report}");

        let (code, shipped) = ship(Run::beside(&recorder), "--once", KEEP).run_to_its_end();
        assert_eq!(code, 0, "{}", shipped.seen());
        let rows: String = kept(&shipped.path("")).into_values().collect();
        let live = recorder.csv();
        assert_eq!(rows, format!("{OLD_ROW}{}", live.strip_prefix(HEADER).expect("the header")));
    }
}

#[test]
fn behind_a_link_to_nothing_a_recording_begins() {
    let server = Server::plain();
    let run = linked(&[("op1.csv", "big/other.csv")]).file("op1.coverage.csv", OLD_LEDGER);
    let recorder = record(&server, run);
    assert!(is_link(&recorder, "op1.csv"));
    let expected = ["other.coverage.csv", "other.csv", "other.csv.lock"];
    assert_eq!(names_in(&recorder.path("big")), expected);
    let expected = ["big", "op1.coverage.csv", "op1.csv", "websocket_data.log"];
    assert_eq!(names_in(&recorder.path("")), expected);
    // Such a ledger is of a program that did not look where links lead.
    assert_eq!(recorder.ledger(), OLD_LEDGER);
    for said in ["op1.csv is a link; all files are beside ", "op1.coverage.csv is not the ledger: "]
    {
        assert_says(&recorder, said);
    }
}

#[test]
fn a_refused_start_leaves_nothing_behind_a_link() {
    let server = Server::plain();
    let run = linked(&[("op1.csv", "big/op1.csv")]).url(&server.url()).tickers("AAPL");
    let mut recorder = run.spawn();
    server.accept().refuse("401 Unauthorized", "", "");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    assert_eq!(names_in(&recorder.path("")), ["big", "op1.csv"]);
    assert_eq!(names_in(&recorder.path("big")), [""; 0]);
}

#[test]
fn a_recording_has_one_lock_and_one_ledger_under_all_its_names() {
    let links = [("op1.csv", "big/op1.csv"), ("second.csv", "op1.csv")];
    for tidied_up in [false, true] {
        let server = Server::plain();
        let (mut recorder, connection) = start(&server, linked(&links));
        recorder
            .wait_until("it is live", |now| now.text_of("big/op1.coverage.csv").contains("live"));
        if tidied_up {
            fs::remove_file(recorder.path("big/op1.csv.lock")).expect("the lock file");
        }
        for out in ["op1.csv", "second.csv", "big/op1.csv"] {
            let run = Run::beside(&recorder).url(&server.url()).tickers("AAPL");
            let run = run.columns(HEADER.trim_end()).arg("--log-file").arg("second.log");
            let (code, second) = run.arg("--out").arg(out).run_to_its_end();
            assert_eq!(code, 1, "{out}: {}", second.seen());
            let line = second.only_error_line();
            assert!(line.contains(out) && line.contains("another process"), "{line}");
        }
        assert!(!server.has_a_caller(Duration::ZERO), "it must not connect");
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    }
}

/// A kill under one name is put down in the ledger by the start under another.
#[test]
fn a_kill_under_one_name_is_repaired_by_a_start_under_another() {
    let server = Server::plain();
    let (mut recorder, mut connection) = start(&server, linked(&[("op1.csv", "big/op1.csv")]));
    connection.send_text(&message(1..=1));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,1,"));
    recorder.signal(Signal::SIGKILL);
    recorder.wait_exit();
    let run = Run::beside(&recorder).arg("--out").arg("big/op1.csv");
    let recorder = record(&server, run);
    let rows = rows_of_ledger(&recorder.text_of("big/op1.coverage.csv"));
    let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(reasons, ["", "killed", "", "stopped"], "{rows:?}");
}

/// Its closed ledgers are beside its target, and found beside the closed files.
#[test]
fn a_ledger_that_is_a_link_stays_one() {
    let server = Server::plain();
    let run = linked(&[("op1.coverage.csv", "big/ledger.csv")])
        .file("op1.csv", format!("{HEADER}{OLD_ROW}"))
        .file("big/ledger.csv", OLD_LEDGER);
    let recorder = record(&server, run.arg("--rotate").arg("daily"));
    assert!(is_link(&recorder, "op1.coverage.csv"));
    assert_eq!(names_in(&recorder.path("big")), ["ledger.csv", "op1-2026-11-18.coverage.csv"]);
    assert_eq!(recorder.text_of("big/op1-2026-11-18.coverage.csv"), OLD_LEDGER);
    assert!(recorder.ledger().ends_with("stopped\n"), "{}", recorder.seen());
    let verify = Run::beside(&recorder).arg("verify").arg("--json").arg("op1-2026-11-18.csv");
    let (code, verified) = verify.run_to_its_end();
    let report: serde_json::Value = serde_json::from_str(&verified.stdout()).expect("JSON");
    let covered = &report["files"][0]["coverage"]["covered_ms"];
    assert_eq!((code, covered), (0, &10_000.into()), "{report}");
}

#[test]
fn a_link_that_is_set_to_another_place_takes_the_next_rows_there() {
    let server = Server::plain();
    let run = linked(&[("op1.csv", "big/op1.csv")]).folder("bigger");
    let (mut recorder, mut connection) = start(&server, run);
    connection.send_text(&message(1..=1));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,1,"));
    symlink("bigger/op1.csv", recorder.path("next")).expect("a link");
    fs::rename(recorder.path("next"), recorder.path("op1.csv")).expect("to be set");
    recorder.wait_until_it_says("bigger/op1.coverage.csv was moved or removed");
    connection.send_text(&message(2..=2));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,2,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert!(is_link(&recorder, "op1.csv"));
    assert!(recorder.text_of("bigger/op1.coverage.csv").ends_with("stopped\n"));
    let names = names_in(&recorder.path("bigger"));
    assert_eq!(names, ["op1.coverage.csv", "op1.csv", "op1.csv.lock"]);
}

#[test]
fn what_belongs_to_a_recording_is_known_behind_links_as_well() {
    for (links, log) in [
        ([("op1.csv", "big/op1.csv")].as_slice(), "big/op1.csv"),
        (&[("op1.csv", "big/op1.csv")], "big/op1.coverage.csv"),
        (&[("op1.csv", "big/op1.csv")], "big/op1.csv.lock"),
        (&[("op1.csv", "big/op1.csv"), ("log", "big/op1.coverage.csv")], "log"),
        (&[("op1.coverage.csv", "big/ledger.csv")], "big/ledger.csv"),
    ] {
        let run = linked(links).tickers("AAPL").url("ws://127.0.0.1:9").arg("--log-file").arg(log);
        let (code, recorder) = run.columns(FORETOLD_COLUMNS).run_to_its_end();
        assert_eq!(code, 2, "{log}: {}", recorder.seen());
        assert!(recorder.only_error_line().contains("another name"), "{}", recorder.seen());
    }
}
