//! Counts that run backwards break no arithmetic, in a build that checks it either; and a writer that
//! panics all the same is not left alone.

use std::fs;
use std::thread;
use std::time::Duration;

use finnhub_stream::feed::Timeouts;

use crate::feed_state::status;
use crate::frames::Opcode;
use crate::harness::Run;
use crate::inside::{Inside, POISON};
use crate::journal::message;
use crate::recording::{FORETOLD_COLUMNS, assert_says, now_ms, summary_line, trade_message};
use crate::server::Server;

/// What was written to a file that is gone counts as written no more, until it is written again.
#[test]
fn rows_that_are_gone_with_their_directory_leave_the_rate_a_rate() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let run = run.folder("data").arg("--out").arg("data/op1.csv").arg("--dashboard=127.0.0.1:0");
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let data = recorder.path("data");
    // Right after a look at the files: those rows are not safe before the next one.
    let looked = fs::read(data.join("op1.csv.lock")).expect("the lock");
    recorder.wait_until("a look at the files", |_| {
        fs::read(data.join("op1.csv.lock")).is_ok_and(|now| now != looked)
    });
    connection.send_text(&message(1..=1_000));
    recorder.wait_until("the rows in the status", |now| status(now)["written"] == 1_000);
    fs::remove_dir_all(&data).expect("to be removed");
    recorder.wait_until_it_says("file is gone");
    // Longer than the span over which the rate is taken.
    let until_ms = now_ms() + 6_000;
    while status(&recorder)["published_ms"].as_i64().expect("a time") < until_ms {
        let now = status(&recorder);
        let rate = now["trades_per_second"].as_f64().expect("a rate");
        assert!((0.0..=1e6).contains(&rate), "{now}");
        assert!(recorder.is_running(), "{}", recorder.seen());
        thread::sleep(Duration::from_millis(50));
    }
    fs::create_dir(&data).expect("to be made again");
    recorder.wait_until_it_says("writing again");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_says(&recorder, &summary_line(1_000, 0));
}

/// Inside the test: no input is known that makes the built binary's writer panic. The server says
/// nothing more, as in a quiet night.
#[test]
fn a_writer_that_panics_ends_the_session_also_when_nothing_comes() {
    let server = Server::plain();
    let inside = Inside::start(&server.url(), &["AAPL"], Timeouts::default());
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&message(1..=1));
    inside.wait_until("the first row", |now| now.csv().ends_with(",1\n"));
    connection.send_text(&trade_message(&[&format!("\"{POISON}\"")]));
    connection.wait_for(Opcode::Close);
    drop(connection);
    inside.wait_until("the end of the session", Inside::has_ended);
    inside.expect_panic_of_writer();
}
