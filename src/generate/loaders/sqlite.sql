-- Recordings of finnhub-stream in SQLite, by its shell. Run with sqlite3 3.40.1.
--
--   finnhub-stream generate sqlite > ticks.sql
--   FILES='op1-*.csv.gz,op1.csv' LEDGERS='op1*.coverage.csv' sqlite3 ticks.db < ticks.sql
--
-- Makes the tables ticks and ledger anew, and the view gaps. FILES and LEDGERS are names and
-- patterns, with commas between them; what is not there is passed over. Times are UNIX
-- milliseconds: datetime(time_ms / 1000, 'unixepoch') is one for people. Needs sh, sed and gzip.

DROP TABLE IF EXISTS ticks;
DROP TABLE IF EXISTS ledger;
DROP VIEW IF EXISTS gaps;

-- The trades, in the order of the files: rowid. A table that .import makes itself has only texts, and
-- compares prices as texts: 9.5 > 100. A REAL may differ from the digits in its 16th; for the digits as
-- they came write TEXT in place of REAL.
CREATE TABLE ticks (
    ticker TEXT NOT NULL, price REAL NOT NULL, volume REAL NOT NULL,
    timestamp_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, conditions TEXT NOT NULL
) STRICT;

-- The ledger's rows, in the order of the files: rowid.
CREATE TABLE ledger (
    time_ms INTEGER NOT NULL, state TEXT NOT NULL, tickers TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;

-- While it is recorded a reader may see half a row at the end, and after a crash one may stay. A line
-- end is put behind it, and the last line, which is that half or empty, is taken away.
.import --csv '|IFS=,; for file in ${FILES:=op1.csv}; do if [ -f "$file" ]; then found=1; { gzip -cdf <"$file"; echo; } | sed "1d;\$d"; fi; done; [ "$found" ] || echo "no file: $FILES" >&2' ticks
.import --csv '|IFS=,; for file in ${LEDGERS:=op1.coverage.csv}; do if [ -f "$file" ]; then found=1; { gzip -cdf <"$file"; echo; } | sed "1d;\$d"; fi; done; [ "$found" ] || echo "no file: $LEDGERS" >&2' ledger

-- Time in which nothing was recorded, by these ledgers: not running where the reason is `stopped`,
-- else missing. until_ms is NULL in a gap that has not ended.
CREATE VIEW gaps AS
WITH rows AS (
    -- Rows of one millisecond stand in their order, and `rotated` only says that the next file goes on.
    SELECT *, row_number() OVER (ORDER BY time_ms, rowid) AS n FROM ledger WHERE reason <> 'rotated'
), changes AS (
    -- Not what is said again: another list of tickers, or the next file of an outage.
    SELECT later.* FROM rows AS later LEFT JOIN rows AS before ON before.n = later.n - 1
    WHERE (before.state, before.reason) IS NOT (later.state, later.reason)
), spans AS (
    SELECT time_ms AS from_ms, lead(time_ms) OVER (ORDER BY n) AS until_ms, reason, state FROM changes
)
SELECT from_ms, until_ms, reason FROM spans
WHERE state = 'down' AND until_ms IS NOT from_ms ORDER BY from_ms;
