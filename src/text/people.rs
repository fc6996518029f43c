//! Numbers, spans of time and texts from outside, as people read them.
//!
//! Any thread. No I/O, no clock.

use std::fmt::Display;

use indicatif::HumanCount;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

/// Bytes in the largest unit of which there is at least one: `12.3 MB`. The units are powers of 1,000, as
/// with `ls --si` and on disks.
pub(crate) fn file_size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (unit, size) in UNITS {
        if bytes >= size {
            let tenths = bytes % size / (size / 10);
            return format!("{}.{tenths} {unit}", bytes / size);
        }
    }
    format!("{bytes} B")
}

/// A rate per second: to a tenth while it is small, whole when it is not.
pub(crate) fn per_second(rate: f64) -> String {
    if rate < 9.95 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }
}

/// `1 symbol`, `1,234 symbols`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A span of milliseconds for people: its two largest units, rounded down, the second left out
/// when it is zero: `3 d 2 h`, `5 h 12 m`, `20 m`, `45 s`. Less than nothing is `0 s`.
pub(crate) fn human_duration(ms: i64) -> String {
    /// Each unit with its length in seconds, the largest first.
    const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let seconds = ms.max(0) / 1000;
    for (at, (unit, length)) in UNITS.into_iter().enumerate() {
        if seconds < length {
            continue;
        }
        let whole = format!("{} {unit}", seconds / length);
        let next = UNITS.get(at + 1).map(|(unit, next)| (unit, seconds % length / next));
        return match next {
            Some((unit, count)) if count > 0 => format!("{whole} {count} {unit}"),
            _ => whole,
        };
    }
    "0 s".to_owned()
}

/// Text from outside made fit for a log line or a terminal: control characters escaped, at most
/// `limit` characters kept.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        if is_hidden(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The words of a system's error, without the ` (os error 2)` behind them.
pub(crate) fn in_words(error: &(impl Display + ?Sized)) -> String {
    let mut text = error.to_string();
    if text.ends_with(')')
        && let Some(at) = text.rfind(" (os error ")
    {
        text.truncate(at);
    }
    text
}

/// Whether a terminal does not show the character as it is: control characters, and invisible ones that
/// reorder or hide text.
pub(crate) fn is_hidden(character: char) -> bool {
    let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || invisible
}

#[cfg(test)]
mod tests;
