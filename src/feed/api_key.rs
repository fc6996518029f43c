//! The Finnhub API key: checked once, never shown.
//!
//! Any thread. The key travels in the URL of the handshake and nowhere else, so this type has no
//! `Display`, its `Debug` is redacted, and only `reveal_to_server` gives the text.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use crate::process::child::KEY_VARIABLES;

/// What to do without a key.
pub(crate) const GET_A_KEY: &str =
    "get a free key at https://finnhub.io/register, or try --demo, which needs none";

/// Plain quotes, and the typographic ones that word processors write.
const QUOTES: [char; 6] = ['"', '\'', '“', '”', '‘', '’'];

/// Where the key was found, for messages about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The environment of the process.
    Environment,
    /// A `.env` file.
    DotEnv(PathBuf),
    /// Made up for the built-in simulated market.
    Demo,
}

impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => formatter.write_str("the environment"),
            Self::DotEnv(path) => write!(formatter, "{}", path.display()),
            Self::Demo => formatter.write_str("the demo"),
        }
    }
}

/// A key that looks usable. Whether Finnhub accepts it is known after the handshake.
#[derive(Clone)]
pub struct ApiKey {
    secret: String,
    variable: &'static str,
    source: KeySource,
}

impl ApiKey {
    /// Checks a value found in `variable` at `source`.
    ///
    /// # Errors
    /// One line naming the variable and the place, never the value, when it is empty, in quotes, holds
    /// a blank or a control character, or is still the placeholder of `.env.example`.
    pub fn new(secret: String, variable: &'static str, source: KeySource) -> Result<Self, String> {
        let (fault, mend) = if secret.is_empty() {
            ("is empty", GET_A_KEY)
        } else if secret.ends_with(['\n', '\r']) {
            (
                "ends with a line end",
                "store it without one (printf instead of echo, Unix line ends)",
            )
        } else if secret.chars().any(|c| c.is_whitespace() || c.is_control()) {
            ("contains a space", "a key has none; store it without")
        } else if secret.starts_with(QUOTES) || secret.ends_with(QUOTES) {
            ("is still in its quotes", "store it without them (docker's --env-file keeps them)")
        } else if is_placeholder(&secret) {
            ("is still the placeholder", GET_A_KEY)
        } else {
            return Ok(Self { secret, variable, source });
        };
        Err(format!("the API key in {variable} (from {source}) {fault}; {mend}"))
    }

    /// The key that the simulated market accepts.
    pub fn demo() -> Self {
        Self { secret: "demo".to_owned(), variable: KEY_VARIABLES[0], source: KeySource::Demo }
    }

    /// The variable the key was read from.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Where the key was found.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// `text` of a server without the key: a server that repeats the request must not bring the key into a
    /// log. Nothing is taken out for the demo's key, which is no secret, nor for a text that is too short
    /// for a key and would be found in ordinary words.
    pub fn redact(&self, text: &str) -> String {
        const SHORTEST_KEY: usize = 4;
        if self.source == KeySource::Demo || self.secret.len() < SHORTEST_KEY {
            return text.to_owned();
        }
        text.replace(&self.secret, "<key>").replace(&self.reveal_to_server(), "<key>")
    }

    /// The key as the value of a URL query parameter, percent-encoded. For the handshake alone.
    pub(crate) fn reveal_to_server(&self) -> String {
        let mut encoded = String::with_capacity(self.secret.len());
        for byte in self.secret.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey(<redacted>, {} from {})", self.variable, self.source)
    }
}

/// `your_finnhub_api_key` and other placeholders of examples.
fn is_placeholder(secret: &str) -> bool {
    let lower = secret.to_ascii_lowercase();
    lower.starts_with("your") && lower.contains("key") || lower.starts_with('<')
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, KeySource};

    fn key(secret: &str) -> Result<ApiKey, String> {
        ApiKey::new(secret.to_owned(), "API_KEY", KeySource::Environment)
    }

    #[test]
    fn unusable_keys_are_refused_without_showing_them() {
        for (secret, fault) in [
            ("", "is empty"),
            ("abc def", "contains a space"),
            ("abc\t", "contains a space"),
            ("\u{7f}abc", "contains a space"),
            ("your_finnhub_api_key", "is still the placeholder"),
            ("YOUR_API_KEY", "is still the placeholder"),
            ("c0ffee\n", "ends with a line end"),
            ("c0ffee\r", "ends with a line end"),
            ("\"c0ffee\"", "is still in its quotes"),
            ("'c0ffee'", "is still in its quotes"),
            ("“c0ffee”", "is still in its quotes"),
        ] {
            let message = key(secret).expect_err(secret);
            assert!(message.contains(fault), "{message}");
            assert!(message.contains("API_KEY (from the environment)"), "{message}");
            assert!(secret.is_empty() || !message.contains(secret), "{message}");
        }
    }

    #[test]
    fn the_key_is_not_in_its_debug_text() {
        assert!(!format!("{:?}", key("c0ffee").unwrap()).contains("c0ffee"));
    }

    #[test]
    fn a_text_that_repeats_the_key_is_redacted() {
        let key = key("c0ffee&c0ffee").unwrap();
        assert_eq!(key.redact("a c0ffee&c0ffee, c0ffee%26c0ffee"), "a <key>, <key>");
        assert_eq!(self::key("k3y5!").unwrap().redact("k3y5! or k3y5%21"), "<key> or <key>");
        assert_eq!(super::ApiKey::demo().redact("a demo"), "a demo");
    }

    #[test]
    fn what_a_url_cannot_hold_is_percent_encoded() {
        assert_eq!(key("a-1_~.&=é").unwrap().reveal_to_server(), "a-1_~.%26%3D%C3%A9");
    }
}
