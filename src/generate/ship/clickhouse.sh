#!/bin/sh
# Rows of finnhub-stream in ClickHouse: each once, in order, with its digits. Run with ClickHouse 26.9
# (chdb 4.4.0, behind a small HTTP server).
#
#   finnhub-stream generate ship-clickhouse > ship-clickhouse && chmod +x ship-clickhouse
#   CLICKHOUSE_URL=http://127.0.0.1:8123 finnhub-stream ship op1.csv --name clickhouse -- ./ship-clickhouse
#
# It needs curl. CLICKHOUSE_URL is http://127.0.0.1:8123 by default, and may name a database
# (http://127.0.0.1:8123/?database=market); CLICKHOUSE_USER and CLICKHOUSE_PASSWORD are optional. It is
# for recordings with all six columns, and makes two tables:
#
#   trades      the rows; price_text and volume_text are the digits as they came, price and volume the
#               same as numbers, and ORDER BY shipping, n is the order of the recording
#   shippings   of each `ship --name` the batch that came last: argMax(batch, n)
#
# A batch that is there already is skipped; one that does not follow the last is an error, such as one
# by a position from a backup. The batch's id is the token of the insert: after a kill between both
# tables the repetition adds nothing. What is answered is on the server's disk.

set -u
: "${FINNHUB_STREAM_BATCH:?is missing: this is a command for finnhub-stream ship}"
: "${CLICKHOUSE_URL:=http://127.0.0.1:8123}"

IFS=- read -r shipping file from to <<END
$FINNHUB_STREAM_BATCH
END

fail() {
    printf 'ship-clickhouse: %s\n' "$(printf %s "$*" | tr -s '\n\t' '  ' | cut -c 1-400)" >&2
    exit 1
}

# The rows with two columns before them go into a file without a name. The line behind the rows must
# come out as it went in: if the end of the last row was cut off, it does not.
rows=$(mktemp) && exec 3> "$rows" 4< "$rows" && rm "$rows" || fail "no temporary file"
said=$({ cat && echo .; } | LC_ALL=C awk -v shipping="$shipping" -v file="$file" -v from="$from" \
    -v wanted="$FINNHUB_STREAM_ROWS" '
    BEGIN {
        print "INSERT INTO trades (shipping, n, ticker, price_text, volume_text, timestamp_ms, received_ms, conditions) FORMAT CSV" > "/dev/fd/3"
    }
    NR > 1 {
        if (!in_quotes) printf "%s,%s%012.0f,", shipping, file, from + rows++ > "/dev/fd/3"
        print line > "/dev/fd/3"
        if (gsub(/"/, "", line) % 2) in_quotes = !in_quotes
    }
    { line = $0 }
    END {
        if (in_quotes || line != ".") print "the end of the last row is cut off"
        else if (rows != wanted) print rows + 0 " of " wanted " rows came: not the whole batch"
    }') && [ -z "$said" ] || fail "${said:-cannot read the batch}"

# ask SETTINGS CURL_ARGUMENT...: gives the answer of the server. Secrets are no arguments: these show in ps.
ask() {
    case $CLICKHOUSE_URL in *\?*) url="$CLICKHOUSE_URL&$1" ;; *) url="${CLICKHOUSE_URL%/}/?$1" ;; esac
    shift
    answer=$(printf 'X-ClickHouse-User: %s\nX-ClickHouse-Key: %s\n' "${CLICKHOUSE_USER:-default}" \
        "${CLICKHOUSE_PASSWORD-}" | curl -sS -H @- -w '\n%{http_code}' "$@" "$url" 2>&1)
    status=${answer##*
}
    answer=${answer%
*}
    [ "$status" = 200 ]
}

LAST="SELECT argMax(batch, n) FROM shippings WHERE shipping = '$shipping' FORMAT TSV"
if ! ask wait_end_of_query=1 -d "$LAST"; then
    case $answer in *UNKNOWN_TABLE*) ;; *) fail "$answer" ;; esac
    ask wait_end_of_query=1 -d "CREATE TABLE IF NOT EXISTS trades (
            shipping LowCardinality(String), n UInt64, ticker String,
            price Float64 DEFAULT toFloat64(price_text), volume Float64 DEFAULT toFloat64(volume_text),
            timestamp_ms Int64, received_ms Int64, conditions String, price_text String, volume_text String)
        ENGINE = MergeTree ORDER BY (ticker, timestamp_ms, n) SETTINGS
            non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1" ||
        fail "$answer"
    ask wait_end_of_query=1 -d "CREATE TABLE IF NOT EXISTS shippings (shipping String, n UInt64, batch String)
        ENGINE = ReplacingMergeTree(n) ORDER BY shipping SETTINGS
            fsync_after_insert = 1, fsync_part_directory = 1" || fail "$answer"
    answer=
fi
last=$(printf %s "$answer")
[ "$last" != "$FINNHUB_STREAM_BATCH" ] || exit 0
[ "$last" = "$FINNHUB_STREAM_AFTER" ] || fail "the batch $FINNHUB_STREAM_BATCH follows" \
    "'$FINNHUB_STREAM_AFTER', but the last one in the table shippings is '$last': is the position an old one?"

settings=wait_end_of_query=1\&async_insert=0\&insert_deduplicate=1
ask "$settings&insert_deduplication_token=$FINNHUB_STREAM_BATCH&input_format_csv_trim_whitespaces=0" \
    --data-binary @/dev/fd/4 || fail "$answer"
n=$(printf '%s%012d' "$file" "$to")
ask "$settings" -d "INSERT INTO shippings VALUES ('$shipping', $n, '$FINNHUB_STREAM_BATCH')" || fail "$answer"
