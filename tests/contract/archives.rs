//! What others have done to a recording and left well: an empty line in it, zeros behind a compressed one.
//! Formats that are not read are called by their names.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Recorder, Run, Signal};
use crate::journal::{message, recorded_up_to};
use crate::recording::FORETOLD_COLUMNS;
use crate::server::Server;

const HEADER: &str = "ticker,price,volume\n";
const ROWS: &str = "AAPL,1,2\nMSFT,3,4\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// Verifies a file, and gives the exit code and what it says.
fn verified(name: &str, content: impl AsRef<[u8]>) -> (i32, String) {
    let run = Run::without_key().file(name, content).arg("verify").arg(name);
    let (code, ended) = run.run_to_its_end();
    (code, ended.stdout() + &ended.stderr())
}

#[test]
fn an_empty_line_is_nothing() {
    for content in [
        format!("{HEADER}\n{ROWS}"),
        format!("{HEADER}AAPL,1,2\n\r\n\nMSFT,3,4\n\n"),
        format!("{HEADER}{ROWS}\n"),
    ] {
        let (code, said) = verified("op1.csv", &content);
        assert!(code == 0 && said.contains("malformed rows        0"), "{content:?}: {said}");
        let rows = said.lines().find(|line| line.trim_start().starts_with("rows "));
        assert!(rows.is_some_and(|rows| rows.ends_with(" 2")), "{content:?}: {said}");
    }
    let (code, said) = verified("op1.csv", "price\n\n1.5\n\n");
    assert!(code == 0 && said.contains("malformed rows        0"), "{said}");
    // With the number of its line, a bad one is found all the same.
    let (code, said) = verified("op1.csv", format!("{HEADER}\nAAPL,1\n"));
    assert!(code == 1 && said.contains("line 3"), "{said}");
    // A trade without conditions, in a recording of nothing else.
    let (code, said) = verified("op1.csv", "conditions\n1;12\n\n\n");
    assert!(code == 0 && said.contains('3'), "{said}");
}

/// A recording of the trades 1 to 3, to which somebody does something, and of 4 and 5 after it.
fn changed_by_somebody(change: impl FnOnce(&Path)) -> Recorder {
    let server = Server::plain();
    let (mut recorder, mut connection) = recorded_up_to(3, &server);
    // All at once for the recorder, which else may put a header between two steps.
    recorder.signal(Signal::SIGSTOP);
    recorder.wait_until("it stands", |now| now.status_line("State").starts_with('T'));
    change(&recorder.path("op1.csv"));
    recorder.signal(Signal::SIGCONT);
    connection.send_text(&message(4..=4));
    recorder.wait_until_it_says(" by somebody");
    connection.send_text(&message(5..=5));
    recorder.wait_until("the row", |now| now.csv().contains("AAPL,5,"));
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    recorder
}

/// `echo > op1.csv` instead of `: > op1.csv`, and `echo >> op1.csv`.
#[test]
fn an_empty_line_that_was_written_to_a_recording_leaves_it_well() {
    for empties in [true, false] {
        let recorder = changed_by_somebody(|path| {
            let mut file = fs::OpenOptions::new().append(true).open(path).expect("the file");
            if empties {
                file.set_len(0).expect("to be emptied");
            }
            file.write_all(b"\n").expect("a line end");
        });
        let csv = recorder.csv();
        assert!(!empties || csv.starts_with(&format!("{FORETOLD_COLUMNS}\nAAPL,4,")), "{csv}");
        let (code, verified) = Run::beside(&recorder).arg("verify").arg("op1.csv").run_to_its_end();
        assert_eq!(code, 0, "{}", verified.stdout());
        assert!(verified.stdout().contains("malformed rows        0"), "{}", verified.stdout());
    }
}

/// As when somebody empties the file, and writes an empty line in the moment in which it gets its header back.
#[test]
fn an_empty_line_before_the_header_makes_no_second_one() {
    let row = |number: u32| format!("AAPL,{number},5,1680300000123,1\n");
    let recorder = changed_by_somebody(|path| {
        let text = format!("\n{FORETOLD_COLUMNS}\n{}", row(7));
        fs::write(path, text).expect("the disk");
    });
    let rows = [7, 4, 5].map(row).concat();
    assert_eq!(recorder.csv(), format!("{FORETOLD_COLUMNS}\n{rows}"), "{}", recorder.seen());
}

#[test]
fn zeros_behind_a_compressed_recording_are_nothing() {
    let whole = gzip(&format!("{HEADER}{ROWS}"));
    let closed = "op1-2026-11-23.csv.gz";
    for zeros in [1, 511, 70_000] {
        let padded = [&whole[..], &vec![0; zeros]].concat();
        let (code, said) = verified(closed, &padded);
        assert!(code == 0 && said.contains("malformed rows        0"), "{said}");
        let run = Run::without_key().file(closed, &padded).arg("ship").arg("op1.csv");
        let run = run.args(&["--name", "test", "--once", "--", "sh", "-c", "cat >> shipped"]);
        let (code, shipped) = run.run_to_its_end();
        assert_eq!((code, shipped.text_of("shipped").as_str()), (0, ROWS), "{}", shipped.stderr());
    }
    // What is no gzip behind it is no recording, as before.
    let (code, said) = verified(closed, [&whole[..], b"\0\0more"].concat());
    assert!(code == 1 && said.contains("behind the zeros at its end"), "{said}");
}

#[test]
fn a_format_that_is_not_read_is_named_and_how_to_unpack_it() {
    for (name, content, command) in [
        ("op1.csv.zst", &b"\x28\xb5\x2f\xfd\x24\x09\x49\x00\x00text"[..], "zstd -d"),
        ("op1.csv.xz", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46", "xz -d"),
        ("op1.csv.bz2", b"BZh91AY&SY\x12\x34\x56\x78", "bzip2 -d"),
    ] {
        let (code, said) = verified(name, content);
        assert_eq!((code, said.lines().count()), (1, 1), "{said}");
        let expected = format!("error: {name}: it is compressed with {}", &command[..2]);
        assert!(said.starts_with(&expected) && said.contains(command), "{said}");
        let run = Run::without_key().file(name, content).arg("ship").arg(name);
        let (code, shipped) = run.args(&["--name", "test", "--once", "--", "cat"]).run_to_its_end();
        let errors = shipped.stderr();
        let line = errors.lines().find(|line| line.starts_with("error: ")).expect("an error");
        assert!(code == 1 && line.contains(command) && line.contains(name), "{line}");
    }
}

/// Somebody packs a closed file in another way before it is shipped.
#[test]
fn a_closed_file_that_was_packed_in_another_way_is_found_and_named() {
    let mut run = Run::without_key().file("op1.csv", HEADER);
    for day in ["2026-11-23", "2026-11-24"] {
        run = run.file(format!("op1-{day}.csv"), format!("{HEADER}{ROWS}"));
    }
    let pack = "cat; mv op1-2026-11-24.csv op1-2026-11-24.csv.zst";
    let run = run.arg("ship").arg("op1.csv").args(&["--name", "test", "--once", "--"]);
    let (code, shipped) = run.args(&["sh", "-c", pack]).run_to_its_end();
    let errors = shipped.stderr();
    let line = errors.lines().find(|line| line.starts_with("error: ")).expect("an error");
    let expected = "there is op1-2026-11-24.csv.zst: it is compressed with zstd";
    assert!(code == 1 && line.contains(expected) && line.contains("zstd -d"), "{line}");
}
