//! The first line of a recording, made and read; and those of a ledger and of bars.
//!
//! Any thread. No I/O.

use super::columns::Column;
use super::row_rules::shown;
use super::rows::Row;

/// The ledger's first line.
pub(crate) const LEDGER_HEADER: &str = "time_ms,state,tickers,reason\n";

/// The first line of what `bars` prints.
pub(crate) const BARS_HEADER: &str =
    "ticker,time_ms,open,high,low,close,volume,trades,covered_ms\n";

/// The header line for `columns`, with its line end.
pub fn header(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    names.join(",") + "\n"
}

/// The columns that a header names.
pub(crate) fn columns_of(row: &Row<'_>) -> Result<Vec<Column>, String> {
    if row.text == LEDGER_HEADER.trim_end().as_bytes() {
        return Err("it is a coverage ledger; name the recording that it stands beside".to_owned());
    }
    let wrong = |why: String| format!("its header is {}: {why}", shown(row.text));
    let fields = row.fields.map_err(|broken| wrong(broken.to_string()))?;
    let mut columns = Vec::with_capacity(Column::ALL.len());
    // The reader remembers more fields than there are columns, and a repeated column ends this loop.
    for index in 0..fields.count() {
        let name = fields.get(index);
        let column: Column = String::from_utf8_lossy(&name).parse().map_err(wrong)?;
        if columns.contains(&column) {
            return Err(wrong(format!("the column {column} stands in it twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// The fields of a line, read leniently: quotes may be wrong.
pub(crate) fn names(line: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let record = reader.byte_records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}
