//! What has changed between two screens, as bytes for the terminal.
//!
//! Table thread. No I/O.

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::crossterm::terminal::{Clear, ClearType};
use ratatui::layout::Rect;

use super::tty::write_ansi;

/// The screen as the terminal shows it, once it has taken all bytes.
#[derive(Debug, Default)]
pub(super) struct Frame {
    shown: Buffer,
    /// The one before, whose memory is used again.
    spare: Buffer,
    /// Whether something else may be on the screen.
    is_unknown: bool,
}

impl Frame {
    /// Something else may be on the screen: the next frame is a whole one.
    pub(super) fn forget(&mut self) {
        self.is_unknown = true;
    }

    /// The bytes that make the screen, `area` large, into what `paint` paints; none when that is there.
    pub(super) fn draw(&mut self, area: Rect, paint: impl FnOnce(&mut Buffer)) -> Vec<u8> {
        let mut bytes = String::new();
        if self.is_unknown || self.shown.area != area {
            write_ansi(&mut bytes, Clear(ClearType::All));
            self.shown = Buffer::empty(area);
            self.spare = Buffer::empty(area);
            self.is_unknown = false;
        }
        let mut bytes = bytes.into_bytes();
        self.spare.reset();
        paint(&mut self.spare);
        let changed = self.shown.diff(&self.spare);
        if !changed.is_empty() {
            // A vector takes everything.
            let _ = CrosstermBackend::new(&mut bytes).draw(changed.into_iter());
        }
        std::mem::swap(&mut self.shown, &mut self.spare);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::Frame;

    #[test]
    fn what_is_there_already_is_not_sent_again() {
        let mut frame = Frame::default();
        let area = Rect::new(0, 0, 20, 2);
        let mut draw = |area: Rect, text: &str| {
            let bytes = frame.draw(area, |buffer| buffer.set_string(0, 0, text, Style::new()));
            String::from_utf8(bytes).unwrap()
        };
        assert!(draw(area, "one").starts_with("\x1b[2J"));
        assert_eq!(draw(area, "one"), "");
        let changed = draw(area, "ore");
        assert!(changed.contains('r') && !changed.contains("\x1b[2J"), "{changed:?}");
        assert!(draw(Rect::new(0, 0, 30, 2), "ore").starts_with("\x1b[2J"));
        frame.forget();
        let whole = frame.draw(area, |buffer| buffer.set_string(0, 0, "ore", Style::new()));
        assert!(String::from_utf8(whole).unwrap().contains("ore"));
    }
}
