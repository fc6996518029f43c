//! What a client may ask of the simulated server. A rule: text in, request out.

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Subscribe(String),
    Unsubscribe(String),
}

impl Request {
    /// Reads one text message; anything but the two known requests is passed over in silence.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let message: serde_json::Value = serde_json::from_str(text).ok()?;
        let symbol = message.get("symbol")?.as_str()?.to_owned();
        match message.get("type")?.as_str()? {
            "subscribe" => Some(Self::Subscribe(symbol)),
            "unsubscribe" => Some(Self::Unsubscribe(symbol)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_and_anything_else_is_passed_over() {
        fn check(text: &str, expected: Option<&Request>) {
            assert_eq!(Request::parse(text).as_ref(), expected, "{text}");
        }
        check(
            r#"{"type":"subscribe","symbol":"IC MARKETS:1"}"#,
            Some(&Request::Subscribe(String::from("IC MARKETS:1"))),
        );
        check(
            r#"{ "symbol": "\u0041\"" , "type": "unsubscribe" }"#,
            Some(&Request::Unsubscribe(String::from("A\""))),
        );
        check(r#"{"type":"subscribe-news","symbol":"A"}"#, None);
        check(r#"{"type":"subscribe","symbol":7}"#, None);
        check("subscribe A", None);
    }
}
