//! Whether a recording holds simulated or real trades: the two never meet in one file.
//!
//! Main thread, before anything is made. Looks at the first and the last rows, and at the lists of
//! symbols in the ledger, which say it also for a recording without the column `ticker`.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::{OpenError, failed};
use crate::protocol::trade::is_simulated;
use crate::recording::columns::Column;
use crate::recording::names::ledger_of;
use crate::recording::rows::RowReader;
use crate::text::printable;

/// So much of a recording is looked at, at its beginning and at its end: dozens of rows each.
const LOOKED_AT: u64 = 4 << 10;

/// Characters of a ticker that are shown.
const SHOWN_CHARACTERS: usize = 60;

/// Fails when the recording at `out`, or its ledger, holds trades of the other kind.
pub(super) fn check_origin(
    out: &Path,
    columns: &[Column],
    simulated: bool,
) -> Result<(), OpenError> {
    if let Some(ticker) = columns.iter().position(|column| *column == Column::Ticker) {
        let other = find_other(out, (columns.len(), ticker), LOOKED_AT, simulated);
        refuse(out, other)?;
    }
    check_ledger_origin(out, &ledger_of(out), simulated)
}

/// Fails when the `ledger` of `out`, which may be the ledger itself, is of trades of the other kind.
pub(super) fn check_ledger_origin(
    out: &Path,
    ledger: &Path,
    simulated: bool,
) -> Result<(), OpenError> {
    // `time_ms,state,tickers,reason`; a row of it may be long.
    refuse(out, find_other(ledger, (4, 2), u64::MAX, simulated))
}

fn refuse(path: &Path, other: io::Result<Option<String>>) -> Result<(), OpenError> {
    match other.map_err(failed("read", path))? {
        None => Ok(()),
        Some(ticker) => Err(OpenError::OtherMarket { path: path.to_owned(), ticker }),
    }
}

/// A ticker of the other kind in the first or last bytes of a file with so many columns, of which
/// one holds tickers.
fn find_other(
    path: &Path,
    (columns, ticker): (usize, usize),
    looked_at: u64,
    simulated: bool,
) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let last = file.metadata()?.len().saturating_sub(looked_at);
    for from in [0, last].into_iter().take(if last > 0 { 2 } else { 1 }) {
        file.seek(SeekFrom::Start(from))?;
        let mut rows = RowReader::from_row((&file).take(looked_at), from, columns);
        // The first one is the header, or cut.
        rows.next_row()?;
        while let Some(row) = rows.next_row()? {
            let Ok(fields) = row.fields else { continue };
            let symbol = String::from_utf8_lossy(&fields.get(ticker)).into_owned();
            let is_known = fields.count() == columns && !symbol.is_empty();
            if is_known && is_simulated(&symbol) != simulated {
                return Ok(Some(printable(&symbol, SHOWN_CHARACTERS)));
            }
        }
    }
    Ok(None)
}
