//! Tables for messages, and the proof that the fast path and serde agree.

use proptest::prelude::*;

use super::{
    Decoder, Element, Message, classify, count_objects, fast_path, refused_symbol, subscribe,
};
use crate::protocol::trade::{Conditions, Trade};

/// One line per element: `ticker|price|volume|t|conditions`, or `!` and the fault.
fn decoded(text: &str) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    Decoder::default().decode(text, |element| lines.push(line(&element)))?;
    Ok(lines)
}

fn line(element: &Element<'_>) -> String {
    match element {
        Element::Trade(trade) => {
            let mut joined = Vec::new();
            trade.conditions.join_into(&mut joined);
            let conditions = String::from_utf8(joined).unwrap();
            let Trade { ticker, price, volume, timestamp_ms, .. } = trade;
            format!("{ticker}|{price}|{volume}|{timestamp_ms}|{conditions}")
        }
        Element::Malformed { fault, .. } => format!("!{fault}"),
    }
}

fn check(elements: &str, expected: &[&str]) {
    let text = format!(r#"{{"data":[{elements}],"type":"trade"}}"#);
    let lines = decoded(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(lines.len(), expected.len(), "{text}: {lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        let same =
            if expected.starts_with('!') { line.starts_with(expected) } else { line == expected };
        assert!(same, "{text}: {line} is not {expected}");
    }
}

#[test]
fn the_quick_count_is_right_for_messages_as_finnhub_sends_them() {
    for count in [0, 1, 3] {
        let elements = [r#"{"c":["1"],"p":1,"s":"A","t":1,"v":1}"#].repeat(count).join(",");
        let text = format!(r#"{{"data":[{elements}],"type":"trade"}}"#);
        assert_eq!(count_objects(&text), count as u64, "{text}");
    }
    assert_eq!(count_objects("no message"), 0);
}

#[test]
fn trades_keep_their_digits() {
    check(
        r#"{"c":["1","12"],"p":164.0601,"s":"AAPL","t":1680286537580,"v":5}"#,
        &["AAPL|164.0601|5|1680286537580|1;12"],
    );
    check(r#"{"c":null,"p":100.10,"s":"A","t":1,"v":0.000004}"#, &["A|100.10|0.000004|1|"]);
    check(r#"{"c":[],"p":1e-07,"s":"A","t":1,"v":1E+5}"#, &["A|1e-07|1E+5|1|"]);
    check(r#"{"p":-37.63,"s":"IC MARKETS:1","t":1,"v":0}"#, &["IC MARKETS:1|-37.63|0|1|"]);
    let long = "123456789012345678901234567890.123456789012345678901234567890";
    check(&format!(r#"{{"p":{long},"s":"A","t":1,"v":0}}"#), &[&format!("A|{long}|0|1|")]);
}

#[test]
fn any_spelling_of_the_same_json_is_the_same_trade() {
    check(r#"{"v":5,"t":1,"s":"A","p":1.0,"c":["1"]}"#, &["A|1.0|5|1|1"]);
    check(
        r#" { "c" : [ "1" ] , "p" : 1.0, "s" : "A", "t":1, "v":5, "x":{"y":[]} } "#,
        &["A|1.0|5|1|1"],
    );
    check(
        r#"{"c":["\u0031",";","a,b"],"p":1,"s":"\u0041\"\n","t":0,"v":5}"#,
        &["A\"\n|1|5|0|1;;;a,b"],
    );
    check(r#"{"p":1,"s":"ÆØ","t":-5,"v":5}"#, &["ÆØ|1|5|-5|"]);
    assert_eq!(
        decoded(r#"{"type":"trade","data":[{"p":1,"s":"A","t":2,"v":3}]}"#).unwrap(),
        ["A|1|3|2|"]
    );
    assert!(decoded(r#"{"data":[],"type":"trade"}"#).unwrap().is_empty());
}

#[test]
fn an_element_that_is_no_trade_costs_itself_alone() {
    let good = r#"{"c":null,"p":1,"s":"A","t":2,"v":3}"#;
    for (bad, fault) in [
        (r#"{"c":null,"s":"A","t":2,"v":3}"#, "!missing field `p`"),
        (r#"{"c":null,"p":1,"t":2,"v":3}"#, "!missing field `s`"),
        (r#"{"c":null,"p":1,"s":"A","v":3}"#, "!missing field `t`"),
        (r#"{"c":null,"p":1,"s":"A","t":2}"#, "!missing field `v`"),
        (r#"{"c":null,"p":"1","s":"A","t":2,"v":3}"#, "!p is no number"),
        (r#"{"c":null,"p":1,"s":"A","t":2,"v":null}"#, "!v is no number"),
        (r#"{"c":null,"p":1,"s":"A","t":2.5,"v":3}"#, "!t is no integer"),
        (r#"{"c":null,"p":1,"s":"A","t":"2","v":3}"#, "!t is no integer"),
        (r#"{"c":null,"p":1,"s":"A","t":99999999999999999999,"v":3}"#, "!t is no integer"),
        (r#"{"c":null,"p":1,"s":7,"t":2,"v":3}"#, "!invalid type"),
        (r#"{"c":null,"p":1,"s":"","t":2,"v":3}"#, "!s is empty"),
        (r#"{"c":null,"p":1,"s":"A\u0000","t":2,"v":3}"#, "!s contains a NUL"),
        (r#"{"c":"1","p":1,"s":"A","t":2,"v":3}"#, "!invalid type"),
        (r#"{"c":[1],"p":1,"s":"A","t":2,"v":3}"#, "!invalid type"),
        (r#"{"p":1,"p":2,"s":"A","t":2,"v":3}"#, "!duplicate field"),
        ("null", "!it is no object"),
        ("7", "!it is no object"),
        (r#"["A",1,2,3,null]"#, "!it is no object"),
    ] {
        check(&format!("{good},{bad},{good}"), &["A|1|3|2|", fault, "A|1|3|2|"]);
    }
}

#[test]
fn a_text_that_is_no_trade_message_gives_nothing() {
    for text in [
        "",
        "x",
        "{",
        r#"{"data":[{"c":null,"p":1,"s":"A","t":2,"v":3},{"c":null,"p":01,"s":"A"}],"type":"trade"}"#,
        r#"{"data":[{"c":null,"p":1,"s":"A","t":2,"v":3}],"type":"trade"}x"#,
        r#"{"data":null,"type":"trade"}"#,
        r#"{"data":{},"type":"trade"}"#,
        r#"{"type":"trade"}"#,
        r#"{"data":[],"type":"news","x":[],"type":"trade"}"#,
        r#"{"data":[{"p":NaN,"s":"A","t":2,"v":3}],"type":"trade"}"#,
    ] {
        assert!(decoded(text).is_err(), "{text}");
    }
}

#[test]
fn messages_are_classified() {
    for (text, expected) in [
        (r#"{"data":[],"type":"trade"}"#, Message::Trades),
        (r#"{"type":"trade","data":[]}"#, Message::Trades),
        (r#"{"type":"ping"}"#, Message::Ping),
        (r#"{"msg":"Invalid symbol X","type":"error"}"#, Message::Error("Invalid symbol X".into())),
        (r#"{"type":"error"}"#, Message::Error("no reason given".into())),
        (r#"{"msg":5,"type":"error"}"#, Message::Error("5".into())),
        (r#"{"msg":5,"type":"trade","data":[]}"#, Message::Trades),
        (r#"{"data":[],"type":"news"}"#, Message::Other("news".into())),
        ("{}", Message::Unreadable),
        ("[]", Message::Unreadable),
        ("hello", Message::Unreadable),
    ] {
        assert_eq!(classify(text), expected, "{text}");
    }
    assert_eq!(refused_symbol("Invalid symbol IC MARKETS:1"), Some("IC MARKETS:1"));
    assert_eq!(refused_symbol("Invalid symbol"), None);
    assert_eq!(refused_symbol("Subscribing to too many symbols"), None);
    assert_eq!(subscribe("A\"B"), r#"{"type":"subscribe","symbol":"A\"B"}"#);
}

fn any_number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"
}

prop_compose! {
    fn any_trade()(
        s in prop_oneof!["[A-Z:. ]{1,12}", "[^\0]{1,8}"],
        p in any_number(), v in any_number(), t in any::<i64>(),
        c in proptest::option::of(proptest::collection::vec("[0-9A-Z]{0,3}", 0..4)),
    ) -> (String, String) {
        let codes = c.clone().unwrap_or_default().join(";");
        let conditions = serde_json::to_string(&c).unwrap();
        let symbol = serde_json::to_string(&s).unwrap();
        (
            format!(r#"{{"c":{conditions},"p":{p},"s":{symbol},"t":{t},"v":{v}}}"#),
            format!("{s}|{p}|{v}|{t}|{codes}"),
        )
    }
}

proptest! {
    #[test]
    fn any_text_is_decoded_or_refused_without_a_panic(text in "\\PC*") {
        let _ = decoded(&text);
        let _ = classify(&text);
        let _ = decoded(&format!(r#"{{"data":[{text}],"type":"trade"}}"#));
    }

    #[test]
    fn any_trade_comes_out_as_it_went_in(trades in proptest::collection::vec(any_trade(), 1..5)) {
        let (elements, expected): (Vec<_>, Vec<_>) = trades.into_iter().unzip();
        let text = format!(r#"{{"data":[{}],"type":"trade"}}"#, elements.join(","));
        prop_assert_eq!(decoded(&text).unwrap(), expected);
    }

    /// Whatever the short way accepts, serde reads as the very same trades.
    #[test]
    fn the_short_way_agrees_with_serde(
        trades in proptest::collection::vec(any_trade(), 1..4),
        damage in proptest::option::of((any::<prop::sample::Index>(), "[\\x20-\\x7e]{0,2}")),
    ) {
        let elements: Vec<_> = trades.into_iter().map(|(element, _)| element).collect();
        let mut text = format!(r#"{{"data":[{}],"type":"trade"}}"#, elements.join(","));
        if let Some((position, replacement)) = damage {
            let at = position.index(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.replace_range(at..=at, &replacement);
            }
        }
        let mut spans = Vec::new();
        if fast_path::scan(&text, &mut spans) {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let elements = value["data"].as_array().unwrap();
            prop_assert_eq!(elements.len(), spans.len());
            // A blank at the front is still the same JSON, but no longer the short way's spelling.
            let long_way = decoded(&format!(" {text}")).unwrap();
            prop_assert_eq!(decoded(&text).unwrap(), long_way);
        }
    }
}

#[test]
fn finnhubs_own_spelling_takes_the_short_way() {
    let text = concat!(
        r#"{"data":[{"c":["1","24","12"],"p":171.465,"s":"AAPL","t":1696250801554,"v":1},"#,
        r#"{"c":null,"p":1731.1,"s":"BINANCE:ETHUSDT","t":1696250801782,"v":0.014},"#,
        r#"{"c":[],"p":183.23,"s":"IC MARKETS:1","t":1681312681832,"v":0},"#,
        r#"{"p":284.45,"s":"BRK.B","t":1586876152227,"v":300}],"type":"trade"}"#
    );
    let mut spans = Vec::new();
    assert!(fast_path::scan(text, &mut spans));
    assert_eq!(spans.len(), 4);
    let plain = Conditions::Unescaped(r#""1","24","12""#);
    assert_eq!(spans[0].trade(text).conditions, plain);
}
