//! Part (e): one recording that grows and grows. A row must cost the same, and the recorder take the
//! same memory, however many there are. Runs on the main thread of the bench.

use std::fs;
use std::time::Instant;

use crate::Outcome;
use crate::load::{Load, USUAL_SYMBOLS};
use crate::measure;
use crate::plan::Plan;
use crate::recorders::Recorder;
use crate::sender::Sender;
use crate::throughput::wait_until_visible;

/// A tenth of the whole.
pub(crate) struct Tenth {
    /// All rows so far.
    pub(crate) rows: usize,
    pub(crate) nanoseconds_per_row: f64,
    pub(crate) resident_bytes: u64,
}

/// Trades that are sent before their rows are waited for: far less than what may wait in the recorder
/// for a disk that has other things to do for a moment.
const TRADES: usize = 100_000;

/// Sends the same trades again and again. That every row is right is checked where they are sent once;
/// here the length of the file says that none is missing.
///
/// # Errors
/// The recorder fails, or rows are missing.
pub(crate) fn measure(plan: &Plan, recorder: Recorder) -> Outcome<Vec<Tenth>> {
    let load = Load::generate(TRADES.min(plan.trades), USUAL_SYMBOLS);
    let format = recorder.format();
    let (mut process, mut sender) = Sender::start(recorder, load.symbols())?;
    let header = format.length_of_header();
    let length_of_load = format.length_after(&load, load.message_count()) - header;
    let loads_per_tenth = plan.growth_rows.div_ceil(10 * load.trades().len());
    let (mut tenths, mut rows, mut length) = (Vec::new(), 0, header);
    for _ in 0..10 {
        let (start, rows_before) = (Instant::now(), rows);
        for _ in 0..loads_per_tenth {
            sender.send_frames(load.frames())?;
            rows += load.trades().len();
            length += length_of_load;
            wait_until_visible(&mut process, length, Instant::now())?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^52")]
        let nanoseconds_per_row = start.elapsed().as_secs_f64() * 1e9 / (rows - rows_before) as f64;
        let resident_bytes = measure::resident_bytes(process.id()).ok_or("it has ended")?;
        tenths.push(Tenth { rows, nanoseconds_per_row, resident_bytes });
    }
    process.interrupt()?;
    sender.answer_until_closed();
    process.wait()?;
    let found = fs::metadata(process.out())?.len();
    if found == length { Ok(tenths) } else { Err(format!("{found} of {length} bytes").into()) }
}
