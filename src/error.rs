//! What ends the program, and with which exit code.
//!
//! Any thread. A message here is one line: what failed, with which value, what to do next.

/// Exit code: stopped as asked.
pub const EXIT_OK: u8 = 0;
/// Exit code: could not go on.
pub const EXIT_CANNOT_GO_ON: u8 = 1;
/// Exit code: wrong usage or settings.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: a second Ctrl-C, 128 + SIGINT as shells have it.
pub const EXIT_INTERRUPTED: u8 = 130;

/// The one error that reaches a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The command line or the settings are wrong; nothing was started.
    #[error("{0}")]
    Usage(String),
    /// Settings were fine, the world was not.
    #[error("{0}")]
    CannotGoOn(String),
}

/// Whatever went wrong in the world, as the one error for a person.
pub(crate) fn cannot_go_on(error: impl std::fmt::Display) -> Error {
    Error::CannotGoOn(error.to_string())
}

impl Error {
    /// The process's exit code for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => EXIT_USAGE,
            Error::CannotGoOn(_) => EXIT_CANNOT_GO_ON,
        }
    }
}

/// Text from outside made fit for a log line or a terminal: control characters escaped, at most
/// `limit` characters kept.
pub fn printable(text: &str, limit: usize) -> String {
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

/// Whether a character is not seen as such: control characters, and the invisible ones that reorder
/// or hide text on a terminal.
pub fn is_hidden(character: char) -> bool {
    let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\n\u{9b}\u{202e}é", 100),
            "a\\u{1b}[2Jb\\r\\n\\u{9b}\\u{202e}é"
        );
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("abc", 3), "abc");
    }
}
