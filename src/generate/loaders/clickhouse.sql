-- Recordings of finnhub-stream in ClickHouse. Run with 26.9.2, by chdb 4.4.0.
--
--   finnhub-stream generate clickhouse > ticks.sql
--   (cat ticks.sql; echo "SELECT ticker, count(), max(price) FROM ticks(files = ['op1-*.csv.gz', 'op1.csv']) GROUP BY ticker") | clickhouse local
--
-- `files` is a name, a pattern, or a list of both; a pattern may match no file. A server finds them
-- below its user_files_path. Times are UNIX milliseconds: fromUnixTimestamp64Milli(time_ms) is one
-- for people.

-- The trades with the digits of price and volume as texts, in the order of the files' names.
CREATE OR REPLACE VIEW ticks_text AS
SELECT ticker, price, volume, toInt64(timestamp_ms) AS timestamp_ms, toInt64(received_ms) AS received_ms, conditions
FROM (
    SELECT *
    FROM file(
        CAST(if(startsWith({files:String}, '['), {files:String}, concat('[''', {files:String}, ''']')), 'Array(String)'),
        -- Not CSVWithNames, which takes a row without a line end. While it is recorded a reader may
        -- see half a row at the end, and after a crash one may stay.
        CustomSeparatedWithNames,
        -- All texts: ClickHouse makes one of the price column for one 1e-07, and 0 of an empty number.
        'ticker String, price String, volume String, timestamp_ms String, received_ms String, conditions String')
    ORDER BY _path, _row_number
    SETTINGS format_custom_escaping_rule = 'CSV', format_custom_field_delimiter = ',',
             format_custom_row_after_delimiter = '\n',
             -- Half a row is an error, and one error in each file is passed over. (So is one other row whose
             -- quotes are wrong; finnhub-stream verify names it.) A row that only lacks fields shall be
             -- none: it fails when its numbers are read.
             input_format_allow_errors_num = 1, input_format_custom_allow_variable_number_of_columns = 1,
             -- \N is a ticker like others, and spaces are part of one.
             format_csv_null_representation = '\0', input_format_csv_trim_whitespaces = 0
);

-- The trades with price and volume as Float64.
CREATE OR REPLACE VIEW ticks AS
SELECT ticker, toFloat64(price) AS price, toFloat64(volume) AS volume, timestamp_ms, received_ms, conditions
FROM ticks_text(files = {files:String});

-- The ledger's rows, in the order of the files' names; read as the trades are.
CREATE OR REPLACE VIEW ledger AS
SELECT toInt64(time_ms) AS time_ms, state, tickers, reason
FROM (
    SELECT *
    FROM file(
        CAST(if(startsWith({files:String}, '['), {files:String}, concat('[''', {files:String}, ''']')), 'Array(String)'),
        CustomSeparatedWithNames, 'time_ms String, state String, tickers String, reason String')
    ORDER BY _path, _row_number
    SETTINGS format_custom_escaping_rule = 'CSV', format_custom_field_delimiter = ',',
             format_custom_row_after_delimiter = '\n', input_format_allow_errors_num = 1,
             input_format_custom_allow_variable_number_of_columns = 1,
             format_csv_null_representation = '\0', input_format_csv_trim_whitespaces = 0
);

-- Time in which nothing was recorded, by these ledgers: not running where the reason is `stopped`,
-- else missing. until_ms is NULL in a gap that has not ended.
CREATE OR REPLACE VIEW gaps AS
SELECT time_ms AS from_ms, until_ms, reason
FROM (
    SELECT *, leadInFrame(toNullable(time_ms)) OVER (ORDER BY time_ms, n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS until_ms
    FROM (
        SELECT *, lagInFrame((state, reason)) OVER (ORDER BY time_ms, n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before
        -- Rows of one millisecond stand in their order, and `rotated` only says that the next file goes on.
        FROM (SELECT *, rowNumberInAllBlocks() AS n FROM ledger(files = {files:String}))
        WHERE reason != 'rotated'
    )
    -- Not what is said again: another list of tickers, or the next file of an outage.
    WHERE (state, reason) != before
)
WHERE state = 'down' AND (until_ms IS NULL OR until_ms > from_ms)
ORDER BY from_ms;
