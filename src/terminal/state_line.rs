//! The state of the recording in words, for the live line and for the table: what is shown, and what is
//! left out where there is no room.
//!
//! Formats only: no I/O, times are arguments, this machine's clock in UNIX milliseconds.

use crate::status::silence::Silence;
use crate::status::snapshot::{FeedState, Snapshot};
use crate::text::{counted, file_size, grouped, human_duration, per_second, printable};

/// Characters of a reason that are shown, so that there is room for the counters after it.
const REASON_CHARACTERS: usize = 60;

/// Characters that a shortened text keeps at least; with less room it is left out.
const SHORTEST_TEXT: usize = 12;

/// When the snapshot is older than this, the writer is waiting for the disk: it makes one every two seconds at
/// least.
const STUCK_AFTER_MS: i64 = 4_000;

/// The separator before most parts, at which a new row may begin.
const SEPARATOR: &str = " · ";

/// A part of the line, with the separator before it, and how soon it may be shortened.
pub(super) struct Part(pub(super) Keep, pub(super) String);

/// In which order parts are shortened where the line does not fit. The reason why no trades come, or none are
/// recorded, stays longest: the numbers are in the log and in the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keep {
    Size,
    NothingMissing,
    Reconnects,
    Rate,
    /// This part and [`Keep::Reason`] are cut while enough of them remains to be read; other parts are left
    /// out as a whole.
    Symbols,
    Advice,
    Age,
    Missing,
    Trades,
    Reason,
    Always,
}

/// All parts of the line.
pub(super) fn parts(snapshot: &Snapshot, last_message_ms: i64, now_ms: i64) -> Vec<Part> {
    let mut line = vec![Part(Keep::Always, snapshot.state.name().to_owned())];
    if snapshot.state == FeedState::Down && !snapshot.reason.is_empty() {
        let reason = printable(reason(&snapshot.reason), REASON_CHARACTERS);
        line.push(Part(Keep::Reason, format!(": {reason}")));
    }
    let stuck_ms = now_ms - snapshot.published_ms;
    if let Some(trouble) = &snapshot.disk_trouble {
        line.push(Part(Keep::Always, format!("{SEPARATOR}{trouble}")));
        line.push(Part(Keep::Advice, ", trades wait in memory".to_owned()));
    }
    let mut part = |keep, text: String| line.push(Part(keep, format!("{SEPARATOR}{text}")));
    if snapshot.disk_trouble.is_none() && stuck_ms >= STUCK_AFTER_MS {
        part(Keep::Reason, format!("the disk has not answered for {}", human_duration(stuck_ms)));
    }
    if let Some(notice) = Silence::of(snapshot, now_ms).and_then(|silence| silence.notice()) {
        part(Keep::Reason, notice);
    }
    part(Keep::Symbols, symbols(snapshot));
    part(Keep::Trades, counted(snapshot.counts.written, "trade"));
    if snapshot.counts.dropped > 0 {
        part(Keep::Always, format!("{} dropped", grouped(snapshot.counts.dropped)));
    }
    part(Keep::Rate, per_second(snapshot.trades_per_second));
    let age = match last_message_ms {
        0 => "no message yet".to_owned(),
        at_ms => format!("last {} ago", human_duration(now_ms - at_ms)),
    };
    part(Keep::Age, age);
    let missing = human_duration(snapshot.missing_ms);
    let keep = if missing == "0 s" { Keep::NothingMissing } else { Keep::Missing };
    part(keep, format!("{missing} missing"));
    part(Keep::Reconnects, counted(snapshot.reconnects, "reconnect"));
    part(Keep::Size, file_size(snapshot.out_bytes));
    line
}

/// The reason of an outage, without the words that the state shows already.
pub(super) fn reason(reason: &str) -> &str {
    reason.trim_start_matches("not connected: ")
}

