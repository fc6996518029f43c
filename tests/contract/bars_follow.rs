//! `bars --follow`: goes on with a recording while it is written, whatever becomes of the file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Recorder, Run, Signal};
use crate::recording::{FORETOLD_COLUMNS, now_ms, trade_message};
use crate::server::Server;

const COLUMNS: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
const LEDGER_COLUMNS: &str = "time_ms,state,tickers,reason\n";
const BARS_COLUMNS: &str = "ticker,time_ms,open,high,low,close,volume,trades,covered_ms";
const MINUTE: i64 = 60_000;

/// A minute that ended long ago on every machine: bars are due at once.
fn long_ago() -> i64 {
    (now_ms() - 30 * 86_400_000) / MINUTE * MINUTE
}

fn row(price: u32, at_ms: i64) -> String {
    format!("AAPL,{price},1,{at_ms},{at_ms},\n")
}

/// `bars op1.csv --follow` with these arguments beside what is in a folder.
fn follow(run: Run, arguments: &[&str]) -> Recorder {
    run.arg("bars").arg("op1.csv").arg("--follow").args(arguments).spawn()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).expect("the file");
    file.write_all(text.as_bytes()).expect("the disk");
}

/// The last row of each bar.
pub(crate) fn last_rows(out: &str) -> BTreeMap<(i64, String), String> {
    let rows = out.strip_prefix(BARS_COLUMNS).and_then(|rows| rows.strip_prefix('\n'));
    // What is under way has no line end yet.
    let rows = rows.unwrap_or_default().split_inclusive('\n').filter(|row| row.ends_with('\n'));
    rows.map(|row| {
        let row = row.trim_end();
        let mut fields = row.rsplit(',');
        let time_ms = fields.nth(7).expect("nine fields").parse().expect("a time");
        let ticker = fields.collect::<Vec<_>>().join(",");
        ((time_ms, ticker), row.to_owned())
    })
    .collect()
}

fn wait_for_rows(bars: &mut Recorder, expected: &[String]) {
    let what = format!("{expected:?}");
    bars.wait_until(&what, |now| {
        now.stdout().lines().skip(1).map(str::to_owned).collect::<Vec<_>>() == expected
    });
}

fn stop(bars: &mut Recorder) {
    bars.signal(Signal::SIGTERM);
    assert_eq!(bars.wait_exit(), 0, "{}", bars.seen());
}

fn stop_with_error(bars: &mut Recorder, text: &str) {
    assert_eq!(bars.wait_exit(), 1, "{}", bars.seen());
    assert!(bars.stderr().contains(text), "{text}: {}", bars.seen());
}

