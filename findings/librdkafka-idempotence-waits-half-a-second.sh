#!/usr/bin/env bash
# librdkafka 2.16.0 (confluent-kafka 2.16.1): an idempotent producer sends its first message half a
# second after one that is not idempotent, however near the broker is.
#
# Guess: idempotence costs one request more at the start, for the producer's id: a millisecond on
# 127.0.0.1.
# Seen: the first message is acknowledged after 0.5 s instead of some milliseconds, at each start. The
# id is asked for when no broker is connected yet, and asked for again only 500 ms later.
# Why it matters: a command that is started for each batch (kcat, a script) pays it each time: ten
# batches a second become two.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check confluent-kafka==2.16.1

timeout 60 venv/bin/python - <<'PY' | tee seen.txt
import statistics
import time

import confluent_kafka

print("librdkafka", confluent_kafka.libversion()[0])


def first_message(idempotent):
    """Seconds from a new producer to the acknowledgement of its first message."""
    # The broker is librdkafka's own stand-in, in this process.
    producer = confluent_kafka.Producer(
        {"test.mock.num.brokers": 1, "acks": "all", "linger.ms": 0, "log_level": 3, "enable.idempotence": idempotent}
    )
    began = time.monotonic()
    producer.produce("trades", b"row")
    assert producer.flush(20) == 0
    return time.monotonic() - began


plain, idempotent = (
    statistics.median(first_message(wanted) for _ in range(7)) for wanted in (False, True)
)
print("plain: below 0.2 s", plain < 0.2)
print("idempotent: 0.4 s later or more", idempotent - plain > 0.4)
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
librdkafka 2.16.0
plain: below 0.2 s True
idempotent: 0.4 s later or more True
END
