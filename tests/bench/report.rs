//! The tables. Runs on the main thread of the bench; it only writes what it is given.
//!
//! Every figure is the median over the rounds, with the lowest and the highest in brackets. A ratio
//! is taken within each round, against the typical recorder of the same round, and then its median.

use std::io::{self, Write};

use crate::candles::{Candles, Run};
use crate::decode::Decoding;
use crate::growth::Tenth;
use crate::idle::Idle;
use crate::latency::Latency;
use crate::load::Load;
use crate::measure::Spread;
use crate::plan::Plan;
use crate::reading::{Reading, Readings};
use crate::recorders::Recorder;
use crate::shipping::{Shipping, largest};
use crate::throughput::{self, Throughput};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What everyone gets.
pub(crate) fn work(out: &mut impl Write, plan: &Plan, load: &Load) -> io::Result<()> {
    let (trades, messages) = (load.trades().len(), load.message_count());
    writeln!(
        out,
        "{trades} trades in {messages} messages (mean {:.2}), {:.1} MB; {} rounds, interleaved.\n\
         Figures: median (lowest to highest). Ratios: median within rounds, to `typical`.",
        float(trades) / float(messages),
        float(load.frames().len()) / 1e6,
        plan.rounds,
    )
}

/// Part (a).
pub(crate) fn decoding(out: &mut impl Write, all: &[Decoding]) -> io::Result<()> {
    writeln!(out, "\nDecode: messages in memory to rows in memory, million trades a second")?;
    for Decoding { name, trades_per_second } in all {
        writeln!(out, "  {name:<16} {}", spread(trades_per_second.iter().map(|n| n / 1e6), 2))?;
    }
    Ok(())
}

/// The ceiling of part (b).
pub(crate) fn sender_alone(out: &mut impl Write, load: &Load, rates: &[f64]) -> io::Result<()> {
    let bytes_per_trade = float(load.frames().len()) / float(load.trades().len());
    writeln!(
        out,
        "\nSender alone, its bytes read and thrown away: {} million trades a second, {:.0} MB/s",
        spread(rates.iter().map(|rate| rate / 1e6), 2),
        Spread::of(rates.iter().map(|rate| rate * bytes_per_trade / 1e6)).median,
    )
}

/// Part (b), with processor time and memory.
pub(crate) fn throughput(out: &mut impl Write, plan: &Plan, all: &[Throughput]) -> io::Result<()> {
    writeln!(
        out,
        "\nThroughput: first byte sent to last row visible in the file, {} trades a round",
        plan.trades
    )?;
    writeln!(
        out,
        "  {:<16} {:>21} {:>8} {:>21} {:>8} {:>20}",
        "", "million trades/s", "ratio", "CPU s per million", "ratio", "peak memory MiB"
    )?;
    let typical = all.iter().find(|other| other.recorder == Recorder::Typical);
    for one in all {
        let ratio = |figure: fn(&throughput::Round) -> f64| {
            typical.map_or_else(String::new, |typical| {
                let pairs = one.rounds.iter().zip(&typical.rounds);
                let ratios = pairs.map(|(one, typical)| figure(one) / figure(typical));
                format!("{:.2} ×", Spread::of(ratios).median)
            })
        };
        let figures = |figure: fn(&throughput::Round) -> f64, places| {
            spread(one.rounds.iter().map(figure), places)
        };
        writeln!(
            out,
            "  {:<16} {:>21} {:>8} {:>21} {:>8} {:>20}",
            one.recorder.name(),
            figures(|round| round.trades_per_second / 1e6, 2),
            ratio(|round| round.trades_per_second),
            figures(|round| round.cpu_seconds_per_million, 3),
            ratio(|round| round.cpu_seconds_per_million),
            figures(|round| mebibytes(round.peak_memory_bytes), 1),
        )?;
    }
    Ok(())
}

/// Part (c), with processor time and memory.
pub(crate) fn latency(
    out: &mut impl Write,
    plan: &Plan,
    rate: u32,
    load: &Load,
    all: &[Latency],
) -> io::Result<()> {
    writeln!(
        out,
        "\nPaced: {rate} messages a second of {} symbols, {} s a round; milliseconds from send to visible row",
        load.symbols().len(),
        plan.paced.as_secs_f64()
    )?;
    writeln!(
        out,
        "  {:<16} {:>22} {:>22} {:>24} {:>20} {:>20} {:>20}",
        "", "p50", "p99", "max", "CPU % of a core", "start-up ms", "peak memory MiB"
    )?;
    for Latency { recorder, rounds } in all {
        let milliseconds = |figure: fn(&crate::latency::Round) -> f64| {
            spread(rounds.iter().map(|round| figure(round) * 1e3), 3)
        };
        writeln!(
            out,
            "  {:<16} {:>22} {:>22} {:>24} {:>20} {:>20} {:>20}",
            recorder.name(),
            milliseconds(|round| round.p50),
            milliseconds(|round| round.p99),
            milliseconds(|round| round.max),
            spread(rounds.iter().map(|round| round.cpu_share * 100.0), 1),
            spread(rounds.iter().map(|round| round.subscribed_after * 1e3), 0),
            spread(rounds.iter().map(|round| mebibytes(round.peak_memory_bytes)), 1),
        )?;
    }
    Ok(())
}