/// The line in `width` characters, or as near to it as the parts that are always kept allow.
pub(super) fn shortened(parts: Vec<Part>, width: usize) -> String {
    let total = |parts: &[Part]| parts.iter().map(|part| length(&part.1)).sum::<usize>();
    let fitted = fitted(parts, |parts| total(parts).saturating_sub(width));
    fitted.into_iter().map(|part| part.1).collect()
}

/// The same in several rows of `width` characters; each row has texts with the number of their part.
#[cfg(feature = "table")]
pub(super) fn in_rows(
    mut parts: Vec<Part>,
    width: usize,
    rows: usize,
) -> Vec<Vec<(usize, String)>> {
    // What no row has room for is shortened first: leaving out other parts would not help it.
    shorten_reason(&mut parts, width);
    let row_length =
        |row: &Vec<(usize, String)>| row.iter().map(|(_, text)| length(text)).sum::<usize>();
    let too_long = |parts: &[Part]| {
        let laid_out = laid_out(parts, width);
        let beyond = laid_out.iter().skip(rows).map(row_length).sum::<usize>();
        let within = laid_out.iter().take(rows).map(row_length);
        within.map(|length| length.saturating_sub(width)).sum::<usize>() + beyond
    };
    let mut laid_out = laid_out(&fitted(parts, too_long), width);
    laid_out.truncate(rows);
    laid_out
}

/// Cuts the reason behind the state where one row is too short for both.
#[cfg(feature = "table")]
fn shorten_reason(parts: &mut [Part], width: usize) {
    if let [Part(_, state), Part(Keep::Reason, reason), ..] = parts
        && !reason.starts_with(SEPARATOR)
    {
        *reason = cut_or_left_out(reason, width.saturating_sub(length(state)));
    }
}

/// The parts in rows, each in the one where it has room.
#[cfg(feature = "table")]
fn laid_out(parts: &[Part], width: usize) -> Vec<Vec<(usize, String)>> {
    let mut rows = vec![Vec::new()];
    let mut used = 0;
    for (number, Part(_, text)) in parts.iter().enumerate().filter(|(_, part)| !part.1.is_empty()) {
        let alone = text.strip_prefix(SEPARATOR).filter(|_| used + length(text) > width);
        if alone.is_some() {
            rows.push(Vec::new());
            used = 0;
        }
        let text = alone.unwrap_or(text);
        used += length(text);
        if let Some(row) = rows.last_mut() {
            row.push((number, text.to_owned()));
        }
    }
    rows
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Shortens the parts, the least important first, until `too_long` gives 0 characters.
fn fitted(mut parts: Vec<Part>, too_long: impl Fn(&[Part]) -> usize) -> Vec<Part> {
    loop {
        let too_long = too_long(&parts);
        let next = parts.iter_mut().filter(|part| part.0 < Keep::Always).min_by_key(|part| part.0);
        let Some(Part(keep, text)) = next.filter(|_| too_long > 0) else { return parts };
        let left = length(text).saturating_sub(too_long);
        let can_be_cut = [Keep::Symbols, Keep::Reason].contains(keep);
        *text = if can_be_cut { cut_or_left_out(text, left) } else { String::new() };
        *keep = Keep::Always;
    }
}

/// `text` in `width` characters; nothing where too little of it would remain to be read.
fn cut_or_left_out(text: &str, width: usize) -> String {
    if width >= SHORTEST_TEXT { cut(text, width) } else { String::new() }
}

/// `3 symbols`, or `3 symbols (1 refused)`.
fn symbols(snapshot: &Snapshot) -> String {
    let wanted = snapshot.tickers.iter().filter(|ticker| ticker.wanted_since_ms.is_some());
    let refused = wanted.clone().filter(|ticker| ticker.refused).count() as u64;
    let live = wanted.count() as u64 - refused;
    match refused {
        0 => counted(live, "symbol"),
        refused => format!("{} ({} refused)", counted(live, "symbol"), grouped(refused)),
    }
}

/// `text` in `width` characters.
pub(super) fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let mut shorter: String = line.chars().take(width.saturating_sub(1)).collect();
    shorter.extend((width > 0).then_some('…'));
    shorter
}

#[cfg(test)]
mod tests;
