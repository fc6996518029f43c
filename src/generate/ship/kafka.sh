#!/bin/sh
# Rows of finnhub-stream in a Kafka topic: each at least once, with its batch's id, digit for digit. Run
# with kcat 1.7.1 (librdkafka 2.16.0) and tansu 0.6.0, a broker that speaks Kafka's protocol.
#
#   finnhub-stream generate ship-kafka > ship-kafka && chmod +x ship-kafka
#   KAFKA_BROKERS=127.0.0.1:9092 finnhub-stream ship op1.csv --name kafka -- ./ship-kafka
#
# It needs kcat, whose configuration (TLS, passwords) is in ~/.config/kcat.conf or KCAT_CONFIG.
# KAFKA_BROKERS is 127.0.0.1:9092 by default, KAFKA_TOPIC trades. The topic is made by the first message
# where the brokers allow that, with as many partitions as they say; else make it first:
# kafka-topics.sh --create --topic trades --partitions 6 --bootstrap-server HOST:9092
#
# A message is a row without its line end. Its key is the ticker, so that each ticker's trades stay in
# order in one partition, the one that Java's clients choose. Its header `batch` is the batch's id. A
# message may come again after a failure, with the same id; the last one of a batch that is whole has
# also the header `rows`. A batch that is the last one in the topic is skipped, one that comes before that
# is an error, such as one by a position from a backup; this is seen as long as no other `ship --name`
# writes behind it into each partition.

set -u
: "${FINNHUB_STREAM_BATCH:?is missing: this is a command for finnhub-stream ship}"
: "${KAFKA_BROKERS:=127.0.0.1:9092}" "${KAFKA_TOPIC:=trades}"

fail() {
    printf 'ship-kafka: %s\n' "$(printf '%s\n' "$*" | grep -v CONFWARN | tail -n 1 | cut -c 1-400)" >&2
    exit 1
}

# Each message is the ticker, a unit separator, the row, a record separator; the last one is in a file of
# its own. The line behind the rows must come out as it went in: if the end of the last row was cut off,
# it does not.
rows=$(mktemp) && exec 3> "$rows" 4< "$rows" && rm "$rows" || fail "no temporary file"
rows=$(mktemp) && exec 5> "$rows" 6< "$rows" && rm "$rows" || fail "no temporary file"
said=$({ cat && echo .; } | LC_ALL=C awk -v wanted="$FINNHUB_STREAM_ROWS" '
    function end_row() {
        key = row
        if (key ~ /^"/) {
            gsub(/""/, "\036", key)
            sub(/^"/, "", key)
            sub(/".*/, "", key)
            gsub(/\036/, "\"", key)
        } else sub(/,.*/, "", key)
        rows++
        printf "%s\037%s\036", key, row > (rows == wanted ? "/dev/fd/5" : "/dev/fd/3")
    }
    NR > 1 {
        row = in_quotes ? row "\n" line : line
        if (gsub(/"/, "", line) % 2) in_quotes = !in_quotes
        if (!in_quotes) end_row()
    }
    { line = $0 }
    END {
        if (in_quotes || line != ".") print "the end of the last row is cut off"
        else if (rows != wanted) print rows + 0 " of " wanted " rows came: not the whole batch"
    }') && [ -z "$said" ] || fail "${said:-cannot read the batch}"

# The newest batch of this shipping at the ends of the partitions, and whether that is whole. At an end
# a broker waits for more, half a second if it is not told otherwise.
ends=$(kcat -C -q -e -o -1 -b "$KAFKA_BROKERS" -t "$KAFKA_TOPIC" -X auto.offset.reset=earliest \
    -X fetch.wait.max.ms=10 -f '%h\n' 2>&1) ||
    case $ends in *"nknown topic"*) ends= ;; *) fail "$ends" ;; esac
ours=$(printf '%s\n' "$ends" | tr , '\n' | grep "^batch=${FINNHUB_STREAM_BATCH%%-*}-" | sort -t - -k 2,2n -k 4,4n)
last=$(printf '%s\n' "$ours" | tail -n 1)
last=${last#batch=}
if [ "$last" = "$FINNHUB_STREAM_BATCH" ]; then
    case $ends in *"batch=$last,rows="*) exit 0 ;; esac
elif [ -n "$last" ] && [ "$last" != "$FINNHUB_STREAM_AFTER" ]; then
    fail "the batch $FINNHUB_STREAM_BATCH follows '$FINNHUB_STREAM_AFTER', but the last one in the topic" \
        "$KAFKA_TOPIC is '$last': is the position an old one?"
fi

# send HEADER...: brings the messages on standard input into the topic. One request at a time keeps their
# order when one is sent again; idempotence would do so as well, and costs half a second at each start.
send() {
    said=$(kcat -P -b "$KAFKA_BROKERS" -t "$KAFKA_TOPIC" -K '\x1f' -D '\x1e' -X acks=all \
        -X max.in.flight=1 -X topic.partitioner=murmur2_random -X message.timeout.ms=30000 \
        -H "batch=$FINNHUB_STREAM_BATCH" "$@" 2>&1) && return
    case $said in *"nknown topic"*) fail "there is no topic $KAFKA_TOPIC, and the brokers make none; make it first" ;; esac
    fail "$said"
}
send <&4
send -H "rows=$FINNHUB_STREAM_ROWS" <&6
