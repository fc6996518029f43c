#!/bin/sh
# Rows of finnhub-stream in PostgreSQL: each once, in order, with its digits. Run with PostgreSQL 15.
#
#   finnhub-stream generate ship-postgres > ship-postgres && chmod +x ship-postgres
#   PGDATABASE=market finnhub-stream ship op1.csv --name postgres -- ./ship-postgres
#
# It needs psql, and libpq's variables (PGHOST, PGDATABASE, PGUSER, PGPASSWORD, …) for the way to the
# server. It is for recordings with all six columns, and makes two tables where the search_path leads:
#
#   trades      the rows; price_text and volume_text are the digits as they came, price and volume the
#               same as numbers, and ORDER BY n is the order of the recording
#   shippings   one row for each `ship --name`: the batch that came last
#
# A batch that is there already is skipped; one that does not follow the last is an error, such as one
# by a position from a backup.

set -u
: "${FINNHUB_STREAM_BATCH:?is missing: this is a command for finnhub-stream ship}"

# The line behind the rows has six empty columns, and is left out by the WHERE below. If the end of the
# last row was cut off, it makes that row too long, which COPY refuses.
said=$(
    { cat && printf ',,,,,\n'; } | psql -qXAt -v ON_ERROR_STOP=1 -v batch="$FINNHUB_STREAM_BATCH" \
        -v after="$FINNHUB_STREAM_AFTER" -v rows="$FINNHUB_STREAM_ROWS" \
        -v shipping="${FINNHUB_STREAM_BATCH%%-*}" -f /dev/fd/3 3<<'SQL' 2>&1
SET client_min_messages = error;
BEGIN;
SELECT to_regclass('trades') IS NULL AS no_trades, to_regclass('shippings') IS NULL AS no_shippings \gset
\if :no_trades
CREATE TABLE trades (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticker text NOT NULL,
    price numeric GENERATED ALWAYS AS (price_text::numeric) STORED,
    volume numeric GENERATED ALWAYS AS (volume_text::numeric) STORED,
    timestamp_ms bigint NOT NULL,
    received_ms bigint NOT NULL,
    conditions text NOT NULL,
    price_text text NOT NULL,
    volume_text text NOT NULL
);
\endif
\if :no_shippings
CREATE TABLE shippings (shipping text PRIMARY KEY, batch text NOT NULL);
\endif
INSERT INTO shippings VALUES (:'shipping', '') ON CONFLICT DO NOTHING;
-- Who ships the same batch waits here for the other one's end.
SELECT batch AS last, batch = :'batch' AS is_there, batch = :'after' AS follows
FROM shippings WHERE shipping = :'shipping' FOR UPDATE \gset
\if :is_there
    \! cat > /dev/null
\elif :follows
    \copy trades (ticker, price_text, volume_text, timestamp_ms, received_ms, conditions) from pstdin with (format csv, force_not_null (conditions)) where timestamp_ms is not null
    SELECT :ROW_COUNT = :rows AS is_whole, :ROW_COUNT AS found \gset
    \if :is_whole
    \else
        \echo :found of :rows rows came: not the whole batch
        \quit
    \endif
    UPDATE shippings SET batch = :'batch' WHERE shipping = :'shipping';
\else
    \echo the batch :'batch' follows :'after', but the last one in the table shippings is :'last': is the position an old one?
    \quit
\endif
COMMIT;
\echo accepted
SQL
) && [ "$said" = accepted ] && exit 0
[ "$said" = accepted ] || echo "ship-postgres: $(printf %s "$said" | tr -s '\n\t' '  ')" >&2
exit 1
