//! The nonsense that the fault `garbage` sends. A rule: texts only, chosen by the seed.

/// One piece of nonsense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Garbage {
    /// A message of its own, before the real one.
    Message(&'static str),
    /// An element between the real trades of a message.
    Element(&'static str),
}

impl Garbage {
    /// Any of them.
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        let choice = rng.usize(0..WHOLE_MESSAGES.len() + BAD_ELEMENTS.len());
        match WHOLE_MESSAGES.get(choice) {
            Some(text) => Self::Message(text),
            None => Self::Element(BAD_ELEMENTS[choice - WHOLE_MESSAGES.len()]),
        }
    }
}

/// No JSON, or JSON of no known shape. Control characters and escapes are there to see that they
/// do not reach a terminal.
const WHOLE_MESSAGES: &[&str] = &[
    "",
    "<html><body>502 Bad Gateway</body></html>",
    r#"{"data":[{"c":["1"],"p":1.5,"s":"AAPL","t":16802"#,
    "\u{1b}[31mnot JSON\u{1b}[0m\n",
    r#"{"data":"nothing","type":"trade"}"#,
    r#"{"data":null,"type":"trade"}"#,
    r#"{"type":"mystery"}"#,
    r#"["trade"]"#,
    "null",
];

/// Well-formed JSON that is no trade.
const BAD_ELEMENTS: &[&str] = &[
    "null",
    "17",
    "{}",
    r#"{"c":["1"],"s":"AAPL","t":1680286537580,"v":5}"#,
    r#"{"c":["1"],"p":"164.06","s":"AAPL","t":1680286537580,"v":5}"#,
    r#"{"c":["1"],"p":164.06,"s":17,"t":1680286537580,"v":5}"#,
    r#"{"c":["1"],"p":164.06,"s":"AAPL","t":"yesterday","v":5}"#,
    r#"{"c":["1"],"p":164.06,"s":"AAPL","t":1680286537580,"v":null}"#,
    r#"{"c":["1"],"p":null,"s":"\u001b[31mred\r\n","t":1680286537580,"v":5}"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_elements_are_json_so_that_only_they_are_lost() {
        for element in BAD_ELEMENTS {
            serde_json::from_str::<serde_json::Value>(element).expect(element);
        }
    }
}
