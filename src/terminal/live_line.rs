//! The live line: the state of the recording in one line below the log.
//!
//! Terminal thread. Written by hand, because libraries for progress bars fail at resizing: the terminal wraps
//! a line that has become too long, and its pieces stay. Here the cursor waits at the beginning of the line,
//! so that everything from there on can be erased, however the terminal has wrapped it; and automatic
//! wrapping is off while the line is drawn.

use std::sync::atomic::Ordering;

use super::state_line::{cut, parts, shortened};
use super::{GREEN, PLAIN, RED, YELLOW};
use crate::channel::SharedState;
use crate::status::snapshot::FeedState;
use crate::text::clock::now_ms;

/// From the cursor, which is at the line's beginning, to the end of the screen.
pub(crate) const ERASE: &str = "\r\x1b[J";

const NO_WRAPPING: &str = "\x1b[?7l";
const WRAPPING: &str = "\x1b[?7h";

/// Columns of a terminal that does not tell its width.
const USUAL_WIDTH: usize = 80;

/// The bytes that draw the line over the one before; `None` as long as nothing is known.
pub(super) fn draw(shared: &SharedState, colours: bool) -> Option<String> {
    let snapshot = shared.slot.latest();
    if snapshot.started_ms == 0 {
        return None;
    }
    let last_message_ms = shared.last_message_ms.load(Ordering::Relaxed);
    let line = parts(&snapshot, last_message_ms, now_ms());
    let width = width();
    let line = cut(&shortened(line, width), width);
    let line = if colours { coloured(&line, snapshot.state) } else { line };
    Some(format!("{}\r", one_line(&line)))
}

/// Columns that can be used. The last one stays free: some terminals wrap there although wrapping is off.
fn width() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0)).saturating_sub(1)
}

/// `text`, cut to what the terminal can show in one line.
pub(crate) fn fit(text: &str) -> String {
    cut(text, width())
}

/// The bytes that draw `text` in the place of the line before. The cursor stays behind the text, so that
/// output of another program does not cover it.
pub(crate) fn one_line(text: &str) -> String {
    format!("\r{NO_WRAPPING}{text}{WRAPPING}\x1b[J")
}

/// The state in its colour, unless it was cut.
fn coloured(line: &str, state: FeedState) -> String {
    let colour = match state {
        FeedState::Live => GREEN,
        FeedState::Connecting => YELLOW,
        FeedState::Down => RED,
    };
    match line.strip_prefix(state.name()) {
        Some(rest) => format!("{colour}{}{PLAIN}{rest}", state.name()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::coloured;
    use crate::status::snapshot::FeedState;

    #[test]
    fn the_state_has_its_colour_unless_it_was_cut() {
        assert_eq!(coloured("live · 2", FeedState::Live), "\x1b[32mlive\x1b[0m · 2");
        assert_eq!(coloured("li…", FeedState::Live), "li…");
    }
}
