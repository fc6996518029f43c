-- Recordings of finnhub-stream in DuckDB. Run with DuckDB 2.0.1.
--
--   finnhub-stream generate duckdb > ticks.sql
--   duckdb -init ticks.sql -c "SELECT ticker, count(*), max(price) FROM ticks(['op1-*.csv.gz', 'op1.csv']) GROUP BY ticker"
--
-- `files` is a name, a pattern, or a list of both; what is not there is passed over, unless nothing
-- is there. (DuckDB 1.5.6 reads as well without `allow_empty`, and then each pattern must match:
-- finnhub-stream generate duckdb | sed 's/, allow_empty = true//' > ticks.sql)
-- Times are UNIX milliseconds; make_timestamp(1000 * time_ms) is one for people.
-- Rows come in the order of the files, unless preserve_insertion_order is off.

-- The trades. `numbers` is a value of the type that price and volume are to have: ticks('op1.csv',
-- numbers := '') keeps the digits as text, numbers := 0::DECIMAL(38,12) counts with them.
CREATE OR REPLACE MACRO ticks(files, numbers := 0::DOUBLE) AS TABLE
WITH fields AS (
    SELECT *, filename
    FROM read_csv(
        files, allow_empty = true, filename = true,
        auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\n',
        -- DuckDB guesses types from the first 20,479 rows: F is then a boolean, NAN a number, INF a
        -- date, and a fraction that comes later is rounded.
        columns = {'ticker': 'VARCHAR', 'price': 'VARCHAR', 'volume': 'VARCHAR',
                   'timestamp_ms': 'VARCHAR', 'received_ms': 'VARCHAR', 'conditions': 'VARCHAR'},
        -- No conditions are an empty text; NULL is only what half a row lacks. With null_padding DuckDB
        -- takes line ends inside quotes only with parallel = false.
        nullstr = chr(0), null_padding = true, parallel = false)
), placed AS (
    SELECT *,
           lag(filename) OVER () IS DISTINCT FROM filename AS is_first,
           lead(filename) OVER () IS DISTINCT FROM filename AS is_last,
           strlen(ticker) + strlen(price) + strlen(volume) + strlen(timestamp_ms)
               + strlen(received_ms) + strlen(conditions) + 6
               + CASE WHEN ticker || conditions SIMILAR TO '[^",\r\n]*' THEN 0
                      ELSE csv_quotes(ticker) + csv_quotes(conditions) END AS bytes,
           sum(bytes) OVER (ROWS UNBOUNDED PRECEDING) AS bytes_so_far
    FROM fields
), measured AS (
    SELECT *, strlen('ticker,price,volume,timestamp_ms,received_ms,conditions') + 1 + bytes_so_far
                  - max(CASE WHEN is_first THEN bytes_so_far - bytes END) OVER (ROWS UNBOUNDED PRECEDING)
              AS bytes_of_file
    FROM placed
), sized AS (
    SELECT *, CASE WHEN is_last THEN (SELECT map_from_entries(list((filename, size)))
                                      FROM read_blob(files, allow_empty = true))[filename]
              END - bytes_of_file AS bytes_left
    FROM measured
), checked AS (
    -- While it is recorded a reader may see half a row at the end, and after a crash one may stay.
    -- DuckDB does not show whether a row has its line end: a file that is shorter than its rows and
    -- their line ends lacks the last one. (Its size is read first, so it may grow meanwhile.) The size
    -- of a .gz says nothing; only what lacks a field is seen there. The recorder compresses whole files.
    SELECT *, CASE WHEN NOT is_last THEN true
                   WHEN filename LIKE '%.gz' THEN conditions IS NOT NULL
                   -- What follows a quote that is never closed is passed over, with parallel = false.
                   WHEN bytes_left > 1000
                   THEN error(bytes_left || ' bytes of ' || filename || ' are in no row; finnhub-stream verify says where')
                   ELSE conditions IS NOT NULL AND bytes_left >= 0
              END AS is_whole
    FROM sized
)
-- CASE, so that a number is never made of half a row, whatever else is asked for.
SELECT ticker,
       CASE WHEN is_whole THEN cast_to_type(price, numbers) END AS price,
       CASE WHEN is_whole THEN cast_to_type(volume, numbers) END AS volume,
       CASE WHEN is_whole THEN timestamp_ms::BIGINT END AS timestamp_ms,
       CASE WHEN is_whole THEN received_ms::BIGINT END AS received_ms,
       CASE WHEN conditions IS NULL THEN error('a row with missing fields in ' || filename || '; finnhub-stream verify says where')
            ELSE conditions END AS conditions
FROM checked WHERE is_whole;

-- How many bytes the quotes take that a text has in the file, when it has some.
CREATE OR REPLACE MACRO csv_quotes(field) AS
    CASE WHEN regexp_matches(field, '[",\r\n]')
         THEN 2 + strlen(field) - strlen(replace(field, '"', '')) ELSE 0 END;

-- The ledger's rows. It is small, and read as a text up to its last line end.
CREATE OR REPLACE MACRO ledger(files) AS TABLE
SELECT fields.time_ms::BIGINT AS time_ms, fields.state AS state,
       csv_text(fields.tickers) AS tickers, csv_text(fields.reason) AS reason
FROM (
    SELECT regexp_extract(unnest(string_split(content, chr(10))[2:-2]),
                          '^([0-9]+),(live|down),("(?:[^"]|"")*"|[^,]*),("(?:[^"]|"")*"|[^,]*)$',
                          ['time_ms', 'state', 'tickers', 'reason']) AS fields
    FROM read_text(files, allow_empty = true));

-- A field of CSV without its quotes.
CREATE OR REPLACE MACRO csv_text(field) AS
    CASE WHEN field LIKE '"%' THEN replace(field[2:-2], '""', '"') ELSE field END;

-- Time in which nothing was recorded, by these ledgers: not running where the reason is `stopped`,
-- else missing. until_ms is NULL in a gap that has not ended.
CREATE OR REPLACE MACRO gaps(files) AS TABLE
WITH changes AS (
    -- Rows of one millisecond stand in their order, and `rotated` only says that the next file goes on.
    SELECT * FROM (SELECT *, row_number() OVER () AS n FROM ledger(files))
    WHERE reason <> 'rotated'
    -- Not what is said again: another list of tickers, or the next file of an outage.
    QUALIFY (state, reason) IS DISTINCT FROM lag((state, reason)) OVER (ORDER BY time_ms, n)
)
SELECT time_ms AS from_ms, lead(time_ms) OVER (ORDER BY time_ms, n) AS until_ms, reason
FROM changes
QUALIFY state = 'down' AND until_ms IS DISTINCT FROM from_ms
ORDER BY time_ms, n;
