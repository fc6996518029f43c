//! The steps over the network: name, TCP and TLS, upgrade, data.
//!
//! Main thread. Each step needs the one before it; the first that fails ends them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::steps::Steps;
use crate::feed::{
    ApiKey, Connection, ConnectionLost, DIAL_TIMEOUT, DialError, Endpoint, FREE_PLAN_SYMBOLS,
    Incoming, Wait, connect, resolve, start_tls, upgrade,
};
use crate::market::hours::us_market;
use crate::market::symbol::is_us_stock;
use crate::protocol::message::{self, Decoder, Element, Message};
use crate::recorder::Inspection;
use crate::status::silence::about_market;
use crate::text::clock::now_ms;
use crate::text::printable;

/// Trades day and night, at the weekend too.
pub(super) const ALWAYS_TRADES: &str = "BINANCE:BTCUSDT";

/// How long a trade or a ping is waited for.
const DATA_WITHIN: Duration = Duration::from_secs(10);

/// How long refusals of other symbols are waited for after the first sign of life when the server does not
/// answer our ping. The answer to a ping comes after all refusals.
const REFUSALS: Duration = Duration::from_secs(1);

/// How long the server's half of the closing handshake is waited for: the server may still count a session
/// that was not closed properly when a recording starts right after.
const CLOSING: Duration = Duration::from_secs(1);

/// Characters of a server's text that are shown.
const SHOWN_CHARACTERS: usize = 200;

/// Name, TCP and TLS, upgrade, data: each needs the one before.
pub(super) fn try_network(
    steps: &mut Steps<'_>,
    endpoint: &Endpoint,
    key: Option<&ApiKey>,
    symbols: &[String],
    recording: Option<&Inspection>,
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
    let tcp = connect(endpoint, &addresses, started + DIAL_TIMEOUT, &Arc::default());
    let opened = tcp.and_then(|tcp| {
        let address = tcp.address.ip().to_string();
        Ok((start_tls(endpoint, tcp)?, address))
    });
    let (stream, address) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            steps.failed("TCP and TLS", with_fix(&error, None));
            return steps.skipped(&["upgrade", "data"], "there is no connection");
        }
    };
    let tls = if endpoint.tls { "certificate valid" } else { "TCP only, on this machine" };
    let took = started.elapsed().as_millis();
    let at = if address == first {
        String::new()
    } else {
        format!(", at {address} because {first} did not take the connection")
    };
    steps.passed("TCP and TLS", format_args!("{endpoint}, {took} ms{at}, {tls}"));
    let Some(key) = key else {
        return steps.skipped(&["upgrade", "data"], "there is no key");
    };
    if let Some(Err(error)) = recording.map(|found| &found.output)
        && error.is_in_use()
    {
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
            steps.skipped(&["data"], "the server refuses the connection");
        }
    }
}

/// An error of the dial, and what to do about it where its own text does not say.
fn with_fix(error: &DialError, key: Option<&ApiKey>) -> String {
    let fix = match (error, key) {
        (DialError::Http(_, 401 | 403), Some(key)) => format!(
            "; the API key in {} (from {}) is refused: compare it with the one on https://finnhub.io/dashboard",
            key.variable(),
            key.source()
        ),
        // Their own texts say it.
        (DialError::Http(_, 200..=399 | 429) | DialError::Name(..) | DialError::Tls(..), _) => {
            String::new()
        }
        (DialError::Http(..) | DialError::Upgrade(..), _) => {
            "; a fault of the server, or not a Finnhub server: try again later, or check --url"
                .to_owned()
        }
        (DialError::Tcp(..), _) => "; check the network, the firewall and --url".to_owned(),
    };
    format!("{error}{fix}")
}

/// What the server sent while data was waited for.
#[derive(Default)]
struct Heard {
    pong: bool,
    /// The first trade or ping, as text, and how long it took.
    sign: Option<(String, Duration)>,
    /// The server's refusals, in its words.
    errors: Vec<String>,
}

