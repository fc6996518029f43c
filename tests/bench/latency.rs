//! Part (c): messages at a fixed pace; the time from just before a message is handed to the socket
//! until its rows are visible in the file.
//!
//! One thread sends and watches. The pace never waits for a row: a recorder that falls behind is
//! sent the next message all the same, so a stall shows in every message that it delays. While rows
//! are outstanding the thread looks at the file's length again and again, giving way to the
//! recorder's threads between two looks; with none outstanding it sleeps until the next message.

use std::collections::VecDeque;
use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::load::Load;
use crate::measure;
use crate::plan::Plan;
use crate::recorders::Recorder;
use crate::sender::Sender;

/// Messages a second: a busy watch list, and far beyond any.
pub(crate) const RATES: [u32; 2] = [200, 5_000];

/// A free plan's watch list, and one of a hundred times that.
pub(crate) const WATCH_LISTS: [usize; 2] = [50, 5_000];

/// A sleep ends late by the kernel's timer slack, 50 µs; the rest up to the slot is waited awake.
const WAKE_EARLY: Duration = Duration::from_micros(70);

/// A row that is this late will not come.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

/// What one recorder did in each round.
pub(crate) struct Latency {
    pub(crate) recorder: Recorder,
    pub(crate) rounds: Vec<Round>,
}

/// One round's figures.
pub(crate) struct Round {
    /// Seconds from send to visible row.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// Of one core, in the paced part alone: start and end of the process not counted.
    pub(crate) cpu_share: f64,
    /// Seconds from the start of the process until all symbols were subscribed.
    pub(crate) subscribed_after: f64,
    pub(crate) peak_memory_bytes: u64,
}

/// Lets these recorders take turns, round by round; all of them show rows as they come.
///
/// # Errors
/// A recorder that fails, or rows that are missing or wrong.
pub(crate) fn compare(
    plan: &Plan,
    load: &Load,
    rate: u32,
    recorders: impl Iterator<Item = Recorder>,
) -> Outcome<Vec<Latency>> {
    let mut all: Vec<Latency> =
        recorders.map(|recorder| Latency { recorder, rounds: Vec::new() }).collect();
    let slots = (plan.paced.as_secs_f64() * f64::from(rate)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let messages = (slots as usize).clamp(1, load.message_count());
    for _ in 0..plan.rounds {
        for latency in &mut all {
            latency.rounds.push(round(latency.recorder, load, rate, messages)?);
        }
    }
    Ok(all)
}

fn round(recorder: Recorder, load: &Load, rate: u32, messages: usize) -> Outcome<Round> {
    let (mut process, mut sender) = Sender::start(recorder, load.symbols())?;
    let subscribed_after = process.subscribed_after;
    let (start, cpu_before) = (Instant::now(), measure::cpu_of_running(process.id())?);
    let out = File::open(process.out())?;
    let mut seconds = paced(&mut sender, &out, recorder, load, rate, messages)
        .map_err(|error| process.complaint(&error.to_string()))?;
    let cpu = measure::cpu_of_running(process.id())?.saturating_sub(cpu_before);
    let cpu_share = cpu.as_secs_f64() / start.elapsed().as_secs_f64();
    process.note_memory();
    if recorder.ends_with_the_feed() {
        sender.close()?;
    } else {
        process.interrupt()?;
    }
    sender.answer_until_closed();
    let (spent, file) = process.finish()?;
    recorder
        .format()
        .check(&file, load, messages)
        .map_err(|error| format!("{}: {error}", recorder.name()))?;
    seconds.sort_by(f64::total_cmp);
    Ok(Round {
        p50: seconds[(seconds.len() - 1) / 2],
        p99: seconds[(seconds.len() - 1) * 99 / 100],
        max: seconds[seconds.len() - 1],
        cpu_share,
        subscribed_after: subscribed_after.as_secs_f64(),
        peak_memory_bytes: spent.peak_memory_bytes,
    })
}

/// Sends the first `messages` messages, one a slot, and gives each one's seconds until its rows
/// were visible.
fn paced(
    sender: &mut Sender,
    out: &File,
    recorder: Recorder,
    load: &Load,
    rate: u32,
    messages: usize,
) -> Outcome<Vec<f64>> {
    let slot = Duration::from_secs(1) / rate;
    let format = recorder.format();
    let mut length = format.length_of_header();
    let mut outstanding: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut seconds = Vec::with_capacity(messages);
    let mut sent = 0;
    let mut next_slot = Instant::now() + slot;
    while seconds.len() < messages {
        if sent < messages && Instant::now() >= next_slot {
            length += format.length_of(load, sent);
            let frame = load.frame(sent);
            outstanding.push_back((length, Instant::now()));
            sender.send_frames(frame)?;
            sent += 1;
            next_slot += slot;
        }
        let visible = out.metadata()?.len();
        let now = Instant::now();
        while let Some(&(length, sent_at)) = outstanding.front()
            && length <= visible
        {
            seconds.push((now - sent_at).as_secs_f64());
            outstanding.pop_front();
        }
        match outstanding.front() {
            Some((length, sent_at)) if now - *sent_at > VISIBLE_WITHIN => {
                return Err(format!("has {visible} of {length} bytes in its file").into());
            }
            Some(_) => thread::yield_now(),
            None => {
                let idle = next_slot.saturating_duration_since(now);
                if let Some(sleep) = idle.checked_sub(WAKE_EARLY) {
                    thread::sleep(sleep);
                }
            }
        }
    }
    Ok(seconds)
}