/// Part (d).
pub(crate) fn idle(out: &mut impl Write, plan: &Plan, all: &[Idle]) -> io::Result<()> {
    writeln!(out, "\nNothing but pings for {} s, side by side", plan.idle.as_secs_f64())?;
    for Idle { recorder, cpu, wake_ups, resident_bytes } in all {
        writeln!(
            out,
            "  {:<16} {:>7.1} ms CPU {wake_ups:>5} wake-ups {:>5.1} MiB resident",
            recorder.name(),
            cpu.as_secs_f64() * 1e3,
            mebibytes(*resident_bytes),
        )?;
    }
    Ok(())
}

/// Part (e).
pub(crate) fn growth(out: &mut impl Write, who: Recorder, all: &[Tenth]) -> io::Result<()> {
    writeln!(out, "\nGrowth of a recording by {}, tenth by tenth", who.name())?;
    for Tenth { rows, nanoseconds_per_row, resident_bytes } in all {
        writeln!(
            out,
            "  {rows:>12} rows {nanoseconds_per_row:>6.0} ns a row {:>5.1} MiB resident",
            mebibytes(*resident_bytes)
        )?;
    }
    Ok(())
}

/// Part (f).
pub(crate) fn reading(out: &mut impl Write, readings: &Readings) -> io::Result<()> {
    let Readings { rows, bytes, all } = readings;
    let gigabytes = mebibytes(*bytes) * MEBIBYTE / 1e9;
    writeln!(
        out,
        "\nReading {rows} rows, {gigabytes:.2} GB, that are in memory: ns a row; GB of text a second"
    )?;
    for Reading { name, seconds } in all {
        if seconds.is_empty() {
            writeln!(out, "  {name:<34} skipped: FINNHUB_TEST_PYTHON names no Python that has it")?;
            continue;
        }
        writeln!(
            out,
            "  {name:<34} {:>22} {:>18}",
            spread(seconds.iter().map(|seconds| seconds * 1e9 / float(*rows)), 1),
            spread(seconds.iter().map(|seconds| gigabytes / seconds), 2)
        )?;
    }
    Ok(())
}

/// Part (g).
pub(crate) fn shipping(out: &mut impl Write, shipping: &Shipping) -> io::Result<()> {
    let Shipping { rows_per_second, peak_memory_bytes, waiting_share, lags_ms } = shipping;
    writeln!(
        out,
        "\nShip, batches of 10,000 rows into `wc -l`: {} million rows a second, {} MiB\n\
         waiting: {:.2} % of a core; live feed of 57 trades a second, row received to row in the \
         command: {:.0} ms at most, median {:.0} ms",
        spread(rows_per_second.iter().map(|rate| rate / 1e6), 2),
        spread(peak_memory_bytes.iter().map(|bytes| mebibytes(*bytes)), 1),
        waiting_share * 100.0,
        largest(lags_ms),
        Spread::of(lags_ms.iter().copied()).median,
    )
}

/// Part (h).
pub(crate) fn candles(out: &mut impl Write, candles: &Candles) -> io::Result<()> {
    let Candles { rows, all, follow_share } = candles;
    writeln!(out, "\nBars of one minute, of {rows} rows in memory")?;
    let own = all.first();
    for Run { name, seconds, peak_memory_bytes } in all {
        let ratios = own.map_or(&[][..], |own| &own.seconds).iter().zip(seconds);
        writeln!(
            out,
            "  {name:<16} {} s, {:.2} ×, {} MiB",
            spread(seconds.iter().copied(), 2),
            Spread::of(ratios.map(|(own, other)| other / own)).median,
            spread(peak_memory_bytes.iter().map(|bytes| mebibytes(*bytes)), 1),
        )?;
    }
    if all.len() < 2 {
        writeln!(out, "  without DuckDB: FINNHUB_TEST_PYTHON names no Python that has it")?;
    }
    writeln!(
        out,
        "--follow a live feed of 57 trades a second: {:.2} % of a core",
        follow_share * 100.0
    )
}

fn spread(values: impl IntoIterator<Item = f64>, places: usize) -> String {
    let Spread { median, low, high } = Spread::of(values);
    format!("{median:.places$} ({low:.places$}–{high:.places$})")
}

#[expect(clippy::cast_precision_loss, reason = "counts and sizes here are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "no process has 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}