fn try_data(steps: &mut Steps<'_>, mut connection: Connection, key: &ApiKey, symbols: &[String]) {
    let mut heard = Heard::default();
    let ended = wait_for_data(&mut connection, symbols, &mut heard);
    let seconds = DATA_WITHIN.as_secs();
    match (heard.sign, ended) {
        (Some((sign, after)), _) => {
            steps.passed("data", format_args!("{sign} after {:.1} s", after.as_secs_f64()));
        }
        (None, Err(lost)) => steps.failed(
            "data",
            format_args!("{lost}; another process is probably using this key (Finnhub allows one connection per key): stop that one"),
        ),
        (None, Ok(())) if heard.errors.len() >= symbols.len() => {
            steps.skipped(&["data"], "the server refuses what was asked for");
        }
        (None, Ok(())) if heard.pong => steps.passed(
            "data",
            format_args!("the server answers, but no trade came in {seconds} s: {}", why_quiet(symbols)),
        ),
        (None, Ok(())) => steps.failed(
            "data",
            format_args!("nothing came from the server in {seconds} s; try again later, and ask Finnhub if it stays so"),
        ),
    }
    for error in &heard.errors {
        steps.failed("symbol", refusal(&key.redact(error)));
    }
    close(connection);
}

/// What the server says of a symbol, and what to do.
fn refusal(error: &str) -> String {
    let shown = printable(error, SHOWN_CHARACTERS);
    match message::refused_symbol(error) {
        Some(symbol) => format!(
            "{} is refused ({shown}); look for its spelling on https://finnhub.io/docs/api/stock-symbols",
            printable(symbol, SHOWN_CHARACTERS)
        ),
        None if message::is_too_many_symbols(error) => {
            format!("{shown}; the free plan has {FREE_PLAN_SYMBOLS}, so name fewer")
        }
        None => format!("the server says: {shown}"),
    }
}

/// Listens until there is a sign of life and no more answers to the subscriptions can come.
fn wait_for_data(
    connection: &mut Connection,
    symbols: &[String],
    heard: &mut Heard,
) -> Result<(), ConnectionLost> {
    let started = Instant::now();
    for symbol in symbols {
        connection.send(&message::subscribe(symbol))?;
    }
    // The answer to a ping comes after those to the subscriptions.
    connection.ping();
    let mut until = started + DATA_WITHIN;
    while Instant::now() < until && heard.errors.len() < symbols.len() {
        match connection.read(Wait::Tick)? {
            Some(Incoming::Text(text)) => heard.text(&text, started),
            Some(Incoming::Pong) => heard.pong = true,
            _ => {}
        }
        if let Some((_, after)) = heard.sign {
            if heard.pong || symbols.len() == 1 {
                return Ok(());
            }
            until = until.min(started + after + REFUSALS);
        }
    }
    Ok(())
}

impl Heard {
    fn text(&mut self, text: &str, started: Instant) {
        let sign = match message::classify(text) {
            Message::Trades => first_symbol(text).map(|symbol| format!("a trade of {symbol}")),
            Message::Ping => Some("a ping".to_owned()),
            Message::Error(message) => {
                self.errors.push(message.into_owned());
                None
            }
            Message::Other(_) | Message::Unreadable => None,
        };
        if let (Some(sign), None) = (sign, &self.sign) {
            self.sign = Some((sign, started.elapsed()));
        }
    }
}

fn first_symbol(text: &str) -> Option<String> {
    let mut symbol = None;
    // A message that cannot be decoded has no trades.
    let _ = Decoder::default().decode(text, |element| {
        if let (Element::Trade(trade), None) = (element, &symbol) {
            symbol = Some(printable(&trade.ticker, SHOWN_CHARACTERS));
        }
    });
    symbol
}

fn why_quiet(symbols: &[String]) -> String {
    let all_us = symbols.iter().all(|symbol| is_us_stock(symbol));
    about_market(us_market(now_ms())).filter(|_| all_us).unwrap_or_else(|| {
        format!("quiet symbols, or a closed market; try --tickers {ALWAYS_TRADES}")
    })
}

fn close(mut connection: Connection) {
    let until = Instant::now() + CLOSING;
    connection.close();
    while Instant::now() < until && connection.read(Wait::Tick).is_ok() {}
}
