//! The addresses of a host, and in which order they are tried.
//!
//! Main thread, and the subcommand `check`.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use super::Endpoint;
use super::dial_error::DialError;
use crate::text::in_words;

/// The host's addresses, those of IPv6 and IPv4 in turn; for an unencrypted connection only those of
/// this machine.
///
/// # Errors
/// [`DialError::Name`].
pub(crate) fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |reason| DialError::Name(endpoint.host.clone(), reason);
    let mut addresses: Vec<SocketAddr> = (endpoint.host.as_str(), endpoint.port)
        .to_socket_addrs()
        .map_err(|error| failed(resolver_reason(&error)))?
        .collect();
    if !endpoint.tls {
        addresses.retain(|address| address.ip().is_loopback());
    }
    if addresses.is_empty() {
        return Err(failed("it has no address that may be used".to_owned()));
    }
    Ok(in_turn(&addresses))
}

/// "failed to lookup address information: Name or service not known", without the first half.
fn resolver_reason(error: &io::Error) -> String {
    let text = in_words(error);
    text.rsplit(": ").next().unwrap_or(&text).to_owned()
}

/// Alternates between IPv6 and IPv4, beginning with the family of the first address: when one family does not
/// work at all, the second address does (RFC 8305, 4).
fn in_turn(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let of = |first| addresses.iter().filter(move |it| (it.is_ipv6() == first_family) == first);
    let (mut these, mut others) = (of(true), of(false));
    let pairs = addresses.iter().flat_map(|_| [these.next(), others.next()]);
    pairs.flatten().copied().collect()
}

/// What is remembered of a host's addresses from one dial to the next.
#[derive(Debug, Default)]
pub(crate) struct KnownAddresses {
    /// The address at which the server answered last time.
    good: Option<SocketAddr>,
    /// The address that accepted a TCP connection last time without an answer of the server.
    bad: Option<SocketAddr>,
}

impl KnownAddresses {
    /// Puts the good address first and the bad one last.
    pub(super) fn sort(&self, addresses: &mut [SocketAddr]) {
        let bad = |address: SocketAddr| self.bad == Some(address);
        addresses.sort_by_key(|&address| (bad(address), self.good != Some(address)));
    }

    /// Remembers the result of TLS and upgrade with `address`.
    pub(super) fn note<T>(&mut self, address: SocketAddr, opened: &Result<T, DialError>) {
        let is_answered = matches!(opened, Ok(_) | Err(DialError::Http(..)));
        let (this, other) = if is_answered {
            (&mut self.good, &mut self.bad)
        } else {
            (&mut self.bad, &mut self.good)
        };
        *this = Some(address);
        other.take_if(|it| *it == address);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{DialError, KnownAddresses, in_turn};

    /// `1 2` are IPv4, `a b` IPv6.
    fn addresses(names: &str) -> Vec<SocketAddr> {
        let address = |name: &str| match name.parse::<u8>() {
            Ok(number) => SocketAddr::from(([127, 0, 0, number], 1)),
            Err(_) => format!("[::{name}]:1").parse().unwrap(),
        };
        names.split_whitespace().map(address).collect()
    }

    #[test]
    fn the_families_take_turns() {
        for (before, after) in [
            ("", ""),
            ("1", "1"),
            ("1 2", "1 2"),
            ("a 1", "a 1"),
            ("a b c 1 2", "a 1 b 2 c"),
            ("1 2 3 a", "1 a 2 3"),
        ] {
            assert_eq!(in_turn(&addresses(before)), addresses(after), "{before}");
        }
    }

    #[test]
    fn one_that_worked_is_tried_first_and_one_that_did_not_answer_last() {
        let refused = || Err(DialError::Http(String::new(), 429));
        let silent = || Err(DialError::Tls(String::new(), "timed out".to_owned()));
        let mut known = KnownAddresses::default();
        let mut check = |address: &str, opened: Result<(), DialError>, after: &str| {
            known.note(addresses(address)[0], &opened);
            let mut order = addresses("a 1 b 2");
            known.sort(&mut order);
            assert_eq!(order, addresses(after), "{address}");
        };
        check("1", Ok(()), "1 a b 2");
        check("a", silent(), "1 b 2 a");
        check("1", silent(), "a b 2 1");
        check("b", refused(), "b a 2 1");
        check("b", silent(), "a 1 2 b");
        check("b", Ok(()), "b a 1 2");
        check("3", Ok(()), "a 1 b 2");
    }
}
