//! The steps over the network: name, TCP and TLS, upgrade, data.
//!
//! Main thread. Each step needs the one before it; the first that fails ends them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ALWAYS_TRADES, Steps};
use crate::clock::now_ms;
use crate::error::printable;
use crate::feed::{
    ApiKey, Connection, ConnectionLost, DIAL_TIMEOUT, DialError, Endpoint, Incoming, Wait,
    open_stream, resolve, upgrade,
};
use crate::protocol::message::{self, Decoder, Element, Message};
use crate::recorder::OpenError;
use crate::status::market_hours::{MarketState, human_duration, is_us_stock, us_market};

/// How long a trade or a ping is waited for.
const DATA_WITHIN: Duration = Duration::from_secs(10);

/// How long the server's half of the closing handshake is waited for: a session that is not
/// closed properly may still count when a recording starts right after.
const CLOSING: Duration = Duration::from_secs(1);

/// Characters of a server's text that are shown.
const SHOWN_CHARACTERS: usize = 200;

/// Name, TCP and TLS, upgrade, data: each needs the one before.
pub(super) fn try_network(
    steps: &mut Steps<'_>,
    endpoint: &Endpoint,
    key: Option<&ApiKey>,
    symbols: &[String],
    recording: Option<&Result<Option<u64>, OpenError>>,
) {
    let addresses = match resolve(endpoint) {
        Ok(addresses) => addresses,
        Err(error) => {
            steps.failed("name", error);
            return steps.skipped(&["TCP and TLS", "upgrade", "data"], "the server has no address");
        }
    };
    let first = addresses.first().map_or_else(String::new, |address| address.ip().to_string());
    if first == endpoint.host {
        steps.passed("name", format_args!("{first} is an address already"));
    } else {
        steps.passed("name", format_args!("{} is {first}", endpoint.host));
    }
    let started = Instant::now();
    let stream = match open_stream(endpoint, &addresses, started + DIAL_TIMEOUT, &Arc::default()) {
        Ok(stream) => stream,
        Err(error) => {
            steps.failed("TCP and TLS", with_fix(&error, None));
            return steps.skipped(&["upgrade", "data"], "there is no connection");
        }
    };
    let tls = if endpoint.tls { "certificate valid" } else { "TCP only, on this machine" };
    steps.passed(
        "TCP and TLS",
        format_args!("{endpoint}, {} ms, {tls}", started.elapsed().as_millis()),
    );
    let Some(key) = key else {
        return steps.skipped(&["upgrade", "data"], "there is no key");
    };
    if let Some(Err(OpenError::InUse(..))) = recording {
        return steps.skipped(
            &["upgrade", "data"],
            "another process is recording, and connecting with its key would interrupt it",
        );
    }
    match upgrade(endpoint, key, stream) {
        Ok(connection) => {
            steps.passed("upgrade", "the key is accepted");
            try_data(steps, connection, key, symbols);
        }
        Err(error) => {
            steps.failed("upgrade", with_fix(&error, Some(key)));
            steps.skipped(&["data"], "the server does not let us in");
        }
    }
}

/// An error of the dial with what to do about it, where it does not say so itself.
fn with_fix(error: &DialError, key: Option<&ApiKey>) -> String {
    let fix = match (error, key) {
        (DialError::Http { status: 401 | 403, .. }, Some(key)) => format!(
            "; the API key in {} (from {}) is refused: compare it with the one on https://finnhub.io/dashboard",
            key.variable(),
            key.source()
        ),
        // These say it themselves.
        (
            DialError::Http { status: 429, .. } | DialError::Name { .. } | DialError::Tls { .. },
            _,
        ) => String::new(),
        (DialError::Http { .. } | DialError::Upgrade { .. }, _) => {
            "; a fault of the server, or not a Finnhub server: try again later, or check --url"
                .to_owned()
        }
        (DialError::Tcp { .. }, _) => "; check the network, the firewall and --url".to_owned(),
    };
    format!("{error}{fix}")
}

/// What came while data was waited for.
#[derive(Default)]
struct Heard {
    pong: bool,
    errors: Vec<String>,
}

fn try_data(steps: &mut Steps<'_>, mut connection: Connection, key: &ApiKey, symbols: &[String]) {
    let started = Instant::now();
    let mut heard = Heard::default();
    let sign = wait_for_data(&mut connection, symbols, &mut heard);
    let seconds = started.elapsed().as_secs_f64();
    let errors = match heard.errors.as_slice() {
        [] => String::new(),
        errors => format!(" (the server says: {})", key.redact(&errors.join("; "))),
    };
    match sign {
        Ok(Some(sign)) => {
            steps.passed("data", format_args!("{sign} after {seconds:.1} s{errors}"));
        }
        Ok(None) if heard.pong && heard.errors.len() < symbols.len() => steps.passed(
            "data",
            format_args!("the server answers, but no trade came in {seconds:.0} s: {}{errors}", why_quiet(symbols)),
        ),
        Ok(None) if !heard.errors.is_empty() => steps.failed(
            "data",
            format_args!("no trade{errors}; check the spelling of the symbols on https://finnhub.io/docs/api/stock-symbols"),
        ),
        Ok(None) => steps.failed(
            "data",
            format_args!("not a word from the server in {seconds:.0} s; try again, and should it stay so, ask Finnhub for its status"),
        ),
        Err(lost) => steps.failed(
            "data",
            format_args!("{lost}{errors}; another process is probably using this key (Finnhub allows one connection per key): stop that one"),
        ),
    }
    close(connection);
}

/// The first sign of life, in words.
fn wait_for_data(
    connection: &mut Connection,
    symbols: &[String],
    heard: &mut Heard,
) -> Result<Option<String>, ConnectionLost> {
    for symbol in symbols {
        connection.send(&message::subscribe(symbol))?;
    }
    connection.ping();
    let until = Instant::now() + DATA_WITHIN;
    while Instant::now() < until {
        let Some(incoming) = connection.read(Wait::Tick)? else { continue };
        let Incoming::Text(text) = incoming else {
            heard.pong |= matches!(incoming, Incoming::Pong);
            continue;
        };
        match message::classify(&text) {
            Message::Trades => {
                if let Some(symbol) = first_symbol(&text) {
                    return Ok(Some(format!("a trade of {symbol}")));
                }
            }
            Message::Ping => return Ok(Some("a ping".to_owned())),
            Message::Error(message) => {
                heard.errors.push(printable(&message, SHOWN_CHARACTERS));
                // All are refused: nothing more will come.
                if heard.errors.len() >= symbols.len() {
                    return Ok(None);
                }
            }
            Message::Other(_) | Message::Unreadable => {}
        }
    }
    Ok(None)
}

fn first_symbol(text: &str) -> Option<String> {
    let mut symbol = None;
    // A message that cannot be decoded has none.
    let _ = Decoder::default().decode(text, |element| {
        if let (Element::Trade(trade), None) = (element, &symbol) {
            symbol = Some(printable(&trade.ticker, SHOWN_CHARACTERS));
        }
    });
    symbol
}

fn why_quiet(symbols: &[String]) -> String {
    let all_us = symbols.iter().all(|symbol| is_us_stock(symbol));
    match us_market(now_ms()) {
        MarketState::Closed { opens_in_ms, why } if all_us => {
            format!("US market closed ({why}), opens in {}", human_duration(opens_in_ms))
        }
        _ => format!("quiet symbols, or a closed market; try --tickers {ALWAYS_TRADES}"),
    }
}

fn close(mut connection: Connection) {
    let until = Instant::now() + CLOSING;
    connection.close();
    while Instant::now() < until && connection.read(Wait::Tick).is_ok() {}
}
