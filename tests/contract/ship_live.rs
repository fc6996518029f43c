//! `ship` beside a recorder at work: only what is on the disk, soon, and through kills of both.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::harness::{Recorder, Run, Signal};
use crate::journal::{Journal, numbers_of};
use crate::recording::{FORETOLD_COLUMNS, trade_message};
use crate::server::Server;
use crate::ship::{KEEP, beside, kept, kept_rows, recording, rows, ship};

fn trade(price: u32) -> String {
    trade_message(&[&format!(r#"{{"p":{price},"s":"AAPL","t":1680300000123,"v":5}}"#)])
}

#[test]
fn rows_are_shipped_soon_after_they_are_recorded() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let mut shipped = beside(&recorder, "", "cat >> got");
    for price in 1..=4 {
        connection.send_text(&trade(price));
        shipped.wait_until("the row", |now| now.text_of("got").contains(&format!("AAPL,{price},")));
    }
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    assert!(recorder.csv().ends_with(&shipped.text_of("got")));
}

#[test]
fn rows_that_a_power_cut_could_take_back_wait() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").arg("--fsync").arg("60m");
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    // The ledger's first row takes what is before it to the disk.
    connection.send_text(&trade(1));
    let mut shipped = beside(&recorder, "--batch-wait 1ms", "cat >> got");
    wait_for_proof(&mut recorder);
    connection.send_text(&trade(2));
    recorder.wait_for_row_count(2);
    // Two proofs of life later the file has been looked at many times.
    wait_for_proof(&mut recorder);
    wait_for_proof(&mut recorder);
    assert!(!shipped.text_of("got").contains("AAPL,2,"), "{}", shipped.seen());
    assert!(shipped.is_running());
    // Nobody records any more: the file is what it is.
    recorder.signal(Signal::SIGKILL);
    recorder.wait_exit();
    shipped.wait_until("the row", |now| now.text_of("got").contains("AAPL,2,"));
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
}

/// Waits until the recorder has written another heartbeat.
fn wait_for_proof(recorder: &mut Recorder) {
    let before = recorder.text_of("op1.csv.lock");
    recorder.wait_until("another proof", |now| now.text_of("op1.csv.lock") != before);
}

#[test]
fn who_never_forces_rows_to_the_disk_is_followed_all_the_same() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").arg("--fsync").arg("never");
    let recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade(1));
    let mut shipped = beside(&recorder, "--batch-wait 1ms", "cat >> got");
    shipped.wait_until("the row", |now| now.text_of("got").contains("AAPL,1,"));
}

#[test]
fn once_waits_for_rows_that_are_there_but_not_on_the_disk_yet() {
    let server = Server::plain();
    let mut recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade(1));
    recorder.wait_for_row_count(1);
    let mut shipped = beside(&recorder, "--once", "cat >> got");
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    assert!(shipped.text_of("got").contains("AAPL,1,"), "{}", shipped.seen());
}

#[test]
fn a_recording_that_is_moved_away_is_shipped_to_its_end() {
    let server = Server::plain();
    let recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&trade(1));
    let mut shipped = beside(&recorder, "--batch-wait 1ms", "cat >> got");
    shipped.wait_until("the row", |now| now.text_of("got").contains("AAPL,1,"));
    fs::rename(recorder.path("op1.csv"), recorder.path("moved.csv")).expect("a rename");
    // As `logrotate` with `create` does: a new file at once, while rows still go to the old one.
    fs::write(recorder.path("op1.csv"), "").expect("a file");
    let mut price = 1;
    while !recorder.log().contains("moved or removed") {
        price += 1;
        connection.send_text(&trade(price));
        thread::sleep(Duration::from_millis(50));
    }
    price += 1;
    connection.send_text(&trade(price));
    shipped.wait_until("the last row", |now| now.text_of("got").contains(&format!(",{price},")));
    let got = shipped.text_of("got");
    let prices = got.lines().map(|row| row.split(',').nth(1)?.parse().ok());
    assert_eq!(prices.collect::<Option<Vec<u32>>>(), Some((1..=price).collect()));
}

/// How often each is killed; more with this variable in the environment.
const KILLS: u32 = 12;
const KILLS_VARIABLE: &str = "FINNHUB_TEST_KILLS";

/// Every batch comes whole or not at all, with the same bytes each time; all together are the file.
#[test]
#[expect(clippy::print_stderr, reason = "the counts and the seed belong into the test's record")]
fn kills_of_ship_at_any_instant_lose_nothing_and_change_no_batch() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |n| n.parse().expect("a number")) * 4;
    let seed = fastrand::u64(..);
    eprintln!("{kills} kills, seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    // More than the kills leave time for.
    let total = 400 * u64::from(kills);
    let mut shipped = ship(recording(0..total), "--batch-rows 100", KEEP).spawn();
    for _ in 0..kills {
        thread::sleep(Duration::from_micros(dice.u64(0..40_000)));
        shipped.signal(Signal::SIGKILL);
        shipped.wait_exit();
        let rows = dice.u32(1..200);
        shipped = beside(&shipped, &format!("--batch-rows {rows}"), KEEP);
    }
    shipped.signal(Signal::SIGKILL);
    shipped.wait_exit();
    let mut last = beside(&shipped, "--once", KEEP);
    last.wait_until_shipped();
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    let folder = last.path("");
    assert!(kept_rows(&folder) == rows(0..total), "every row, once by its batch's id, in order");
    let copies = fs::read_dir(&folder).expect("the folder").count();
    eprintln!("{} batches, some of {copies} files repeated", kept(&folder).len());
}

#[test]
#[expect(clippy::print_stderr, reason = "the counts and the seed belong into the test's record")]
fn kills_of_recorder_and_ship_lose_nothing() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |n| n.parse().expect("a number"));
    let seed = fastrand::u64(..);
    eprintln!("{kills} kills, seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let journal = Journal::start();
    let record = |run: Run| {
        let run = run.url(&journal.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
        run.arg("--fsync").arg("50ms").spawn()
    };
    let follow = |recorder: &Recorder| beside(recorder, "--batch-wait 20ms --batch-rows 300", KEEP);
    let mut recorder = record(Run::new());
    recorder.wait_for_row_count(1);
    let mut shipped = follow(&recorder);
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(dice.u64(0..600)));
        let victim = if dice.bool() { &mut recorder } else { &mut shipped };
        victim.signal(Signal::SIGKILL);
        victim.wait_exit();
        if !recorder.is_running() {
            recorder = record(Run::beside(&shipped));
        }
        if !shipped.is_running() {
            shipped = follow(&recorder);
        }
    }
    recorder.signal(Signal::SIGTERM);
    recorder.wait_exit();
    shipped.wait_until_it_says("accepted before");
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let mut last = beside(&shipped, "--once", KEEP);
    assert_eq!(last.wait_exit(), 0, "{}", last.seen());
    let whole = last.csv();
    let expected = whole.strip_prefix(&format!("{FORETOLD_COLUMNS}\n")).expect("the header");
    assert!(kept_rows(&last.path("")) == expected, "every row, once by its batch's id, in order");
    eprintln!("{} rows", numbers_of(expected).len());
}
