//! Where the server is: the `--url`, checked.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// A server's address, without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Host name or address, an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    path_and_query: String,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is no `ws://` or `wss://` URL, holds a secret, or is unencrypted to another machine:
    /// which of these, and what to do, in a line.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.contains("token=") || url.contains('@') {
            return Err("the URL must not hold a key or password, because everybody can see arguments with ps; put the key into FINNHUB_API_KEY or .env".to_owned());
        }
        let no_url = || {
            format!(
                "{url:?} is not a WebSocket URL; give one like wss://ws.finnhub.io or ws://127.0.0.1:9000"
            )
        };
        let uri: Uri = url.parse().map_err(|_| no_url())?;
        let tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(no_url()),
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || url.contains('#') {
            return Err(no_url());
        }
        let has_port =
            uri.authority().is_some_and(|authority| authority.as_str() != authority.host());
        let port = match uri.port_u16() {
            Some(port @ 1..) => port,
            None if !has_port => {
                if tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err(no_url()),
        };
        if !tls && !is_loopback_name(host) {
            return Err(format!(
                "ws:// to {host} would send the API key in clear; use wss://, or a server on this machine (127.0.0.1)"
            ));
        }
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { tls, host: host.to_owned(), port, path_and_query })
    }

    /// The address for the handshake, with the key as Finnhub wants it. Never print it.
    pub(super) fn with_token(&self, token: &str) -> String {
        let joint = if self.path_and_query.contains('?') { '&' } else { '?' };
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{self}{}{joint}token={token}", self.path_and_query)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(formatter, "{open}{}{close}", self.host)?;
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => Ok(()),
            (_, port) => write!(formatter, ":{port}"),
        }
    }
}

fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    fn check(url: &str, shown: &str, with_token: &str) {
        let endpoint = Endpoint::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(endpoint.to_string(), shown, "{url}");
        assert_eq!(endpoint.with_token("K"), with_token, "{url}");
    }

    #[test]
    fn urls_are_taken_apart_and_the_key_is_added() {
        check("wss://ws.finnhub.io", "ws.finnhub.io", "wss://ws.finnhub.io/?token=K");
        check("ws://127.0.0.1:9000", "127.0.0.1:9000", "ws://127.0.0.1:9000/?token=K");
        check("ws://localhost/feed?x=1", "localhost", "ws://localhost/feed?x=1&token=K");
        check("ws://[::1]:9000/", "[::1]:9000", "ws://[::1]:9000/?token=K");
        check("wss://example.com:8443", "example.com:8443", "wss://example.com:8443/?token=K");
    }

    fn check_refused(url: &str, reason: &str) {
        let error = Endpoint::parse(url).expect_err(url);
        assert!(error.contains(reason) && !error.contains("s3cret"), "{url}: {error}");
    }

    #[test]
    fn what_is_no_websocket_url_is_refused() {
        for url in [
            "",
            "ws.finnhub.io",
            "http://localhost",
            "wss://",
            "wss://a b",
            "ws://localhost:99999",
            "ws://localhost:0",
            "ws://localhost:",
            "ws://[::1]:x",
        ] {
            check_refused(url, &format!("{url:?} is not a WebSocket URL"));
        }
    }

    #[test]
    fn clear_text_to_another_machine_is_refused() {
        for host in ["ws.finnhub.io", "192.168.0.1", "localhost.example.com", "128.0.0.1"] {
            check_refused(&format!("ws://{host}:9000"), &format!("ws:// to {host} would send"));
        }
    }

    #[test]
    fn a_key_in_the_url_is_refused_without_showing_it() {
        for url in ["wss://ws.finnhub.io?token=s3cret", "wss://u:s3cret@ws.finnhub.io"] {
            check_refused(url, "must not hold a key or password");
        }
    }
}
