//! The checks of single values on the command line. An error says what to give instead; its
//! caller puts the option and the value before it.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::Authority;

use crate::market::symbol::check_symbol;
use crate::recorder::{Fsync, Rotate};
use crate::recording::columns::Column;

/// The longest time that can be asked for.
const DAY_MS: u64 = 86_400_000;

/// A symbol: space around it is cut, space inside and case are kept.
pub(crate) fn symbol(given: &str) -> Result<String, String> {
    let symbol = given.trim();
    check_symbol(symbol).map(|()| symbol.to_owned())
}

/// Columns by name, each once.
pub(super) fn columns(given: &str) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for name in given.split(',').map(str::trim) {
        let column = name.parse::<Column>()?;
        if columns.contains(&column) {
            return Err(format!("{name} is there twice; name each column once"));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// An address and a port; `localhost` is understood too, and a port alone is on this machine.
pub(crate) fn address(given: &str) -> Result<SocketAddr, String> {
    let is_port = given.parse::<u16>().is_ok();
    let port = given.strip_prefix("localhost:").or(is_port.then_some(given));
    let numbers = port.map(|port| format!("127.0.0.1:{port}"));
    numbers
        .as_deref()
        .unwrap_or(given)
        .parse()
        .map_err(|_| "give an address and a port, like 127.0.0.1:8787, or a port alone".to_owned())
}

/// The origin of a web page, spelled as browsers send it: lower case, no default port.
pub(super) fn origin(given: &str) -> Result<String, String> {
    let wrong =
        || "give the scheme, host and port of a web page, like http://localhost:5173".to_owned();
    let lower = given.to_ascii_lowercase();
    let (scheme, host) = lower.split_once("://").ok_or_else(wrong)?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(wrong()),
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let authority: Authority = host.parse().map_err(|_| wrong())?;
    let is_name = |letter: u8| letter.is_ascii_alphanumeric() || b"-._[]:".contains(&letter);
    let is_whole = !authority.host().is_empty() && host.bytes().all(is_name);
    let has_port = host.len() == authority.host().len() || authority.port_u16().is_some();
    if is_whole && has_port { Ok(format!("{scheme}://{host}")) } else { Err(wrong()) }
}

/// When rows are forced to the disk.
pub(super) fn fsync(given: &str) -> Result<Fsync, String> {
    match given {
        "always" => Ok(Fsync::Always),
        "never" => Ok(Fsync::Never),
        _ => interval(given)
            .map(Fsync::Every)
            .map_err(|_| "give always, never, or an interval like 1s or 500ms".to_owned()),
    }
}

/// `500ms`, `1s`, `2m`, `1h`, `1d`.
pub(crate) fn duration(given: &str) -> Option<Duration> {
    let digits = given.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit_ms = match &given[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// A millisecond up to a day, which is longer than anybody can mean, and short enough for every clock.
pub(crate) fn interval(given: &str) -> Result<Duration, String> {
    duration(given)
        .filter(|duration| (1..=u128::from(DAY_MS)).contains(&duration.as_millis()))
        .ok_or_else(|| "give a time like 1s, 500ms or 2m".to_owned())
}

/// When a new file is begun, if ever.
pub(super) fn rotate(given: &str) -> Result<Option<Rotate>, String> {
    match given {
        "never" => Ok(None),
        "hourly" => Ok(Some(Rotate::Hourly)),
        "daily" => Ok(Some(Rotate::Daily)),
        _ => Err("give never, hourly or daily".to_owned()),
    }
}

/// A command for `sh`.
pub(super) fn command(given: &str) -> Result<String, String> {
    if given.trim().is_empty() {
        return Err("the command is empty; give one, or leave the option out".to_owned());
    }
    Ok(given.to_owned())
}

#[cfg(test)]
mod tests;
