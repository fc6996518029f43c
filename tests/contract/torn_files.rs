//! What a crash, a power cut or an editor can leave at the end of a file: every cut of a valid file
//! is continued, without a lost row, a doubled row, or two rows glued together.
//!
//! The library for every byte, the built binary for a sample of them.

use std::fs;
use std::path::Path;

use finnhub_stream::channel::{TradeBatch, WriterMessage};
use finnhub_stream::recording::columns::Column;

use crate::harness::Run;
use crate::inside::open_writer;
use crate::recording::{ledger_rows, trade_message};
use crate::server::Server;

const HEADER: &str = "ticker,price,conditions\n";
const COLUMNS: [Column; 3] = [Column::Ticker, Column::Price, Column::Conditions];

/// Quotes, line ends inside of quotes, characters of several bytes, an empty last field.
const ROWS: [&str; 6] = [
    "AAPL,164.06,1;12\n",
    "\"A,B\",0.000004,\n",
    "\"A\"\"B\n,C\",1,\"a,b\"\n",
    "ÆØÅ:€𝄞,2.50,\n",
    "IC MARKETS:1,1e-07,24\n",
    "MSFT,26626,1;12\n",
];

const TRADE: &str = r#"{"c":["1"],"p":100.10,"s":"NEW","t":1680286537580,"v":5}"#;
const NEW_ROW: &str = "NEW,100.10,1\n";

/// Continues whatever is at `directory` with one trade, and stops.
fn continue_with_one_trade(directory: &Path) -> Result<(), String> {
    let (writer, entries, inbox) =
        open_writer(directory, &COLUMNS, || ()).map_err(|error| error.to_string())?;
    let mut batch = TradeBatch::new(1_700_000_000_000);
    batch.push(&trade_message(&[TRADE]));
    entries.send(WriterMessage::Trades(batch));
    entries.send(WriterMessage::Finish);
    let report = writer.run(&inbox);
    assert_eq!((report.failure, report.counts.written), (None, 1));
    Ok(())
}

/// What was moved aside, one after the other.
fn torn_bytes(directory: &Path, name: &str) -> Vec<u8> {
    let entries = fs::read_dir(directory).expect("the directory").flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().contains(&format!("{name}.torn-")));
    paths.sort();
    paths.iter().flat_map(|path| fs::read(path).expect("a torn file")).collect()
}

/// The ends of the header and of each row.
fn row_ends() -> Vec<usize> {
    let mut ends = vec![0, HEADER.len()];
    ends.extend(ROWS.iter().scan(HEADER.len(), |end, row| {
        *end += row.len();
        Some(*end)
    }));
    ends
}

/// The file that `content` must have become, and the bytes that must be in a file of their own.
fn check(content: &[u8], lock: Option<&str>, whole: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let csv = directory.path().join("op1.csv");
    fs::write(&csv, content).expect("the file");
    if let Some(lock) = lock {
        fs::write(directory.path().join("op1.csv.lock"), lock).expect("the file");
    }
    let shown = String::from_utf8_lossy(content).into_owned();
    continue_with_one_trade(directory.path()).unwrap_or_else(|error| panic!("{shown:?}: {error}"));
    let mut expected = if whole == 0 { HEADER.into() } else { content[..whole].to_vec() };
    expected.extend_from_slice(NEW_ROW.as_bytes());
    let found = fs::read(&csv).expect("the file");
    assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected), "{shown:?}");
    assert_eq!(torn_bytes(directory.path(), "op1.csv"), content[whole..], "{shown:?}");
}

#[test]
fn a_recording_cut_at_any_byte_is_continued() {
    let content = format!("{HEADER}{}", ROWS.concat());
    let ends = row_ends();
    for cut in 0..=content.len() {
        let whole = *ends.iter().rfind(|end| **end <= cut).expect("0 at least");
        check(&content.as_bytes()[..cut], None, whole);
        // With the last holder's word that so much of it was on the disk, true or not any more.
        for synced in [ends[2], ends[5]] {
            let lock = format!("1700000000000 {synced} 7 - {synced} 0 - yes\n");
            check(&content.as_bytes()[..cut], Some(&lock), whole);
        }
    }
}

