//! The line for states of a recording, in terminals of several widths.

use super::{cut, parts, shortened};
use crate::status::snapshot::{Counts, FeedState, Snapshot, TickerSnapshot};

/// A Monday noon in New York, so that the market's hours say nothing.
const NOON: i64 = 1_795_453_200_000;

fn snapshot() -> Snapshot {
    let ticker = |symbol: &str, refused| TickerSnapshot {
        symbol: symbol.into(),
        refused,
        wanted_since_ms: Some(NOON),
        last_received_ms: Some(NOON),
        ..TickerSnapshot::default()
    };
    Snapshot {
        started_ms: NOON,
        published_ms: NOON,
        state: FeedState::Live,
        live_since_ms: Some(NOON),
        counts: Counts { written: 12_345, ..Counts::default() },
        trades_per_second: 57.2,
        out_bytes: 12_345_678,
        tickers: vec![ticker("A", false), ticker("B", false), ticker("C", true)],
        ..Snapshot::default()
    }
}

fn text(snapshot: &Snapshot, last_message_ms: i64, now_ms: i64) -> String {
    shortened(parts(snapshot, last_message_ms, now_ms), usize::MAX)
}

fn check(snapshot: &Snapshot, last_message_ms: i64, after_ms: i64, expected: &str) {
    assert_eq!(text(snapshot, last_message_ms, NOON + after_ms), expected);
}

#[test]
fn the_line_has_everything_that_matters() {
    check(
        &snapshot(),
        NOON,
        1_500,
        "live · 2 symbols (1 refused) · 12,345 trades · 57/s · last 1 s ago · 0 s missing · 0 reconnects · 12.3 MB",
    );
}

#[test]
fn an_outage_is_shown_with_its_reason() {
    let down = Snapshot {
        state: FeedState::Down,
        reason: "connection lost: \u{1b}reset".into(),
        trades_per_second: 0.0,
        missing_ms: 72_000,
        reconnects: 1,
        tickers: Vec::new(),
        ..snapshot()
    };
    check(
        &down,
        0,
        0,
        "down: connection lost: \\u{1b}reset · 0 symbols · 12,345 trades · 0.0/s · no message yet · 1 m 12 s missing · 1 reconnect · 12.3 MB",
    );
}

#[test]
fn trouble_with_the_disk_comes_first() {
    let counts = Counts { dropped: 1_000, ..Counts::default() };
    let full = Snapshot { disk_trouble: Some("disk full".into()), counts, ..snapshot() };
    check(
        &full,
        NOON,
        0,
        "live · disk full, trades wait in memory · 2 symbols (1 refused) · 0 trades · 1,000 dropped · 57/s · last 0 s ago · 0 s missing · 0 reconnects · 12.3 MB",
    );
    let line = text(&snapshot(), NOON, NOON + 5_000);
    assert!(line.starts_with("live · the disk has not answered for 5 s · "), "{line}");
}

#[test]
fn silence_is_explained() {
    let mut silent = snapshot();
    silent.published_ms = NOON + 20 * 60_000;
    silent.tickers[1].last_received_ms = Some(silent.published_ms);
    let line = text(&silent, NOON, silent.published_ms);
    assert!(line.starts_with("live · no trades for A for 20 m · 2 symbols"), "{line}");
}

fn narrow(snapshot: &Snapshot, now_ms: i64, width: usize) -> String {
    let line = shortened(parts(snapshot, now_ms - 1_500, now_ms), width);
    assert!(line.chars().count() <= width, "{line}");
    line
}

