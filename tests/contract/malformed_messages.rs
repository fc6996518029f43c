//! Garbage costs itself alone: it is logged, counted, and ends neither the program nor the
//! connection ([`check`] fails when a second connection is made).

use crate::recording::{Recording, assert_says, check, record, summary_line, trade_message};

const GOOD: &str = r#"{"p":1.5,"s":"GOOD","t":1680300000123,"v":5}"#;
const GOOD_ROW: &str = "GOOD,1.5,5,1680300000123,";

#[test]
fn an_element_that_is_no_trade_costs_that_element_alone() {
    let bad_elements = [
        // A field is missing.
        r#"{"s":"BAD","t":1680300000123,"v":5}"#,
        r#"{"p":1.5,"t":1680300000123,"v":5}"#,
        r#"{"p":1.5,"s":"BAD","v":5}"#,
        r#"{"p":1.5,"s":"BAD","t":1680300000123}"#,
        "{}",
        // A field has the wrong type.
        r#"{"p":"1.5","s":"BAD","t":1680300000123,"v":5}"#,
        r#"{"p":null,"s":"BAD","t":1680300000123,"v":5}"#,
        r#"{"p":[1.5],"s":"BAD","t":1680300000123,"v":5}"#,
        r#"{"p":true,"s":"BAD","t":1680300000123,"v":5}"#,
        r#"{"p":1.5,"s":77,"t":1680300000123,"v":5}"#,
        r#"{"p":1.5,"s":null,"t":1680300000123,"v":5}"#,
        r#"{"p":1.5,"s":"BAD","t":1680300000123.5,"v":5}"#,
        r#"{"p":1.5,"s":"BAD","t":"1680300000123","v":5}"#,
        r#"{"p":1.5,"s":"BAD","t":null,"v":5}"#,
        r#"{"p":1.5,"s":"BAD","t":1680300000123,"v":"5"}"#,
        r#"{"p":1.5,"s":"BAD","t":1680300000123,"v":null}"#,
        r#"{"p":1.5,"s":"BAD","t":1680300000123,"v":{}}"#,
        r#"{"c":"1","p":1.5,"s":"BAD","t":1680300000123,"v":5}"#,
        r#"{"c":[1,12],"p":1.5,"s":"BAD","t":1680300000123,"v":5}"#,
        r#"{"c":{},"p":1.5,"s":"BAD","t":1680300000123,"v":5}"#,
        // The symbol is no text: half of a surrogate pair.
        r#"{"p":1.5,"s":"BAD\ud800","t":1680300000123,"v":5}"#,
        // No object at all.
        "5",
        "null",
        "true",
        r#""BAD""#,
        "[]",
        r#"[1.5,"BAD",1680300000123,5]"#,
    ];
    // Each between two good neighbours of the same message.
    let messages: Vec<String> =
        bad_elements.iter().map(|bad| trade_message(&[GOOD, bad, GOOD])).collect();
    let rows = format!("{GOOD_ROW}\n{GOOD_ROW}");
    let cases: Vec<(&str, &str)> =
        messages.iter().map(|message| (message.as_str(), rows.as_str())).collect();
    check(&cases).assert_summary(2 * bad_elements.len(), bad_elements.len());
}