#[test]
fn a_recording_with_lost_blocks_is_continued_from_the_last_row_before_them() {
    let content = format!("{HEADER}{}", ROWS.concat());
    let ends = row_ends();
    for cut in 0..=content.len() {
        let whole = *ends.iter().rfind(|end| **end <= cut).expect("0 at least");
        for zeros in [1, 5000] {
            let mut bytes = content.as_bytes()[..cut].to_vec();
            bytes.resize(cut + zeros, 0);
            check(&bytes, None, whole);
        }
    }
    // What follows a lost block need not be in order.
    let mut bytes = content.as_bytes().to_vec();
    bytes.extend_from_slice(b"\0\0\0");
    bytes.extend_from_slice(ROWS[0].as_bytes());
    check(&bytes, None, content.len());
}

#[test]
fn a_recording_with_windows_line_ends_or_a_byte_order_mark_is_continued_wherever_it_is_cut() {
    for (mark, line_end) in [("", "\r\n"), ("\u{feff}", "\n"), ("\u{feff}", "\r\n")] {
        let header = format!("{mark}{}{line_end}", HEADER.trim_end());
        let content = format!("{header}AAPL,1,{line_end}MSFT,22,1{line_end}");
        let line = |text: &str| text.len() + line_end.len();
        let first = header.len() + line("AAPL,1,");
        for cut in header.len()..=content.len() {
            let ends = [header.len(), first, content.len()];
            let whole = *ends.iter().rfind(|end| **end <= cut).expect("the header at least");
            check(&content.as_bytes()[..cut], None, whole);
        }
    }
}

/// The ledger is continued with the same care; a torn row of it says nothing.
#[test]
fn a_ledger_cut_at_any_byte_is_continued() {
    let header = "time_ms,state,tickers,reason\n";
    let rows = [
        "100,live,AAPL;\"A,B\",\n",
        "200,down,,\"connection lost: reset, by \"\"it\"\"\"\n",
        "300,live,AAPL,\n",
    ];
    // A quote in the middle of a field is not how we write it, but must not confuse the repair.
    let content = format!("{header}{}", rows.concat());
    let mut ends = vec![0, header.len()];
    for row in rows {
        ends.push(ends[ends.len() - 1] + row.len());
    }
    for cut in 0..=content.len() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("op1.coverage.csv");
        fs::write(&path, &content[..cut]).expect("the file");
        continue_with_one_trade(directory.path()).expect("to be continued");
        let whole = *ends.iter().rfind(|end| **end <= cut).expect("0 at least");
        let kept = if whole == 0 { header } else { &content[..whole] };
        // An end with `live` is the end of a process that was killed.
        let killed = match ends.iter().position(|end| *end == whole) {
            Some(2) => "100,down,,killed\n",
            Some(4) => "300,down,,killed\n",
            _ => "",
        };
        let found = fs::read_to_string(&path).expect("the ledger");
        assert_eq!(found, format!("{kept}{killed}"), "cut at {cut}");
        assert_eq!(
            torn_bytes(directory.path(), "op1.coverage.csv"),
            content.as_bytes()[whole..cut]
        );
    }
}

#[test]
fn the_program_continues_a_recording_cut_anywhere() {
    let content = format!("{HEADER}{}", ROWS.concat());
    let ends = row_ends();
    for cut in [1, HEADER.len() - 1, ends[1] + 5, ends[3] + 9, ends[4] + 1, content.len() - 1] {
        let whole = *ends.iter().rfind(|end| **end <= cut).expect("0 at least");
        let server = Server::plain();
        let run = Run::new().file("op1.csv", &content.as_bytes()[..cut]);
        let run = run.url(&server.url()).tickers("NEW").columns(HEADER.trim_end());
        let mut recorder = run.spawn();
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        connection.send_text(&trade_message(&[TRADE]));
        recorder.wait_until("the new row", |now| now.csv().ends_with(NEW_ROW));
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
        let kept = if whole == 0 { HEADER } else { &content[..whole] };
        assert_eq!(recorder.csv(), format!("{kept}{NEW_ROW}"), "cut at {cut}");
        let aside = torn_bytes(&recorder.path(""), "op1.csv");
        assert_eq!(aside, content.as_bytes()[whole..cut]);
        let said = format!("torn row of {} bytes", cut - whole);
        assert!(recorder.stderr().contains(&said), "{}", recorder.seen());
        assert!(recorder.log().contains(".torn-"), "{}", recorder.seen());
        assert_eq!(ledger_rows(&recorder).len(), 2);
    }
}