#[test]
fn what_matters_is_kept_in_a_narrow_terminal_and_the_rest_left_out() {
    let lossy = Snapshot { missing_ms: 72_000, ..snapshot() };
    let reason = "not connected: cannot resolve the name ws.finnhub.io: Name or service".into();
    let down = Snapshot { state: FeedState::Down, reason, ..lossy.clone() };
    let full = Snapshot { disk_trouble: Some("disk full".into()), ..snapshot() };
    for (snapshot, width, expected) in [
        (
            &snapshot(),
            89,
            "live · 2 symbols (1 refused) · 12,345 trades · 57/s · last 1 s ago · 0 reconnects",
        ),
        (&snapshot(), 79, "live · 2 symbols (1 refused) · 12,345 trades · 57/s · last 1 s ago"),
        (&lossy, 71, "live · 2 symbols (1 … · 12,345 trades · last 1 s ago · 1 m 12 s missing"),
        (&lossy, 49, "live · 12,345 trades · 1 m 12 s missing"),
        (
            &down,
            99,
            "down: cannot resolve the name ws.finnhub.io: Name or service · 12,345 trades · 1 m 12 s missing",
        ),
        (&down, 79, "down: cannot resolve the name ws.finnhub.io: Name or service · 12,345 trades"),
        (&down, 39, "down: cannot resolve the name ws.finnh…"),
        (&down, 15, "down"),
        (&full, 79, "live · disk full, trades wait in memory · 12,345 trades · last 1 s ago"),
        (&full, 39, "live · disk full · 12,345 trades"),
        (&full, 29, "live · disk full"),
    ] {
        assert_eq!(narrow(snapshot, NOON, width), expected);
    }
}

#[cfg(feature = "table")]
#[test]
fn in_several_rows_more_of_it_has_room() {
    let check = |snapshot: &Snapshot, width, rows, expected: &[&str]| {
        let rows = super::in_rows(parts(snapshot, NOON - 1_500, NOON), width, rows);
        let text = |row: &Vec<(usize, String)>| row.iter().map(|it| it.1.as_str()).collect();
        let rows: Vec<String> = rows.iter().map(text).collect();
        assert_eq!(rows, expected);
    };
    let full = Snapshot { disk_trouble: Some("disk full".into()), ..snapshot() };
    check(
        &snapshot(),
        60,
        2,
        &[
            "live · 2 symbols (1 refused) · 12,345 trades · 57/s",
            "last 1 s ago · 0 s missing · 0 reconnects · 12.3 MB",
        ],
    );
    check(
        &snapshot(),
        38,
        2,
        &["live · 2 symbols (1 refused)", "12,345 trades · 57/s · last 1 s ago"],
    );
    check(&full, 28, 2, &["live · disk full", "12,345 trades · last 1 s ago"]);
    let reason = "not connected: cannot resolve the name ws.finnhub.io: Name or service".into();
    let down = Snapshot { state: FeedState::Down, reason, missing_ms: 72_000, ..snapshot() };
    check(
        &down,
        39,
        2,
        &["down: cannot resolve the name ws.finnh…", "12,345 trades · 1 m 12 s missing"],
    );
    check(&down, 15, 2, &["down", "12,345 trades"]);
    check(&full, 12, 1, &["live"]);
    check(&full, 0, 0, &[]);
}

#[test]
fn at_80_columns_every_closing_is_there_whole() {
    // In New York: Monday 22:30, Saturday noon, Martin Luther King Jr. Day and the Friday of its
    // early close at 13:00.
    for (utc, expected) in [
        ("2026-12-08T03:30:00Z", "US shares quiet (night), pre-market in 5 h 30 m"),
        ("2026-12-05T17:00:00Z", "US market closed (weekend), opens in 1 d 16 h"),
        ("2027-01-18T17:00:00Z", "US market closed (Martin Luther King Jr. Day), opens in 16 h"),
        ("2026-11-27T18:30:00Z", "US market closed (early close at 13:00), opens in 2 d 14 h"),
    ] {
        let now: jiff::Timestamp = utc.parse().unwrap();
        let now = now.as_millisecond();
        let mut quiet = Snapshot { published_ms: now, ..snapshot() };
        quiet.counts.written = 123_456_789;
        quiet.missing_ms = 72_000;
        for width in [79, 7 + expected.chars().count()] {
            let line = narrow(&quiet, now, width);
            assert!(line.starts_with(&format!("live · {expected}")), "{line}");
        }
    }
}

#[test]
fn a_long_line_is_cut_to_the_width() {
    for (width, expected) in [(8, "live · 2"), (7, "live ·…"), (5, "live…"), (1, "…"), (0, "")]
    {
        assert_eq!(cut("live · 2", width), expected);
    }
}
