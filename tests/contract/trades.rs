//! Every trade of every message becomes a row, in arrival order, with the very digits received.

use crate::frames::{Opcode, append_frame};
use crate::recording::{check, record, trade_message};

#[test]
fn trades_of_every_shape_finnhub_sends_are_recorded() {
    let recording = check(&[
        // Stock trades with conditions.
        (
            r#"{"data":[{"c":["1","12"],"p":171.2301,"s":"AAPL","t":1680300000123,"v":5},{"c":["1","8","24","12"],"p":171.23,"s":"AAPL","t":1680300000124,"v":100}],"type":"trade"}"#,
            "AAPL,171.2301,5,1680300000123,1;12\nAAPL,171.23,100,1680300000124,1;8;24;12",
        ),
        // Crypto: no conditions, small volumes.
        (
            r#"{"data":[{"c":null,"p":61234.56,"s":"BINANCE:BTCUSDT","t":1720000000001,"v":0.00008}],"type":"trade"}"#,
            "BINANCE:BTCUSDT,61234.56,0.00008,1720000000001,",
        ),
        // Conditions absent, and empty.
        (
            r#"{"data":[{"p":280.5,"s":"SPY","t":1587700000000,"v":300}],"type":"trade"}"#,
            "SPY,280.5,300,1587700000000,",
        ),
        (
            r#"{"data":[{"c":[],"p":280.5,"s":"SPY","t":1587700000000,"v":300}],"type":"trade"}"#,
            "SPY,280.5,300,1587700000000,",
        ),
        // A price update: volume 0. An integer price. A symbol with a space.
        (
            r#"{"data":[{"p":115.4,"s":"OANDA:USB30Y_USD","t":1740000000000,"v":0}],"type":"trade"}"#,
            "OANDA:USB30Y_USD,115.4,0,1740000000000,",
        ),
        (
            r#"{"data":[{"c":null,"p":26000,"s":"IC MARKETS:1","t":1687000000000,"v":0.000004}],"type":"trade"}"#,
            "IC MARKETS:1,26000,0.000004,1687000000000,",
        ),
    ]);
    recording.assert_summary(7, 0);
}

#[test]
fn several_symbols_in_one_message_keep_their_order_and_repeats_are_kept() {
    let message = trade_message(&[
        r#"{"c":["1"],"p":203.04,"s":"TSLA","t":1685500000500,"v":3}"#,
        r#"{"c":null,"p":1675.5,"s":"BINANCE:ETHUSDT","t":1685500000100,"v":0.2}"#,
        r#"{"c":["1"],"p":203.04,"s":"TSLA","t":1685500000500,"v":3}"#,
        r#"{"c":["1"],"p":177.46,"s":"AAPL","t":1685500000400,"v":72}"#,
    ]);
    let rows = "TSLA,203.04,3,1685500000500,1\nBINANCE:ETHUSDT,1675.5,0.2,1685500000100,\n\
                TSLA,203.04,3,1685500000500,1\nAAPL,177.46,72,1685500000400,1";
    check(&[(&message, rows), (&message, rows)]).assert_summary(8, 0);
}

