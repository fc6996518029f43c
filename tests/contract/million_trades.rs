//! A million trades as fast as the program takes them: none missing, none twice, none out of order;
//! and a million symbols, of which no more are remembered than fit.

use std::fmt::Write as _;

use crate::frames::{Opcode, append_frame};
use crate::harness::Run;
use crate::recording::{FORETOLD_COLUMNS, assert_says, summary_line};
use crate::server::Server;

const TRADES: usize = 1_000_000;

/// Frames with the trades of `numbers`, the number as price, in messages of changing length.
fn frames_of(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let mut frames = Vec::with_capacity(numbers.len() * 90);
    let mut message = String::new();
    let mut next = numbers.start;
    while next < numbers.end {
        // From one trade to a few hundred, most of them short.
        let length = 1 + next % 7 * (next % 61);
        let end = (next + length).min(numbers.end);
        message.clear();
        message.push_str(r#"{"data":["#);
        for number in next..end {
            let comma = if number == next { "" } else { "," };
            write!(
                message,
                r#"{comma}{{"c":["1","12"],"p":{number},"s":"AAPL","t":1680286537580,"v":5}}"#
            )
            .expect("memory");
        }
        message.push_str(r#"],"type":"trade"}"#);
        append_frame(&mut frames, Opcode::Text, true, message.as_bytes());
        next = end;
    }
    frames
}

/// Reads the file as the program must have written it; says at which row it differs.
fn assert_complete_and_in_order(csv: &[u8]) {
    let header = format!("{FORETOLD_COLUMNS}\n");
    let mut rest = csv.strip_prefix(header.as_bytes()).expect("the header");
    let mut row = String::new();
    for number in 0..TRADES {
        row.clear();
        writeln!(row, "AAPL,{number},5,1680286537580,1;12").expect("memory");
        rest = rest.strip_prefix(row.as_bytes()).unwrap_or_else(|| {
            let here = &rest[..rest.len().min(100)];
            panic!("row {number} is missing, here stands {:?}", String::from_utf8_lossy(here))
        });
    }
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
}

#[test]
fn a_million_trades_arrive_complete_and_in_order() {
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").columns(FORETOLD_COLUMNS);
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    // In ten huge writes, to spare the memory of the machine that tests.
    for tenth in 0..10 {
        connection.send_raw(&frames_of(tenth * TRADES / 10..(tenth + 1) * TRADES / 10));
    }
    connection.answering_pings(|| recorder.wait_for_row_count(TRADES));
    assert_complete_and_in_order(&recorder.bytes_of("op1.csv"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_complete_and_in_order(&recorder.bytes_of("op1.csv"));
    let summary = summary_line(TRADES, 0);
    assert_eq!(summary, "received 1000000 = written 1000000 + rejected 0 + dropped 0");
    assert_says(&recorder, &summary);
}

/// What the program may need beside the waiting room.
#[cfg(target_os = "linux")]
const MEMORY_KIB: u64 = 32 << 10;

/// What may come on top once as many symbols are remembered as ever will be.
#[cfg(target_os = "linux")]
const GROWTH_KIB: u64 = 2 << 10;

#[cfg(target_os = "linux")]
#[test]
fn a_million_different_symbols_are_recorded_in_flat_memory() {
    const PART: usize = 50_000;
    let server = Server::plain();
    let run = Run::new().url(&server.url()).tickers("AAPL").arg("--dashboard=127.0.0.1:0");
    let mut recorder = run.spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let mut measured = Vec::new();
    for part in 0..TRADES / PART {
        let mut frames = Vec::new();
        for first in (part * PART..(part + 1) * PART).step_by(500) {
            let trades: Vec<String> = (first..first + 500)
                .map(|number| format!(r#"{{"p":1,"s":"SYMBOL:{number}","t":1680286537580,"v":5}}"#))
                .collect();
            let message = format!(r#"{{"data":[{}],"type":"trade"}}"#, trades.join(","));
            append_frame(&mut frames, Opcode::Text, true, message.as_bytes());
        }
        connection.send_raw(&frames);
        connection.answering_pings(|| recorder.wait_for_row_count((part + 1) * PART));
        measured.push(recorder.status_number("VmRSS"));
    }
    assert!(measured.iter().all(|kib| *kib < MEMORY_KIB), "{measured:?}");
    let (early, late) = (measured[measured.len() / 4], measured[measured.len() - 1]);
    assert!(late <= early + GROWTH_KIB, "{measured:?}");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_says(&recorder, &summary_line(TRADES, 0));
}