#[test]
fn a_bar_is_printed_after_its_end_and_again_when_a_late_trade_changes_it() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let mut bars = follow(Run::beside(&recorder), &["--every", "1s"]);
    let trade = |price: u32, time_ms: i64| {
        trade_message(&[&format!(r#"{{"p":{price},"s":"AAPL","t":{time_ms},"v":5}}"#)])
    };
    let time_ms = now_ms();
    connection.send_text(&trade(10, time_ms));
    // Nothing else trades.
    bars.wait_until("the bar", |now| now.stdout().contains(",10,10,10,10,5,1,"));
    let bar_ms = time_ms / 1000 * 1000;
    assert!(now_ms() >= bar_ms + 3000, "not before its end and two seconds: {}", bars.seen());
    connection.send_text(&trade(12, time_ms));
    let printed = |prices: &str| format!("AAPL,{bar_ms},{prices},");
    bars.wait_until("it again", |now| now.stdout().contains(&printed("10,12,10,12,10,2")));
    assert_eq!(bars.stdout().matches(&printed("10,10,10,10,5,1")).count(), 1, "{}", bars.seen());
    // A stop of both leaves what the finished recording gives.
    bars.signal(Signal::SIGINT);
    assert_eq!(bars.wait_exit(), 0, "{}", bars.seen());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let finished = Run::beside(&recorder).arg("bars").arg("op1.csv").arg("--every").arg("1s");
    let (code, finished) = finished.run_to_its_end();
    assert_eq!(code, 0, "{}", finished.seen());
    assert_eq!(last_rows(&bars.stdout()), last_rows(&finished.stdout()));
    assert!(bars.stderr().is_empty(), "{}", bars.seen());
}

#[test]
fn a_recording_that_nobody_writes_is_waited_for_through_the_start_that_closes_it() {
    let at_ms = long_ago();
    let ledger = format!("{LEDGER_COLUMNS}{at_ms},live,AAPL,\n{},down,,stopped\n", at_ms + 30_000);
    let run = Run::without_key()
        .file("op1.csv", format!("{COLUMNS}{}AAPL,2", row(1, at_ms)))
        .file("op1.coverage.csv", ledger);
    let mut bars = follow(run, &["--every", "1s", "--grace", "100ms"]);
    let old = format!("AAPL,{},1,1,1,1,1,1,1000", at_ms / 1000 * 1000);
    wait_for_rows(&mut bars, std::slice::from_ref(&old));
    let server = Server::plain();
    let recorder = Run::beside(&bars).url(&server.url()).tickers("AAPL").env("API_KEY", "key");
    let mut recorder = recorder.args(&["--rotate", "hourly", "--compress"]).spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until("the compressed file", |now| !now.names_with(".csv.gz").is_empty());
    let time_ms = now_ms();
    let trade = format!(r#"{{"p":7,"s":"AAPL","t":{time_ms},"v":5}}"#);
    connection.send_text(&trade_message(&[&trade]));
    bars.wait_until("the new bar", |now| now.stdout().contains(",7,7,7,7,5,1,"));
    assert!(bars.stdout().contains(&format!("{old}\nAAPL,")), "{}", bars.seen());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    stop(&mut bars);
    assert!(bars.stderr().is_empty(), "{}", bars.seen());
}

#[test]
fn a_kill_of_the_recorder_and_its_next_start_change_the_bars_to_those_of_the_finished_recording() {
    let server = Server::plain();
    let start = |run: Run| run.url(&server.url()).tickers("AAPL").spawn();
    let mut recorder = start(Run::new());
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let mut bars = follow(Run::beside(&recorder), &["--every", "1s", "--grace", "100ms"]);
    for round in 0..4_usize {
        for number in 0..50 {
            let trade = format!(r#"{{"p":{number},"s":"AAPL","t":{},"v":5}}"#, now_ms());
            connection.send_text(&trade_message(&[&trade]));
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        recorder.wait_for_row_count(50 * round + 50);
        recorder.signal(Signal::SIGKILL);
        assert_eq!(recorder.wait_exit(), -9);
        // Half a row, as a kill may leave one.
        append(&recorder.path("op1.csv"), "AAPL,9,");
        drop(connection);
        recorder = start(Run::beside(&recorder).env("API_KEY", "key"));
        connection = server.connect_and_wait_for_subscriptions(1);
    }
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let finished = Run::beside(&recorder).arg("bars").arg("op1.csv").arg("--every").arg("1s");
    let (code, finished) = finished.run_to_its_end();
    assert_eq!(code, 0, "{}", finished.seen());
    let expected = last_rows(&finished.stdout());
    bars.wait_until(&format!("{expected:#?}"), |now| last_rows(&now.stdout()) == expected);
    stop(&mut bars);
    assert!(bars.stderr().is_empty(), "{}", bars.seen());
}

#[test]
fn covered_bars_without_a_trade_are_printed_when_they_have_ended() {
    let server = Server::plain();
    let recorder = Run::new().url(&server.url()).tickers("AAPL,MSFT").spawn();
    let _connection = server.connect_and_wait_for_subscriptions(2);
    let arguments = ["--every", "1s", "--empty", "--grace", "100ms"];
    let mut bars = follow(Run::beside(&recorder), &arguments);
    bars.wait_until("two whole seconds of both", |now| {
        let out = now.stdout();
        ["AAPL", "MSFT"].iter().all(|ticker| {
            let is_whole = |row: &&str| row.starts_with(ticker) && row.ends_with(",,,,0,0,1000");
            out.lines().filter(is_whole).count() >= 2
        })
    });
    let times: Vec<i64> = last_rows(&bars.stdout()).keys().map(|(time_ms, _)| *time_ms).collect();
    assert!(times.windows(2).all(|two| two[1] - two[0] <= 1000), "{}", bars.seen());
    stop(&mut bars);
}

/// A recording of one bar that is followed, and whose bar was printed.
fn followed() -> (Recorder, PathBuf, i64) {
    let at_ms = long_ago();
    let run = Run::without_key().file("op1.csv", format!("{COLUMNS}{}", row(1, at_ms)));
    let mut bars = follow(run, &[]);
    wait_for_rows(&mut bars, &[bar(at_ms, "1,1,1,1,1,1")]);
    let path = bars.path("op1.csv");
    (bars, path, at_ms)
}

fn bar(time_ms: i64, rest: &str) -> String {
    format!("AAPL,{time_ms},{rest},")
}

#[test]
fn half_a_row_is_waited_for_and_one_that_is_cut_off_is_none() {
    let (mut bars, path, at_ms) = followed();
    let rest = row(2, at_ms + MINUTE);
    append(&path, &rest[..9]);
    append(&path, &rest[9..]);
    let mut expected = vec![bar(at_ms, "1,1,1,1,1,1"), bar(at_ms + MINUTE, "2,2,2,2,1,1")];
    wait_for_rows(&mut bars, &expected);
    // As the repair after a kill does.
    let length = fs::metadata(&path).expect("the file").len();
    append(&path, "AAPL,9,9,9");
    OpenOptions::new().write(true).open(&path).and_then(|it| it.set_len(length)).expect("a cut");
    append(&path, &row(3, at_ms + 2 * MINUTE));
    expected.push(bar(at_ms + 2 * MINUTE, "3,3,3,3,1,1"));
    wait_for_rows(&mut bars, &expected);
    stop(&mut bars);
    let said = "1 recording without a ledger beside it: covered_ms is empty for its bars\n";
    assert_eq!(bars.stderr(), said);
}

#[test]
fn a_file_that_was_emptied_or_changed_is_an_error_and_no_jump() {
    let (mut bars, path, _) = followed();
    fs::write(&path, "").expect("the file");
    stop_with_error(&mut bars, "error: op1.csv: it has 0 bytes, and 94 were read of it");
    let (mut bars, path, at_ms) = followed();
    let other = format!("{COLUMNS}{}", row(1, at_ms)).replace("AAPL", "MSFT");
    let file = OpenOptions::new().write(true).open(&path).expect("the file");
    std::os::unix::fs::FileExt::write_all_at(&file, other.as_bytes(), 0).expect("the disk");
    append(&path, &row(2, at_ms));
    stop_with_error(&mut bars, "error: op1.csv: what was read of it, up to byte 94, is no longer");
}

#[test]
fn files_that_are_closed_meanwhile_are_read_in_order_and_a_copy_is_read_once() {
    let (mut bars, path, at_ms) = followed();
    let minute = |number: i64| at_ms + number * MINUTE;
    let label = |name: &str| path.with_file_name(name);
    let text = |number: u32| format!("{COLUMNS}{}", row(number, minute(i64::from(number) - 1)));
    // The one that is followed is closed and compressed, and so is the next one at once.
    append(&path, &row(2, minute(1)));
    let bytes = fs::read(&path).expect("the file");
    for (name, bytes) in [
        ("op1-2026-11-23T14.csv.gz", bytes.as_slice()),
        ("op1-2026-11-23T15.csv.gz", text(3).as_bytes()),
    ] {
        let mut gzip =
            GzEncoder::new(File::create(label(name)).expect("a file"), Compression::fast());
        gzip.write_all(bytes).expect("the disk");
        gzip.finish().expect("the disk");
    }
    fs::write(label("op1-2026-11-23T16.csv"), text(4)).expect("the disk");
    fs::write(label("next"), text(5)).expect("the disk");
    fs::rename(label("next"), &path).expect("a rename");
    let mut expected: Vec<String> =
        (1..=5).map(|n| bar(minute(n - 1), &format!("{n},{n},{n},{n},1,1"))).collect();
    wait_for_rows(&mut bars, &expected);
    // As an editor does.
    fs::copy(&path, label("next")).expect("a copy");
    append(&label("next"), &row(6, minute(5)));
    fs::rename(label("next"), &path).expect("a rename");
    expected.push(bar(minute(5), "6,6,6,6,1,1"));
    wait_for_rows(&mut bars, &expected);
    // Removed, and another one begun.
    fs::remove_file(&path).expect("the file");
    fs::write(label("next"), text(7)).expect("the disk");
    fs::rename(label("next"), &path).expect("a rename");
    expected.push(bar(minute(6), "7,7,7,7,1,1"));
    wait_for_rows(&mut bars, &expected);
    stop(&mut bars);
}

#[test]
fn rows_of_a_recording_that_is_removed_while_it_is_recorded_count_once() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let mut bars = follow(Run::beside(&recorder), &[]);
    let (at_ms, mut sent) = (long_ago(), 0);
    for _ in 0..3 {
        for is_removed in [false, true] {
            for _ in 0..20 {
                sent += 1;
                let trade = format!(r#"{{"p":{sent},"s":"AAPL","t":{},"v":1}}"#, at_ms + sent);
                connection.send_text(&trade_message(&[&trade]));
            }
            if !is_removed {
                let all = format!("AAPL,{at_ms},1,{sent},1,{sent},{sent},{sent},");
                bars.wait_until(&all, |now| now.stdout().contains(&all));
                fs::remove_file(recorder.path("op1.csv")).expect("the file");
            }
        }
        recorder.wait_until("the new file", |now| now.csv().contains(&format!("AAPL,{sent},")));
    }
    let all = format!("AAPL,{at_ms},1,{sent},1,{sent},{sent},{sent},");
    bars.wait_until(&all, |now| now.stdout().contains(&all));
    stop(&mut bars);
    assert!(last_rows(&bars.stdout())[&(at_ms, "AAPL".to_owned())].starts_with(&all));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
fn missing_columns_are_said_once_and_malformed_rows_are_told_as_they_come() {
    let at_ms = long_ago();
    let text = format!("ticker,price,volume,timestamp_ms\nAAPL,1,1,{at_ms}\n");
    let mut bars = follow(Run::without_key().file("op1.csv", text), &[]);
    wait_for_rows(&mut bars, &[bar(at_ms, "1,1,1,1,1,1")]);
    append(&bars.path("op1.csv"), &format!("AAPL,x,1,{at_ms}\nAAPL,2,1,{at_ms}\n"));
    wait_for_rows(&mut bars, &[bar(at_ms, "1,1,1,1,1,1"), bar(at_ms, "1,2,1,2,2,2")]);
    bars.wait_until_it_says("error: op1.csv: line 3: price \"x\" is not a number");
    bars.signal(Signal::SIGTERM);
    assert_eq!(bars.wait_exit(), 1, "{}", bars.seen());
    assert_eq!(bars.stderr().matches("it has no conditions").count(), 1, "{}", bars.seen());
    assert_eq!(bars.stderr().matches("without a ledger").count(), 1, "{}", bars.seen());
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let (code, bars) = Run::without_key().args(&["bars", "op1.csv", "--follow"]).run_to_its_end();
    assert_eq!(code, 1, "{}", bars.seen());
    assert!(
        bars.stderr().contains("error: op1.csv: cannot open it: No such file"),
        "{}",
        bars.seen()
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(COLUMNS.as_bytes()).expect("memory");
    let run = Run::without_key().file("op1.csv.gz", gzip.finish().expect("memory"));
    let (code, bars) = run.args(&["bars", "op1.csv.gz", "--follow"]).run_to_its_end();
    assert_eq!(code, 1, "{}", bars.seen());
    assert!(
        bars.stderr().contains("it is compressed, and nothing will be added"),
        "{}",
        bars.seen()
    );
    let run = Run::without_key().folder("op1.csv").args(&["bars", "op1.csv", "--follow"]);
    let (code, bars) = run.run_to_its_end();
    assert_eq!(code, 1, "{}", bars.seen());
    assert!(bars.stderr().contains("it is not an ordinary file"), "{}", bars.seen());
    let run = Run::without_key().args(&["bars", "op1.csv", "--grace", "1s"]);
    let (code, bars) = run.run_to_its_end();
    assert_eq!(code, 2, "{}", bars.seen());
}

#[test]
fn nobody_who_reads_any_more_ends_it_quietly_and_a_full_disk_does_not() {
    let run = || Run::without_key().file("op1.csv", format!("{COLUMNS}{}", row(1, long_ago())));
    let arguments = ["bars", "op1.csv", "--follow"];
    // Nothing more is ever written.
    let script = "{ \"$@\"; echo \"code $?\" >&2; } | head -2";
    let (_, bars) = run().args(&arguments).through(&["sh", "-c", script, "sh"]).run_to_its_end();
    assert!(bars.stderr().ends_with("code 0\n"), "{}", bars.seen());
    assert!(!bars.stderr().contains("error"), "{}", bars.seen());
    #[cfg(target_os = "linux")]
    {
        let run = run().args(&arguments).through(&["sh", "-c", "exec \"$@\" > /dev/full", "sh"]);
        let (code, bars) = run.run_to_its_end();
        assert_eq!(code, 1, "{}", bars.seen());
        assert!(bars.stderr().contains("cannot write the bars: No space left"), "{}", bars.seen());
    }
}

#[test]
fn a_reader_that_takes_nothing_holds_no_stop_up() {
    let at_ms = long_ago();
    let rows: String = (0..20_000).map(|n| row(1, at_ms + n * 1000)).collect();
    let run = Run::without_key().file("op1.csv", format!("{COLUMNS}{rows}"));
    let run = run.args(&["bars", "op1.csv", "--follow", "--every", "1s"]);
    let mut bars = run.through(&["sh", "-c", "mkfifo pipe && exec \"$@\" > pipe", "sh"]).spawn();
    bars.wait_until("the pipe", |now| now.path("pipe").exists());
    let mut pipe = File::open(bars.path("pipe")).expect("the pipe");
    let mut taken = [0; 4096];
    pipe.read_exact(&mut taken).expect("the first bars");
    bars.signal(Signal::SIGTERM);
    assert_eq!(bars.wait_exit(), 1, "{}", bars.seen());
}

#[test]
#[ignore = "needs Python"]
fn the_readmes_recipe_brings_bars_to_a_database() {
    let readme = include_str!("../../README.md");
    let begin = readme.find("import csv, sqlite3, sys").expect("the recipe");
    let script = &readme[begin..begin + readme[begin..].find("```").expect("its end")];
    let at_ms = long_ago();
    let run = Run::without_key()
        .file("op1.csv", format!("{COLUMNS}{}", row(1, at_ms)))
        .file("candles.py", script)
        .through(&["sh", "-c", "exec \"$@\" >> bars.csv", "sh"]);
    let mut bars = follow(run, &[]);
    bars.wait_until("the first bar", |now| now.text_of("bars.csv").contains(",1,1,1,1,1,1,"));
    let ship = ["ship", "bars.csv", "--name", "candles", "--", "python3", "candles.py"];
    let mut shipped = Run::beside(&bars).args(&ship).spawn();
    append(&bars.path("op1.csv"), &row(2, at_ms));
    bars.wait_until("the second row", |now| now.text_of("bars.csv").contains(",1,2,1,2,2,2,"));
    stop(&mut bars);
    // Another start begins with a header again.
    let run = Run::beside(&bars).through(&["sh", "-c", "exec \"$@\" >> bars.csv", "sh"]);
    append(&bars.path("op1.csv"), &row(3, at_ms + MINUTE));
    let mut bars = follow(run, &[]);
    bars.wait_until("the third bar", |now| now.text_of("bars.csv").contains(",3,3,3,3,1,1,"));
    stop(&mut bars);
    let query = "import sqlite3; print(sqlite3.connect('bars.db').execute('SELECT time_ms, close, volume, trades FROM bars ORDER BY time_ms').fetchall())";
    let expected = format!("[({at_ms}, 2.0, 2.0, 2), ({}, 3.0, 1.0, 1)]\n", at_ms + MINUTE);
    shipped.wait_until(&expected, |now| {
        let folder = now.path("bars.db").with_file_name("");
        let found = Command::new("python3").args(["-c", query]).current_dir(folder).output();
        String::from_utf8_lossy(&found.expect("python3").stdout) == expected
    });
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
}
