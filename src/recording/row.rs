//! From trades to CSV rows in memory: the chosen columns, quoted by RFC 4180.
//!
//! Writer thread; no I/O.

use crate::protocol::trade::{Conditions, Trade};
use crate::recording::columns::Column;

/// Appends one row to `rows`. `received_ms` is the digits of this machine's clock.
pub fn push_row(rows: &mut Vec<u8>, columns: &[Column], trade: &Trade<'_>, received_ms: &str) {
    for column in columns {
        match column {
            Column::Ticker => push_text(rows, trade.ticker.as_bytes()),
            Column::Price => rows.extend_from_slice(trade.price.as_bytes()),
            Column::Volume => rows.extend_from_slice(trade.volume.as_bytes()),
            Column::TimestampMs => rows.extend_from_slice(trade.timestamp_ms.as_bytes()),
            Column::ReceivedMs => rows.extend_from_slice(received_ms.as_bytes()),
            Column::Conditions => push_conditions(rows, &trade.conditions),
        }
        rows.push(b',');
    }
    // The last comma becomes the line end.
    if let Some(last) = rows.last_mut() {
        *last = b'\n';
    }
}

fn push_conditions(rows: &mut Vec<u8>, conditions: &Conditions<'_>) {
    match conditions {
        Conditions::Unescaped(_) => conditions.join_into(rows),
        Conditions::Escaped(codes) if codes.is_empty() => {}
        Conditions::Escaped(_) => {
            let mut joined = Vec::new();
            conditions.join_into(&mut joined);
            push_text(rows, &joined);
        }
    }
}

/// Appends a field, quoted when it has to be.
pub(crate) fn push_text(rows: &mut Vec<u8>, text: &[u8]) {
    if !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        rows.extend_from_slice(text);
        return;
    }
    rows.push(b'"');
    for byte in text {
        if *byte == b'"' {
            rows.push(b'"');
        }
        rows.push(*byte);
    }
    rows.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::push_row;
    use crate::protocol::trade::{Conditions, Trade};
    use crate::recording::columns::Column;
    use crate::recording::header::header;

    fn row(columns: &[Column], ticker: &str, codes: &[&str]) -> String {
        let conditions = Conditions::Escaped(codes.iter().map(|code| (*code).into()).collect());
        let trade = Trade {
            ticker: ticker.into(),
            price: "100.10",
            volume: "1e-07",
            timestamp_ms: "1680286537580",
            conditions,
        };
        let mut rows = Vec::new();
        push_row(&mut rows, columns, &trade, "1700000000000");
        String::from_utf8(rows).unwrap()
    }

    #[test]
    fn the_header_names_the_columns_in_their_order() {
        let all = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
        assert_eq!(header(&Column::ALL), all);
        assert_eq!(header(&[Column::Volume, Column::Ticker]), "volume,ticker\n");
    }

    #[test]
    fn rows_follow_the_columns() {
        let all = row(&Column::ALL, "AAPL", &["1", "12"]);
        assert_eq!(all, "AAPL,100.10,1e-07,1680286537580,1700000000000,1;12\n");
        assert_eq!(row(&[Column::Conditions, Column::Price], "AAPL", &[]), ",100.10\n");
        assert_eq!(row(&[Column::Ticker], "AAPL", &[]), "AAPL\n");
    }

    #[test]
    fn text_is_quoted_only_when_it_has_to_be() {
        for (ticker, field) in [
            ("IC MARKETS:1", "IC MARKETS:1"),
            ("A,B", "\"A,B\""),
            ("A\"B", "\"A\"\"B\""),
            ("A\nB\r", "\"A\nB\r\""),
            ("ÆØ", "ÆØ"),
        ] {
            assert_eq!(
                row(&[Column::Ticker, Column::Price], ticker, &[]),
                format!("{field},100.10\n")
            );
        }
        assert_eq!(
            row(&[Column::Conditions, Column::Price], "A", &["a,b", "c"]),
            "\"a,b;c\",100.10\n"
        );
    }

    proptest! {
        #[test]
        fn any_trade_comes_back_through_a_csv_reader(
            ticker in "[^\0]{1,12}", price in "-?[0-9]{1,30}(\\.[0-9]{1,30})?", codes in proptest::collection::vec("[^\0;]{0,4}", 0..3),
        ) {
            let trade = Trade {
                ticker: ticker.as_str().into(),
                price: price.as_str(),
                volume: "0.000004",
                timestamp_ms: "1",
                conditions: Conditions::Escaped(codes.iter().map(|code| code.as_str().into()).collect()),
            };
            let mut rows = header(&Column::ALL).into_bytes();
            push_row(&mut rows, &Column::ALL, &trade, "2");
            let mut reader = csv::Reader::from_reader(rows.as_slice());
            let records: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(records.len(), 1);
            let expected = [ticker.as_str(), &price, "0.000004", "1", "2", &codes.join(";")];
            prop_assert_eq!(records[0].iter().collect::<Vec<_>>(), expected);
        }
    }
}
