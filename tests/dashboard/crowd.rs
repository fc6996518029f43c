//! Fifty clients cost the recording nothing.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::feed::Feed;
use crate::http::{Events, connect};
use crate::program::Program;
use crate::waiting::wait_until;

/// What is sent: 5,000 messages a second for three seconds, in steps of ten milliseconds.
const STEPS: usize = 300;
const MESSAGES_A_STEP: usize = 50;
const TRADES_A_MESSAGE: usize = 4;
const STEP: Duration = Duration::from_millis(10);

fn message(number: usize) -> String {
    let trades: Vec<_> = (0..TRADES_A_MESSAGE)
        .map(|part| {
            let sequence = number * TRADES_A_MESSAGE + part;
            let symbol = format!("S{}", sequence % 50);
            json!({"c": ["1"], "p": 100, "s": symbol, "t": 1_680_286_537_580_i64, "v": sequence})
        })
        .collect();
    json!({"data": trades, "type": "trade"}).to_string()
}

#[test]
fn fifty_clients_of_which_ten_never_read_cost_no_trade() {
    let symbols: Vec<String> = (0..50).map(|number| format!("S{number}")).collect();
    let feed = Feed::start();
    let mut program = Program::recording(&feed.url(), &symbols.join(","));
    let mut line = feed.accept(50);
    let address = program.address();
    let total = STEPS * MESSAGES_A_STEP * TRADES_A_MESSAGE;
    let stuck: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = connect(address);
            let ask = format!("GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
            stream.write_all(ask.as_bytes()).unwrap();
            stream
        })
        .collect();
    let readers: Vec<_> = (0..40)
        .map(|_| {
            thread::spawn(move || {
                let mut events = Events::follow(address);
                let mut seen = 0_u32;
                while let Some(event) = events.next() {
                    seen += 1;
                    if event["written"] == total {
                        return seen;
                    }
                }
                panic!("the events ended after {seen}");
            })
        })
        .collect();
    let (started, began) = (Instant::now(), program.stopwatch());
    for step in 0..STEPS {
        for number in 0..MESSAGES_A_STEP {
            line.send(message(step * MESSAGES_A_STEP + number));
        }
        let next = STEP * u32::try_from(step + 1).unwrap();
        thread::sleep(next.saturating_sub(started.elapsed()));
    }
    let sent = program.took(&began);
    assert!(sent < Duration::from_secs(6), "the recorder held the server up: {sent:?}");
    wait_until("all rows", || program.rows(), |rows| *rows == total);
    for reader in readers {
        assert!(reader.join().unwrap() > 5, "it followed the whole time");
    }
    drop(stuck);
    let status = program.wait_for_status("the sums", |status| status["written"] == total);
    assert_eq!((&status["received"], &status["dropped"]), (&json!(total), &json!(0)));
    let csv = std::fs::read_to_string(program.path("op1.csv")).unwrap();
    let in_order = csv
        .lines()
        .skip(1)
        .enumerate()
        .all(|(sequence, row)| row.split(',').nth(2) == Some(sequence.to_string().as_str()));
    assert!(in_order, "every trade once and in order");
    drop(line);
    assert!(program.stop().success());
}