#[test]
fn a_rejected_element_is_logged_with_its_text_shortened() {
    let element = format!(r#"{{"p":"first part","s":"{}last part"}}"#, "long ".repeat(20_000));
    let recording = check(&[(&trade_message(&[&element]), "")]);
    recording.assert_summary(0, 1);
    let log = recording.recorder.log();
    assert!(log.contains("first part"), "{log}");
    assert!(!log.contains("last part"), "{log}");
    assert!(log.len() < 20_000, "the log holds {} bytes", log.len());
}

/// Fails when the log or the terminal holds a control character that could move a cursor.
fn assert_no_control_characters(recording: &Recording) {
    for (place, text) in
        [("log", recording.recorder.log()), ("standard error", recording.recorder.stderr())]
    {
        let found = text.chars().find(|&found| found.is_control() && !"\n\r\t".contains(found));
        assert_eq!(found, None, "in the {place}: {text:?}");
    }
}

#[test]
fn control_characters_from_the_server_reach_neither_log_nor_terminal() {
    let recording = check(&[
        // Escaped in the JSON, and in text that is not JSON as it is.
        (&trade_message(&[r#"{"p":"x","s":"EVIL\u001b[2J\u0007\u009b31m"}"#]), ""),
        ("EVIL \u{1b}]0;title\u{7} \u{9b}31m \u{7f} garbage", ""),
        (r#"{"msg":"EVIL \u001b[31mred\u0007\nINFO forged line\r","type":"error"}"#, ""),
        (r#"{"type":"EVIL\u001b[2J"}"#, ""),
    ]);
    recording.assert_summary(0, 1);
    assert_no_control_characters(&recording);
    let log = recording.recorder.log();
    assert!(log.contains("EVIL"), "the element is logged: {log}");
    let forged = |text: &str| text.lines().any(|line| line.starts_with("INFO forged"));
    assert!(!forged(&log) && !forged(&recording.recorder.stderr()), "{log}");
}

#[test]
fn messages_that_are_no_trades_write_nothing_and_end_nothing() {
    let deep = "[".repeat(100_000);
    let deep_object = format!("{}1{}", r#"{"data":"#.repeat(50_000), "}".repeat(50_000));
    let recording = check(&[
        // No JSON at all.
        ("", ""),
        ("   ", ""),
        ("garbage", ""),
        ("{", ""),
        ("\u{0}", ""),
        (r#"{"data":[{"p":NaN,"s":"BAD","t":1,"v":1}],"type":"trade"}"#, ""),
        (r#"{"data":[{"p":01,"s":"BAD","t":1,"v":1}],"type":"trade"}"#, ""),
        (r#"{"data":[{"p":1.5,"s":"BAD","t":1,"v":1}],"type":"trade"} and more"#, ""),
        (r#"{"data":[{"p":1.5,"s":"BAD","t":1,"v":1}],"type":"tra"#, ""),
        (&deep, ""),
        (&deep_object, ""),
        // JSON, but not an object.
        ("null", ""),
        ("[]", ""),
        ("42", ""),
        (r#""trade""#, ""),
        // A trade message without an array.
        (r#"{"data":null,"type":"trade"}"#, ""),
        (r#"{"type":"trade"}"#, ""),
        (r#"{"data":[],"type":"trade"}"#, ""),
        // The other types.
        (r#"{"type":"ping"}"#, ""),
        (r#"{"msg":"Invalid symbol OANDA:NONE","type":"error"}"#, ""),
        (r#"{"type":"error"}"#, ""),
        (
            r#"{"data":[{"category":"company","datetime":1680000000,"headline":"Something, \"new\"","id":1}],"type":"news"}"#,
            "",
        ),
        (
            r#"{"data":[{"datetime":1680000000,"headline":"Released","symbol":"AAPL"}],"type":"pr"}"#,
            "",
        ),
        (r#"{"data":[{"p":1.5,"s":"BAD","t":1,"v":1}],"type":"news"}"#, ""),
        (r#"{"data":[{"p":1.5,"s":"BAD","t":1,"v":1}],"type":"something new"}"#, ""),
        (r#"{"data":[{"p":1.5,"s":"BAD","t":1,"v":1}],"type":5}"#, ""),
    ]);
    // Elements are counted of trade messages only; what is no JSON is counted apart.
    recording.assert_summary(0, 0);
    assert!(recording.recorder.log().contains("garbage"), "{}", recording.recorder.seen());
}

#[test]
fn binary_messages_end_nothing() {
    let recording = record(|connection| {
        connection.send_binary(b"");
        connection.send_binary(&[0xff, 0x00, 0x1b, 0x80]);
        connection.send_binary(&vec![0xc3; 300_000]);
        connection.send_text(&trade_message(&[GOOD]));
    });
    assert_eq!(recording.rows, format!("{GOOD_ROW}\n"));
    recording.assert_summary(1, 0);
    assert_no_control_characters(&recording);
}

#[test]
fn messages_that_are_no_json_are_counted_apart_in_the_exit_summary() {
    let not_a_number = r#"{"data":[{"p":NaN,"s":"BAD","t":1,"v":1}],"type":"trade"}"#;
    let recording = check(&[("garbage", ""), (not_a_number, ""), (&trade_message(&["5"]), "")]);
    recording.assert_summary(0, 1);
    let line = format!("{}; 2 unreadable messages\n", summary_line(1, 1));
    assert_says(&recording.recorder, &line);
}