#[test]
fn digits_are_written_as_they_came() {
    let numbers = [
        "100.10",
        "0.000004",
        "1e-07",
        "1E+5",
        "2.50e3",
        "-0.5",
        "0",
        "0.0",
        "123456789012345678901234567890",
        "0.123456789012345678901234567890",
        "0.1000000000000000055511151231257827",
        "9007199254740993",
        "1e400",
    ];
    let cases: Vec<(String, String)> = numbers
        .iter()
        .map(|number| {
            let element = format!(r#"{{"p":{number},"s":"A","t":1680300000123,"v":{number}}}"#);
            (trade_message(&[&element]), format!("A,{number},{number},1680300000123,"))
        })
        .collect();
    let cases: Vec<(&str, &str)> =
        cases.iter().map(|(message, row)| (message.as_str(), row.as_str())).collect();
    check(&cases).assert_summary(numbers.len(), 0);
}

#[test]
fn key_order_extra_keys_and_whitespace_make_no_difference() {
    check(&[
        (
            r#"{"type":"trade","data":[{"v":5,"t":1680300000123,"s":"A","p":1.50,"c":["1"]}]}"#,
            "A,1.50,5,1680300000123,1",
        ),
        (
            r#"{"seq":7,"data":[{"x":{"p":9,"s":"NO"},"s":"B","p":1.5,"i":"77","z":[1,{"t":2}],"t":1680300000123,"v":5,"c":null,"q":true}],"meta":{"data":[{"p":1,"s":"NO","t":1,"v":1}],"type":"ping"},"type":"trade"}"#,
            "B,1.5,5,1680300000123,",
        ),
        (
            " {\r\n\t\"data\" : [ { \"c\" : [ \"1\" , \"12\" ] ,\n \"p\" : 1.5 , \"s\" : \"C\" , \"t\" : 1680300000123 , \"v\" : 5 } ] , \"type\" : \"trade\" } \n",
            "C,1.5,5,1680300000123,1;12",
        ),
        // JSON allows a key to be spelled with escapes.
        (
            r#"{"\u0064ata":[{"p":1.5,"\u0073":"D","t":1680300000123,"v":5}],"type":"tr\u0061de"}"#,
            "D,1.5,5,1680300000123,",
        ),
    ])
    .assert_summary(4, 0);
}

#[test]
fn symbols_and_conditions_are_quoted_as_rfc_4180_says() {
    let element = |symbol: &str| {
        trade_message(&[&format!(r#"{{"p":1.5,"s":"{symbol}","t":1680300000123,"v":5}}"#)])
    };
    let cases = [
        (element("A,B"), "\"A,B\",1.5,5,1680300000123,"),
        (element(r#"A\"B"#), "\"A\"\"B\",1.5,5,1680300000123,"),
        (element(r"A\nB"), "\"A\nB\",1.5,5,1680300000123,"),
        (element(r"A\rB"), "\"A\rB\",1.5,5,1680300000123,"),
        (element("ÅÄÖ:株"), "ÅÄÖ:株,1.5,5,1680300000123,"),
        (element(r"caf\u00e9"), "café,1.5,5,1680300000123,"),
        (element(r"\ud83d\ude80"), "\u{1f680},1.5,5,1680300000123,"),
        (element(r"A\/B\\C"), "A/B\\C,1.5,5,1680300000123,"),
        (element("BRK.B"), "BRK.B,1.5,5,1680300000123,"),
        (element("^GSPC"), "^GSPC,1.5,5,1680300000123,"),
        (
            trade_message(&[r#"{"c":["1","a,b","\"x\""],"p":1.5,"s":"A","t":1,"v":5}"#]),
            "A,1.5,5,1,\"1;a,b;\"\"x\"\"\"",
        ),
    ];
    let cases: Vec<(&str, &str)> =
        cases.iter().map(|(message, row)| (message.as_str(), *row)).collect();
    check(&cases).assert_summary(cases.len(), 0);
}

#[test]
fn five_thousand_trades_in_one_message_are_recorded() {
    let elements: Vec<String> = (0..5_000)
        .map(|number| format!(r#"{{"c":["1"],"p":{number}.50,"s":"A","t":1680300000123,"v":1}}"#))
        .collect();
    let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
    let rows: Vec<String> =
        (0..5_000).map(|number| format!("A,{number}.50,1,1680300000123,1")).collect();
    check(&[(&trade_message(&elements), &rows.join("\n"))]).assert_summary(5_000, 0);
}

/// One trade with this price and its row.
fn trade_and_row(price: &str) -> (String, String) {
    let element = format!(r#"{{"c":["1"],"p":{price},"s":"Å","t":1680300000123,"v":5}}"#);
    (trade_message(&[&element]), format!("Å,{price},5,1680300000123,1\n"))
}

#[test]
fn a_message_in_fragments_is_one_message() {
    let (message, row) = trade_and_row("1.5");
    let bytes = message.as_bytes();
    // The second cut goes through the middle of the two bytes of `Å`.
    let inside_letter = message.find('Å').expect("the symbol") + 1;
    let recording = record(|connection| {
        connection.send_fragments(&[
            &bytes[..10],
            &bytes[10..inside_letter],
            &bytes[inside_letter..],
        ]);
        connection.send_fragments(&[b"", bytes, b""]);
    });
    assert_eq!(recording.rows, row.repeat(2));
}

#[test]
fn a_ping_between_two_fragments_is_answered_and_harms_nothing() {
    let (message, row) = trade_and_row("1.5");
    let (first, second) = message.as_bytes().split_at(25);
    let recording = record(|connection| {
        let mut bytes = Vec::new();
        append_frame(&mut bytes, Opcode::Text, false, first);
        append_frame(&mut bytes, Opcode::Ping, true, b"between");
        connection.send_raw(&bytes);
        assert_eq!(connection.wait_for(Opcode::Pong), b"between");
        bytes.clear();
        append_frame(&mut bytes, Opcode::Continuation, true, second);
        connection.send_raw(&bytes);
    });
    assert_eq!(recording.rows, row);
}

#[test]
fn frames_cut_into_single_bytes_and_frames_glued_together_are_recorded() {
    let (cut, cut_row) = trade_and_row("1.5");
    let (glued, glued_row) = trade_and_row("2.5");
    let recording = record(|connection| {
        connection.send_text_byte_by_byte(&cut);
        let mut bytes = Vec::new();
        for _ in 0..50 {
            append_frame(&mut bytes, Opcode::Text, true, glued.as_bytes());
        }
        connection.send_raw(&bytes);
    });
    assert_eq!(recording.rows, cut_row + &glued_row.repeat(50));
}

#[test]
fn a_server_ping_is_answered_with_its_payload() {
    let recording = record(|connection| {
        connection.send_ping(b"are you there");
        assert_eq!(connection.wait_for(Opcode::Pong), b"are you there");
    });
    assert_eq!(recording.rows, "");
}
