//! Which requests are answered at all, and the headers that every answer carries.
//!
//! The dashboard's thread; a layer around all routes, which decides from the request's head alone.
//! What it keeps out: other web sites that make a visitor's browser ask here (DNS rebinding, forged
//! requests), and bodies, which no request here has. Sites that were named may read.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Everything the page is made of comes from this server, and nobody may frame it. No inline
/// script or style, so that text which became markup by mistake still could not act.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The headers of every answer, refusals too.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    // The numbers are old at once, and the page belongs to the running program.
    ("cache-control", "no-store"),
];

/// Who is answered.
#[derive(Debug)]
pub(super) struct Guard {
    /// The address listened on.
    pub(super) bound: IpAddr,
    /// Origins whose pages may read.
    pub(super) origins: Vec<String>,
}

/// An answer that says no, and why.
pub(super) fn refusal(status: StatusCode, why: impl AsRef<str>) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "error": why.as_ref() })))
}

/// Answers what is allowed and refuses the rest.
pub(super) async fn answer_or_refuse(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let reader = guard.reader(&request);
    let mut response = match check(&request, guard.bound) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => refusal(status, why).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !guard.origins.is_empty() {
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = reader {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

impl Guard {
    /// The origin, if it is one whose pages may read the answer.
    fn reader(&self, request: &Request) -> Option<HeaderValue> {
        let origin = only(request.headers(), &ORIGIN)?;
        let may_read = is_reading(request.method())
            && self.origins.iter().any(|allowed| origin == allowed.as_str());
        may_read.then(|| origin.clone())
    }
}

/// The value of a header that is there exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn check(request: &Request, bound: IpAddr) -> Result<(), (StatusCode, &'static str)> {
    let host = asked_host(request)
        .ok_or((StatusCode::BAD_REQUEST, "a request needs exactly one valid Host"))?;
    if !is_own_name(host.host(), bound) {
        return Err((
            StatusCode::FORBIDDEN,
            "this Host is not the dashboard's; open it by its address or as localhost",
        ));
    }
    if !is_reading(request.method()) && !is_same_origin(request.headers(), &host) {
        return Err((StatusCode::FORBIDDEN, "only the dashboard's own page may change anything"));
    }
    if has_body(request.headers()) {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "no request to the dashboard has a body"));
    }
    Ok(())
}

/// The one host that the request names.
fn asked_host(request: &Request) -> Option<Authority> {
    let host: Authority = only(request.headers(), &HOST)?.to_str().ok()?.parse().ok()?;
    // A user name in a host is a trick; and a request line with another host is a proxy's.
    let is_plain = !host.as_str().contains('@');
    let is_only_one = request.uri().authority().is_none_or(|other| *other == host);
    (is_plain && is_only_one).then_some(host)
}

/// Whether a page of another site cannot have this name: only names and numbers that always mean
/// this machine, and the address listened on. The port is of no interest, because a tunnel may
/// change it.
fn is_own_name(host: &str, bound: IpAddr) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let number = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .map_or_else(|| host.parse().ok(), |host| host.parse::<Ipv6Addr>().ok().map(IpAddr::V6));
    // Listening on every address, each of the machine's numbers is right. Rebinding needs a name.
    number.is_some_and(|number| number.is_loopback() || number == bound || bound.is_unspecified())
}

/// Whether a change comes from the page itself, or from no browser at all.
fn is_same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()))
    };
    let from_here = !headers.contains_key(ORIGIN) || only(headers, &ORIGIN).is_some_and(is_own);
    // Browsers say this of every request, and pages cannot forge it.
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    from_here && site.is_none_or(|site| site == b"same-origin" || site == b"none")
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

#[cfg(test)]
mod tests {
    use super::is_own_name;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        fn check(host: &str, bound: &str, expected: bool) {
            assert_eq!(is_own_name(host, bound.parse().unwrap()), expected, "{host} at {bound}");
        }
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            check(host, "127.0.0.1", true);
            check(host, "192.168.1.5", true);
        }
        check("192.168.1.5", "192.168.1.5", true);
        check("192.168.1.6", "192.168.1.5", false);
        check("192.168.1.6", "0.0.0.0", true);
        check("[fe80::1]", "::", true);
        let strange =
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[evil]"];
        for host in strange {
            check(host, "127.0.0.1", false);
            check(host, "0.0.0.0", false);
        }
        check("192.168.1.5", "127.0.0.1", false);
    }
}
