//! Tickers and numbers that other programs may misread when they guess types.
//!
//! Main thread, for `verify`. Rules only. None of this is a fault of the recording; the loaders of
//! `generate` read all of it right.

/// Tickers, and what they are to programs that guess types, as seen with pandas 3.1, polars 2.1,
/// DuckDB 2.0, ClickHouse 26.9, Spark 4.3 and R 4.2: `NA`, `NULL` and `None` always, the others when
/// no other ticker is in the file.
const MISREAD: [(&[&str], &str); 7] = [
    (&["NA"], "missing to pandas and R"),
    (&["NULL", "None"], "missing to pandas"),
    (&["TRUE", "FALSE"], "a boolean to most"),
    (&["T", "F"], "a boolean to DuckDB and R"),
    (&["YES", "NO"], "a boolean to DuckDB"),
    (&["INF"], "a number to pandas and R, a date to DuckDB"),
    (&["EPOCH"], "a date to DuckDB"),
];

/// What some programs take `ticker` for; `None` when all read it right.
pub(super) fn misread_as(ticker: &str) -> Option<&'static str> {
    let listed = MISREAD.iter().find(|(tickers, _)| tickers.contains(&ticker));
    // `0012` is 12 to them, `1E5` 100000 and `NAN` no number.
    let is_number = || ticker.parse::<f64>().is_ok() || ticker.starts_with("0x");
    listed.map(|(_, meaning)| *meaning).or_else(|| is_number().then_some("a number to most"))
}

#[cfg(test)]
mod tests {
    use super::misread_as;

    #[test]
    fn tickers_that_look_like_values_are_known() {
        for (ticker, expected) in [
            ("AAPL", None),
            ("BINANCE:BTCUSDT", None),
            ("NAT", None),
            ("600519.SS", None),
            ("E", None),
            ("NA", Some("missing to pandas and R")),
            ("F", Some("a boolean to DuckDB and R")),
            ("INF", Some("a number to pandas and R, a date to DuckDB")),
            ("NAN", Some("a number to most")),
            ("0012", Some("a number to most")),
            ("1E5", Some("a number to most")),
            ("0x10", Some("a number to most")),
        ] {
            assert_eq!(misread_as(ticker), expected, "{ticker}");
        }
    }
}
