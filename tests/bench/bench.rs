//! `cargo bench`: finnhub-stream beside the simplest and the usual way to record the same feed.
//!
//! The order of the run: decode in memory, the sender alone, throughput end to end, paced latency,
//! few and many symbols, pings only, a recording that grows, `verify`, `ship`, then `bars`.
//! Every recorder is a process of its own: the real binary, or this very executable started again
//! with one of the arguments in [`recorders`]. All recorders take turns within each round, so that
//! a slow minute of the machine hits them alike. Nothing but 127.0.0.1 is used.
//!
//! Set in the environment: `BENCH_QUICK=1` for a short run; `BENCH_TRADES`, `BENCH_ROUNDS`,
//! `BENCH_PACED_SECONDS`, `BENCH_IDLE_SECONDS` and `BENCH_GROWTH_ROWS` for other sizes;
//! `BENCH_PARTS=paced,idle` for some parts only, of decode, throughput, paced, symbols, idle, growth,
//! reading, ship and candles; `BENCH_RECORDERS=floor,typical` for some recorders only; `BENCH_BEFORE=PATH` for
//! another build of the program beside this one; `FINNHUB_TEST_PYTHON=PATH` for a Python with `duckdb`.
//!
//! It fails when a row is missing or wrong; it never fails for being slow.

mod candles;
mod decode;
mod floor;
mod growth;
mod idle;
mod latency;
mod load;
mod measure;
mod plan;
mod reading;
mod recorders;
mod report;
mod rows;
mod sender;
mod shipping;
mod throughput;
mod typical;

use std::io::{self, Write};
use std::process::ExitCode;

use load::{Load, USUAL_SYMBOLS};
use plan::Plan;

/// What every fallible step of the benchmark returns: it has no caller who branches on the cause.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [asked, path] = &arguments[..]
        && asked == "--arrivals"
    {
        return exit_code(shipping::note_arrivals(path));
    }
    exit_code(match recorders::reference_asked_for(&arguments) {
        Some((recorder, url, out)) => recorder.record(url, out),
        None => Plan::from_environment(&arguments)
            .and_then(|plan| compare(&plan, &mut io::stdout().lock())),
    })
}

fn exit_code(done: Outcome<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be said when standard error is closed too.
            let _ = writeln!(io::stderr(), "recorders: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every part in turn and writes its table as soon as it is measured.
fn compare(plan: &Plan, out: &mut impl Write) -> Outcome<()> {
    let load = Load::generate(plan.trades, USUAL_SYMBOLS);
    report::work(out, plan, &load)?;
    if plan.has_part("decode") {
        report::decoding(out, &decode::compare(plan, &load)?)?;
    }
    if plan.has_part("throughput") {
        report::sender_alone(out, &load, &throughput::sender_alone(plan, &load)?)?;
        report::throughput(out, plan, &throughput::compare(plan, &load)?)?;
    }
    if plan.has_part("paced") {
        for rate in latency::RATES {
            let all = latency::compare(plan, &load, rate, plan.prompt_recorders())?;
            report::latency(out, plan, rate, &load, &all)?;
        }
    }
    if plan.has_part("symbols") {
        for symbols in latency::WATCH_LISTS {
            let (load, rate) = (Load::generate(plan.trades, symbols), latency::RATES[1]);
            let all = latency::compare(plan, &load, rate, plan.programs())?;
            report::latency(out, plan, rate, &load, &all)?;
        }
    }
    if plan.has_part("idle") {
        report::idle(out, plan, &idle::compare(plan, &load)?)?;
    }
    if plan.has_part("growth") {
        for recorder in plan.programs() {
            report::growth(out, recorder, &growth::measure(plan, recorder)?)?;
        }
    }
    if plan.has_part("reading") {
        report::reading(out, &reading::compare(plan)?)?;
    }
    if plan.has_part("ship") {
        report::shipping(out, &shipping::measure(plan, &load)?)?;
    }
    if plan.has_part("candles") {
        report::candles(out, &candles::measure(plan, &load)?)?;
    }
    Ok(())
}
