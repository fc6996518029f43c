//! `cargo bench`: finnhub-stream beside the simplest and the usual way to record the same feed.
//!
//! The order of the run: decode in memory, the sender alone, throughput end to end, paced latency,
//! then `ship`.
//! Every recorder is a process of its own: the real binary, or this very executable started again
//! with one of the arguments in [`recorders`]. All recorders take turns within each round, so that
//! a slow minute of the machine hits them alike. Nothing but 127.0.0.1 is used.
//!
//! Set in the environment: `BENCH_QUICK=1` for a short run, `BENCH_TRADES`, `BENCH_ROUNDS` and
//! `BENCH_PACED_SECONDS` for other sizes, `BENCH_RECORDERS=floor,typical` for some recorders only.
//!
//! It fails when a row is missing or wrong; it never fails for being slow.

mod decode;
mod floor;
mod latency;
mod load;
mod measure;
mod plan;
mod recorders;
mod report;
mod rows;
mod sender;
mod shipping;
mod throughput;
mod typical;

use std::io::{self, Write};
use std::process::ExitCode;

use load::Load;
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
            // Nothing is left to tell when standard error is closed too.
            let _ = writeln!(io::stderr(), "recorders: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every part in turn and writes its table as soon as it is measured.
fn compare(plan: &Plan, out: &mut impl Write) -> Outcome<()> {
    let load = Load::generate(plan.trades);
    report::work(out, plan, &load)?;
    report::decoding(out, &decode::compare(plan, &load)?)?;
    report::sender_alone(out, &load, &throughput::sender_alone(plan, &load)?)?;
    report::throughput(out, plan, &throughput::compare(plan, &load)?)?;
    for messages_per_second in latency::RATES {
        let seconds = latency::compare(plan, &load, messages_per_second)?;
        report::latency(out, plan, messages_per_second, &seconds)?;
    }
    report::shipping(out, &shipping::measure(plan, &load)?)?;
    Ok(())
}
