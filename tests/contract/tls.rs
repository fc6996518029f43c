//! Certificates are always verified, and a refused one is explained.

use crate::certificates::certificates_for;
use crate::harness::{Recorder, Run, Signal};
use crate::recording::trade_message;
use crate::server::Server;

/// What OpenSSL says of every certificate it refuses.
const REFUSED: &str = "certificate verify failed";

/// Breaks off two handshakes and fails unless the program names the host and the reason, and goes
/// on trying.
fn assert_refused_but_tried_again(server: &Server, mut recorder: Recorder, reason: &str) {
    server.accept_broken_tls();
    recorder.wait_until("the refusal on the terminal", |recorder| {
        recorder.stderr().lines().any(|line| line.contains(REFUSED))
    });
    let stderr = recorder.stderr();
    let line = stderr.lines().find(|line| line.contains(REFUSED)).expect("on the terminal");
    assert!(line.contains("localhost") && line.contains(reason), "{reason:?} in {line:?}");
    assert!(line.contains(&format!(" failed: {REFUSED} (")), "no codes of OpenSSL: {line}");
    server.accept_broken_tls();
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_with_host_and_reason() {
    let certificates = certificates_for(&["localhost", "127.0.0.1"]);
    let server = Server::tls(certificates.acceptor);
    let recorder = Run::new().url(&server.url()).tickers("AAPL").spawn();
    assert_refused_but_tried_again(&server, recorder, "issuer");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let certificates = certificates_for(&["ws.finnhub.io"]);
    let server = Server::tls(certificates.acceptor);
    let run = Run::new().url(&server.url()).tickers("AAPL");
    let run = run.file("authority.pem", certificates.authority_pem);
    let recorder = run.env("SSL_CERT_FILE", "authority.pem").spawn();
    assert_refused_but_tried_again(&server, recorder, "hostname mismatch");
}

#[test]
fn a_trusted_certificate_lets_trades_through() {
    let certificates = certificates_for(&["localhost", "127.0.0.1"]);
    let server = Server::tls(certificates.acceptor);
    let run = Run::new().url(&server.url()).tickers("AAPL").columns("price,volume");
    let run = run.file("authority.pem", certificates.authority_pem);
    let mut recorder = run.env("SSL_CERT_FILE", "authority.pem").spawn();
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let element = r#"{"p":100.10,"s":"AAPL","t":1680300000123,"v":5}"#;
    connection.send_text(&trade_message(&[element]));
    recorder.wait_for_row_count(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_eq!(recorder.csv(), "price,volume\n100.10,5\n");
}
