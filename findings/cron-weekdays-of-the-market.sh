#!/usr/bin/env bash
# cron 0.17.0 (crates.io) and APScheduler 3.11.3 (PyPI): "1-5" for the days of the week is Sunday
# to Thursday in one and Tuesday to Saturday in the other.
#
# Guess: 30 9 * * 1-5 is half past nine from Monday to Friday, as in every crontab.
# Seen: the crate counts Sunday as 1; APScheduler's from_crontab counts Monday as 0. croniter 7.0.0
# (PyPI) gives Monday to Friday. Names (mon-fri) are right in all of them.
# Why it matters: a recorder that is started so for the opening of the market misses every Friday,
# or every Monday, and runs on a day on which nothing trades. In the first days both look right.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    APScheduler==3.11.3 croniter==7.0.0
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
chrono = "=0.4.45"
cron = "=0.17.0"
TOML
cat > src/main.rs <<'RUST'
use chrono::{TimeZone, Utc};
use std::str::FromStr;

fn main() {
    let saturday = Utc.with_ymd_and_hms(2026, 11, 28, 12, 0, 0).unwrap();
    let schedule = cron::Schedule::from_str("0 30 9 * * 1-5").unwrap();
    let days: Vec<_> =
        schedule.after(&saturday).take(5).map(|time| time.format("%a").to_string()).collect();
    println!("cron {}", days.join(" "));
}
RUST
{
    cargo run --quiet
    venv/bin/python - <<'PY'
from datetime import datetime, timedelta, timezone

from apscheduler.triggers.cron import CronTrigger
from croniter import croniter

saturday = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
trigger = CronTrigger.from_crontab("30 9 * * 1-5", timezone="UTC")
time, days = saturday, []
for _ in range(5):
    time = trigger.get_next_fire_time(None, time + timedelta(seconds=1))
    days.append(f"{time:%a}")
print("APScheduler", *days)
times = croniter("30 9 * * 1-5", saturday)
print("croniter", *(f"{times.get_next(datetime):%a}" for _ in range(5)))
PY
} | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
cron Sun Mon Tue Wed Thu
APScheduler Tue Wed Thu Fri Sat
croniter Mon Tue Wed Thu Fri
END
