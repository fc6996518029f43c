WITH trades AS (
    SELECT *, row_number() OVER () AS arrived, timestamp_ms // 60000 * 60000 AS minute_ms,
           string_split(coalesce(conditions, ''), ';') AS codes,
           -- These move the volume but no price (odd lot 12, average price 3, …); the second line comes late.
           NOT list_has_any(codes, ['3', '5', '10', '11', '12', '17', '22', '26', '27', '37',
                                    '9', '21', '25', '30', '32']) AS moves_price
    FROM read_csv('op1.csv', types = {'ticker': 'VARCHAR', 'price': 'DOUBLE', 'volume': 'DOUBLE', 'conditions': 'VARCHAR'})
), bars AS (
    SELECT ticker, minute_ms,
           first(price ORDER BY timestamp_ms, arrived) FILTER (moves_price) AS open,
           max(price) FILTER (moves_price) AS high,
           min(price) FILTER (moves_price) AS low,
           last(price ORDER BY timestamp_ms, arrived) FILTER (moves_price) AS close,
           sum(volume) AS volume, count(*) AS trades
    FROM trades
    -- No trades: price updates, and official close 16, open 20 and corrected close 39, which repeat volume.
    WHERE volume > 0 AND NOT list_has_any(codes, ['16', '20', '39'])
    GROUP BY ticker, minute_ms
), spans AS (
    SELECT state, string_split(tickers, ';') AS tickers, time_ms AS from_ms,
           lead(time_ms, 1, (SELECT max(received_ms) FROM trades)) OVER (ORDER BY time_ms, row) AS until_ms
    FROM (SELECT *, row_number() OVER () AS row
          FROM read_csv('op1.coverage.csv', types = {'tickers': 'VARCHAR', 'reason': 'VARCHAR'}))
)
SELECT ticker, make_timestamp(minute_ms * 1000) AS minute, open, high, low, close, volume, trades,
       coalesce(sum(least(until_ms, minute_ms + 60000) - greatest(from_ms, minute_ms)), 0) / 1000 AS covered_s
FROM bars LEFT JOIN spans ON state = 'live' AND list_contains(tickers, ticker)
                         AND from_ms < minute_ms + 60000 AND until_ms > minute_ms
GROUP BY ALL ORDER BY ticker, minute
