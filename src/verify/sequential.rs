//! The same as `recording` row by row, on one thread, in the plainest way: what the tests hold it against.

use std::io::Read;

use super::days::Days;
use super::part::is_back;
use super::report::{FileReport, earlier};
use crate::recording::columns::Column;
use crate::recording::header::columns_of;
use crate::recording::row_rules::check_row;
use crate::recording::rows::RowReader;

/// Counts in `report` and `days`; gives how many bytes are behind the last row, and on which line, or the
/// line at which it cannot be read on.
pub(super) fn read_rows(
    text: impl Read,
    report: &mut FileReport,
    days: &mut Days,
) -> Result<(u64, u64), u64> {
    let mut rows = RowReader::new(text);
    let header = rows.next_row().map_err(|_| 1_u64)?.ok_or(1_u64)?;
    let (columns, header) = (columns_of(&header).unwrap(), header.text.to_owned());
    let mut last_row = None;
    let (mut last_timestamp_ms, mut last_received_ms) = (None, None);
    loop {
        let line = rows.line();
        let Some(row) = rows.next_row().map_err(|_| line)? else {
            return Ok((rows.unfinished_bytes(), rows.line()));
        };
        if row.text.is_empty() && columns != [Column::Conditions] {
            continue;
        }
        let values = match check_row(&row, &columns, &header) {
            Ok(values) => values,
            Err(reason) => {
                last_row = None;
                report.malformed(row.line, reason);
                continue;
            }
        };
        let counts = &mut report.counts;
        counts.rows += 1;
        counts.numbers_with_exponent += values.with_exponent;
        counts.numbers_with_many_decimals += values.with_many_decimals;
        if let Some(ticker) = &values.ticker {
            report.symbols.add(ticker, 1);
        }
        if let Some(time_ms) = values.received_ms.or(values.timestamp_ms) {
            days.add_rows(time_ms, 1);
        }
        let this_row = Some(row.text.to_owned());
        counts.repeats += u64::from(last_row == this_row);
        last_row = this_row;
        counts.first_timestamp_ms = earlier(counts.first_timestamp_ms, values.timestamp_ms);
        counts.last_timestamp_ms = counts.last_timestamp_ms.max(values.timestamp_ms);
        counts.first_received_ms = earlier(counts.first_received_ms, values.received_ms);
        counts.last_received_ms = counts.last_received_ms.max(values.received_ms);
        let back = is_back(last_timestamp_ms, values.timestamp_ms);
        counts.timestamp_ms_backwards += u64::from(back);
        let back = is_back(last_received_ms, values.received_ms);
        counts.received_ms_backwards += u64::from(back);
        last_timestamp_ms = values.timestamp_ms.or(last_timestamp_ms);
        last_received_ms = values.received_ms.or(last_received_ms);
    }
}
