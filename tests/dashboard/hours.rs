//! The hours of the US market, with the clock set: all who look see the same at the same time, also
//! those that have looked since before.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::feed::Feed;
use crate::http::{Events, get_json};
use crate::program::Program;
use crate::webdriver::Browser;

/// Monday 7 December 2026: some seconds before 04:00, 20:00 and 21:00 in New York; the hours before and
/// after, and what the page calls a share without a trade.
const CHANGES: [(&str, [&str; 2], [&str; 2]); 3] = [
    ("2026-12-07 08:59:45", ["night", "open"], ["quiet (night)", "never traded"]),
    ("2026-12-08 00:59:45", ["open", "closed"], ["never traded", "market closed"]),
    ("2026-12-08 01:59:45", ["closed", "night"], ["market closed", "quiet (night)"]),
];

/// Two shares, and one symbol whose hours are not known.
const TICKERS: &str = "AAPL,MSFT,OANDA:X";

/// Takes the tickers of an event into those that are known by then.
fn merge(known: &mut BTreeMap<String, Value>, event: &Value) {
    for ticker in event["tickers"].as_array().unwrap() {
        known.insert(ticker["symbol"].as_str().unwrap().to_owned(), ticker.clone());
    }
}

#[test]
#[ignore = "needs faketime"]
fn other_hours_reach_every_symbol_of_who_follows_the_events() {
    for (utc, [before, after], _) in CHANGES {
        let feed = Feed::start();
        let program = Program::recording_at(utc, &feed.url(), TICKERS);
        let _line = feed.accept(3);
        program.wait_for_status("the list", |status| status["tickers"][2].is_object());
        let mut events = Events::follow(program.address());
        let mut known = BTreeMap::new();
        let first = events.next().unwrap();
        assert_eq!(first["us_market"], before, "{utc}");
        merge(&mut known, &first);
        loop {
            let event = events.next().unwrap();
            merge(&mut known, &event);
            if event["us_market"] == after {
                break;
            }
        }
        let status = get_json(program.address(), "/api/status");
        assert_eq!(status["us_market"], after);
        for ticker in status["tickers"].as_array().unwrap() {
            let symbol = ticker["symbol"].as_str().unwrap();
            assert_eq!(known[symbol], *ticker, "{utc}");
            let is_us = symbol != "OANDA:X";
            for market in ["closed", "night"] {
                assert_eq!(ticker[market] == true, is_us && after == market, "{ticker}");
            }
        }
    }
}

#[test]
#[ignore = "needs faketime, chromium and chromedriver"]
fn other_hours_reach_an_open_page() {
    let browser = Browser::open(1280, 900);
    for (utc, _, [before, after]) in CHANGES {
        let feed = Feed::start();
        let program = Program::recording_at(utc, &feed.url(), TICKERS);
        let _line = feed.accept(3);
        browser.go_to(&format!("http://{}/", program.address()));
        let words =
            "[...document.querySelectorAll('#rows .word')].map((cell) => cell.textContent).join()";
        for share in [before, after] {
            let expected = format!("{share},{share},never traded");
            browser.wait_for(&expected, &format!("{words} === '{expected}'"));
        }
        let is_cut = "[...document.querySelectorAll('#rows .word')].some((cell) => cell.scrollWidth > cell.clientWidth)";
        assert_eq!(browser.value(is_cut), false, "the words are there whole");
        browser.wait_for(
            "the facts of the chart",
            &format!("document.querySelector('#c-facts').textContent.startsWith('{after}')"),
        );
    }
}
