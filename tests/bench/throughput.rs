//! Part (b): end to end over loopback. The clock runs from before the first byte is sent until the
//! recorder's file, as another process sees it, is as long as all rows are. It is the same rule
//! for all: a recorder that holds rows back gets its Close frame right behind the last message,
//! and so is timed until it has written the rest.
//!
//! A thread sends; the main thread looks at the file every millisecond, and otherwise sleeps.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::Outcome;
use crate::load::Load;
use crate::plan::Plan;
use crate::recorders::{Process, Recorder};
use crate::sender::Sender;

/// How often the file is looked at: under one in a hundred of the shortest full run.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Every so many looks the recorder's memory is read as well, which costs more.
const LOOKS_PER_MEMORY_READING: u32 = 5;

/// A recorder with rows outstanding whose file has not grown for this long has lost some.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// What one recorder did in each round.
pub(crate) struct Throughput {
    pub(crate) recorder: Recorder,
    pub(crate) rounds: Vec<Round>,
}

/// One round's figures.
pub(crate) struct Round {
    pub(crate) trades_per_second: f64,
    /// User and system, from the process's start to its exit.
    pub(crate) cpu_seconds_per_million: f64,
    pub(crate) peak_memory_bytes: u64,
}

/// Lets all recorders take turns, round by round.
///
/// # Errors
/// A recorder that fails, or rows that are missing or wrong.
pub(crate) fn compare(plan: &Plan, load: &Load) -> Outcome<Vec<Throughput>> {
    let mut all: Vec<Throughput> = plan
        .recorders
        .iter()
        .map(|&recorder| Throughput { recorder, rounds: Vec::new() })
        .collect();
    for _ in 0..plan.rounds {
        for throughput in &mut all {
            throughput.rounds.push(round(throughput.recorder, load)?);
        }
    }
    Ok(all)
}

fn round(recorder: Recorder, load: &Load) -> Outcome<Round> {
    let format = recorder.format();
    let length = format.length_after(load, load.message_count());
    let (mut process, sender) = Sender::start(recorder, load.symbols())?;
    let (visible, all_visible) = mpsc::channel();
    let (elapsed, spent, file) = thread::scope(|scope| -> Outcome<_> {
        let start = Instant::now();
        let sending = scope.spawn(move || send(sender, recorder, load, &all_visible));
        let elapsed = wait_until_visible(&mut process, length, start)?;
        drop(visible);
        if !recorder.ends_with_the_feed() {
            process.interrupt()?;
        }
        let (spent, file) = process.finish()?;
        sending.join().map_err(|_| "the sender panicked")??;
        Ok((elapsed, spent, file))
    })?;
    format
        .check(&file, load, load.message_count())
        .map_err(|error| format!("{}: {error}", recorder.name()))?;
    #[expect(clippy::cast_precision_loss, reason = "a count of trades is far below 2^52")]
    let trades = load.trades().len() as f64;
    Ok(Round {
        trades_per_second: trades / elapsed.as_secs_f64(),
        cpu_seconds_per_million: spent.cpu.as_secs_f64() / trades * 1e6,
        peak_memory_bytes: spent.peak_memory_bytes,
    })
}

/// Sends everything; `all_visible` ends when the recorder may learn that the feed is over.
fn send(
    mut sender: Sender,
    recorder: Recorder,
    load: &Load,
    all_visible: &mpsc::Receiver<()>,
) -> Outcome<()> {
    sender.send_frames(load.frames())?;
    if recorder.holds_rows_back() {
        sender.close()?;
    }
    // Nothing is ever sent: the other end is dropped, and that is the sign.
    let _ = all_visible.recv();
    if recorder.ends_with_the_feed() && !recorder.holds_rows_back() {
        sender.close()?;
    }
    sender.answer_until_closed();
    Ok(())
}

pub(crate) fn wait_until_visible(
    process: &mut Process,
    length: u64,
    start: Instant,
) -> Outcome<Duration> {
    let (mut longest, mut grown_at) = (0, Duration::ZERO);
    for look in 0_u32.. {
        let seen = fs::metadata(process.out())?.len();
        let elapsed = start.elapsed();
        if seen >= length {
            process.note_memory();
            return Ok(elapsed);
        }
        if look.is_multiple_of(LOOKS_PER_MEMORY_READING) {
            process.note_memory();
        }
        if seen > longest {
            (longest, grown_at) = (seen, elapsed);
        }
        if elapsed > grown_at + STALLED_AFTER {
            break;
        }
        if process.must_be_running().is_err() && fs::metadata(process.out())?.len() < length {
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    let seen = fs::metadata(process.out())?.len();
    Err(process.complaint(&format!("has {seen} of {length} bytes in its file")))
}

/// How fast the sender is when nobody does anything with the bytes: trades a second, per round.
/// No recorder can be faster than this.
///
/// # Errors
/// The loopback connection fails.
pub(crate) fn sender_alone(plan: &Plan, load: &Load) -> Outcome<Vec<f64>> {
    let mut trades_per_second = Vec::new();
    for _ in 0..plan.rounds {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("ws://{}", listener.local_addr()?);
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let elapsed = thread::scope(|scope| -> Outcome<Duration> {
            let reading = scope.spawn(|| discard(&url, stream, load.frames().len()));
            let mut sender = Sender::greet(listener.accept()?.0, load.symbols().len())?;
            let start = Instant::now();
            sender.send_frames(load.frames())?;
            let end = reading.join().map_err(|_| "the reader panicked")??;
            Ok(end - start)
        })?;
        #[expect(clippy::cast_precision_loss, reason = "a count of trades is far below 2^52")]
        trades_per_second.push(load.trades().len() as f64 / elapsed.as_secs_f64());
    }
    Ok(trades_per_second)
}

/// Subscribes, reads `bytes` bytes without looking at them, and says when the last had come.
fn discard(url: &str, stream: TcpStream, bytes: usize) -> Outcome<Instant> {
    let (mut socket, _) = tungstenite::client(url, stream).map_err(|error| error.to_string())?;
    for symbol in Load::usual_symbols() {
        socket.send(Message::text(format!(r#"{{"type":"subscribe","symbol":"{symbol}"}}"#)))?;
    }
    // As much at once as tungstenite reads.
    let mut buffer = vec![0; 128 * 1024];
    let mut left = bytes;
    while left > 0 {
        match socket.get_mut().read(&mut buffer)? {
            0 => return Err("the sender ended too early".into()),
            read => left = left.saturating_sub(read),
        }
    }
    Ok(Instant::now())
}
