//! What a recording is on disk, and how it is read.
//!
//! Any thread. Only `paths` changes files: it replaces the tickers file and the positions of `ship`. The
//! recorder writes recordings, with its own operations.
//!
//! # The files
//!
//! | name | what it is |
//! |---|---|
//! | `op1.csv` | the live file: one header line, then one row for each trade |
//! | `op1.coverage.csv` | its ledger: from when to when trades were recorded |
//! | `op1.csv.lock` | its lock: who records, and how far the file is written and on the disk |
//! | `op1-2026-11-23.csv`, `op1-2026-11-23T14.csv` | closed files, by the UTC day or hour of their last row; a second one of the same period has `-2` before `.csv` |
//! | `op1-2026-11-23.coverage.csv` | the ledger of a closed file |
//! | `op1-2026-11-23.csv.gz` | a closed file, compressed with gzip |
//! | `op1.csv.torn-1764500000000` | bytes that were no whole rows, moved here by a repair at that time |
//! | `op1.csv.next-…`, `….redo-…`, `….part-…` | work in progress: the next file of a rotation, the new end of a file, a compressed file that is not whole |
//! | `op1.csv.ship-NAME` | how far `ship` has come; not a part of the recording |
//!
//! A recording whose name does not end in `.csv` has the same names without it: `trades`,
//! `trades.coverage.csv`, `trades-2026-11-23`. When the name is a symbolic link, all other files are beside
//! the file that it leads to. Code: `names`, `closed`.
//!
//! # The rows
//!
//! The first line names the columns, a subset of [`columns::Column`] in any order. Rows are CSV as in
//! RFC 4180: fields with a comma, a quote or a line end are in quotes, and a quote inside is written twice.
//! Text is UTF-8. Each row ends with one `\n`, the last one, too. Prices and volumes are the digits that the
//! server has sent. Rows stand in the order in which they arrived, so that `received_ms` runs backwards only
//! when the machine's clock does; `timestamp_ms` is the exchange's and may do so at any time. Code: `row`
//! writes one, `rows` finds them, `row_rules` checks them, `blocks` reads many on several threads.
//!
//! A file only grows at its end, in whole rows. A reader of the live file takes what ends with a `\n`: the
//! system may show the last write in part.
//!
//! # What a crash leaves
//!
//! A kill leaves at most one row without its `\n`, at the end of the file: it is torn, also when all its
//! fields are there, because `1` may be the beginning of `12`. A power cut may leave the file shorter, or
//! longer with NUL bytes, which no row has: nothing behind the first one counts. The next start moves what is
//! torn to a file of its own and goes on behind the last whole row. In a file that nobody records, a reader
//! reports a torn end; it never makes a row of it.
//!
//! # The ledger
//!
//! The header is `time_ms,state,tickers,reason`. Each row holds from its time until the next row. `live`:
//! the tickers, joined with `;`, were subscribed and recorded. `down`: nothing was, and the reason says why;
//! `ledger::Reason` has the fixed ones. Times are the recording machine's clock in UNIX milliseconds and
//! never run backwards; rows with the same time stand in their order. The ledger of a closed file ends with
//! `down` and `rotated`, and the next one begins with `live` at the same time. A ledger that ends with
//! `live` counts up to now while a recorder holds the lock, and otherwise up to the time in the lock's line.
//! A row goes to the disk after the trades before it, and trades after a `down` go there after that: whatever
//! a power cut takes, the ledger never calls anything recorded that is gone. Code: `ledger`.
//!
//! # The lock
//!
//! While a recorder runs, it holds locks (`flock`) of the lock file, the live file and the ledger. The
//! system ends them with the process, so that a lock file without a lock is normal. In it stands one line of
//! always the same length; [`lock_line`] has its fields.
//!
//! # Compressed files
//!
//! Any of these files may have been compressed with gzip later, `.gz` at the end of its name or not: the first
//! two bytes tell. Several gzip streams end to end are one text. Code: `gzip`, `source`.

pub(crate) mod blocks;
pub(crate) mod closed;
pub mod columns;
pub(crate) mod gzip;
pub mod header;
pub(crate) mod ledger;
pub mod lock_line;
pub(crate) mod names;
pub(crate) mod ordinary_row;
pub(crate) mod paths;
pub(crate) mod row;
pub(crate) mod row_rules;
pub(crate) mod rows;
pub(crate) mod source;

pub use row::push_row;
