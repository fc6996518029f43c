//! The key is in the URL of every connection, and must be in nothing that anybody can read.

use crate::certificates::certificates_for;
use crate::harness::{KEY, Recorder, Run, Signal};
use crate::server::{ClosedPort, Server};

/// A run that says all it can.
fn talkative(url: &str) -> Recorder {
    start_talkative(Run::new(), url)
}

fn start_talkative(run: Run, url: &str) -> Recorder {
    let run = run.url(url).tickers("AAPL").arg("--verbose").env("RUST_LOG", "trace");
    run.env("RUST_BACKTRACE", "1").spawn()
}

/// Fails when the key is in anything the program left behind.
fn assert_key_is_nowhere(recorder: &Recorder) {
    let terminal = format!("{}{}", recorder.stderr(), recorder.stdout());
    assert!(!terminal.is_empty(), "a verbose program says something");
    assert!(!terminal.contains(KEY), "on the terminal\n{}", recorder.seen());
    for (path, content) in recorder.all_files() {
        let found = memchr::memmem::find(&content, KEY.as_bytes());
        assert!(found.is_none(), "in {}\n{}", path.display(), recorder.seen());
    }
    assert!(!recorder.log().is_empty(), "the log was looked at\n{}", recorder.seen());
}

#[test]
fn the_key_is_nowhere_after_connecting_failing_and_stopping() {
    let server = Server::plain();
    let mut recorder = talkative(&server.url());
    drop(server.accept_tcp());
    server.accept().refuse("503 Service Unavailable", "", "");
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text("garbage");
    connection.send_text(r#"{"data":[{"p":1.5,"s":"AAPL","t":1,"v":1},5],"type":"trade"}"#);
    recorder.wait_for_row_count(1);
    connection.send_close(1011, "internal");
    drop(connection);
    let port = server.shut_down();
    recorder.wait_until_it_says("refused");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert_key_is_nowhere(&recorder);
    drop(port);
}

#[test]
fn a_server_that_says_the_key_back_does_not_bring_it_into_the_log() {
    let server = Server::plain();
    let mut recorder = talkative(&server.url());
    let place = format!("Location: /?token={KEY}\r\nX-{KEY}: {KEY}\r\n");
    server.accept().refuse("302 Found", &place, &format!("see /?token={KEY}"));
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(&format!(r#"{{"msg":"bad token {KEY}","type":"error"}}"#));
    connection.send_text(&format!(r#"{{"data":["{KEY}"],"type":"trade"}}"#));
    connection.send_text(&format!("{KEY} is garbage"));
    connection.send_text(r#"{"data":[{"p":1.5,"s":"AAPL","t":1,"v":1}],"type":"trade"}"#);
    recorder.wait_for_row_count(1);
    connection.send_close(1008, &format!("token {KEY}"));
    let connection = server.connect_and_wait_for_subscriptions(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    assert_key_is_nowhere(&recorder);
}

#[test]
fn a_key_of_five_characters_is_taken_out_as_well() {
    let server = Server::plain();
    let run = Run::without_key().env("API_KEY", "k3y5!");
    let mut recorder = start_talkative(run, &server.url());
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    connection.send_text(r#"{"msg":"bad token k3y5! (k3y5%21)","type":"error"}"#);
    recorder.wait_until_it_says("bad token <key> (<key>)");
    connection.send_close(1008, "token k3y5!");
    let connection = server.connect_and_wait_for_subscriptions(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    for text in [recorder.stderr(), recorder.log(), recorder.ledger()] {
        assert!(!text.contains("k3y5"), "{}", recorder.seen());
    }
}

/// Texts are shortened before they are shown; what is cut must not be the half of a key that would
/// have told it apart.
#[test]
fn the_key_is_not_left_in_half_where_a_text_is_shortened() {
    let server = Server::plain();
    let mut recorder = talkative(&server.url());
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    for before in [90, 95, 190, 195, 290, 295] {
        let text = format!("{}{KEY}", "a".repeat(before));
        connection.send_text(&format!(r#"{{"msg":"{text}","type":"error"}}"#));
        connection.send_text(&format!(r#"{{"type":"{text}"}}"#));
        connection.send_text(&format!(r#"{{"data":["{text}"],"type":"trade"}}"#));
        connection.send_text(&text);
    }
    connection.send_text(r#"{"data":[{"p":1.5,"s":"AAPL","t":1,"v":1}],"type":"trade"}"#);
    recorder.wait_for_row_count(1);
    connection.send_close(1008, &format!("{}{KEY}", "a".repeat(95)));
    let connection = server.connect_and_wait_for_subscriptions(1);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    let beginning = format!("a{}", &KEY[..4]);
    for (path, bytes) in recorder.all_files() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&beginning), "{} has half a key", path.display());
    }
    assert!(!recorder.stderr().contains(&beginning), "{}", recorder.stderr());
}

#[test]
fn the_key_is_nowhere_when_it_is_refused() {
    let server = Server::plain();
    // A log that was there before stays.
    let mut recorder = start_talkative(Run::new().file("websocket_data.log", ""), &server.url());
    server.accept().refuse("401 Unauthorized", "", "Invalid API key");
    assert_eq!(recorder.wait_exit(), 1, "{}", recorder.seen());
    assert_key_is_nowhere(&recorder);
}

#[test]
fn the_key_is_nowhere_when_tls_or_the_name_or_the_port_fails() {
    let server = Server::tls(certificates_for(&["localhost"]).acceptor);
    let port = ClosedPort::new();
    for (url, word) in [
        (server.url(), "certificate"),
        ("wss://no-such-host.invalid".to_owned(), "no-such-host.invalid"),
        (port.url(), "refused"),
    ] {
        let mut recorder = talkative(&url);
        if word == "certificate" {
            server.accept_broken_tls();
        }
        recorder.wait_until_it_says(word);
        recorder.signal(Signal::SIGTERM);
        assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
        assert_key_is_nowhere(&recorder);
    }
}

#[test]
fn the_key_is_not_among_the_arguments_of_the_process() {
    let server = Server::plain();
    let mut recorder = talkative(&server.url());
    let handshake = server.accept();
    assert_eq!(handshake.token(), KEY, "the server must get it");
    let arguments = recorder.arguments();
    assert!(arguments.contains("--verbose") && !arguments.contains(KEY), "{arguments}");
    assert_eq!(recorder.stop(handshake.upgrade()), 0, "{}", recorder.seen());
    assert_key_is_nowhere(&recorder);
}

/// Everything else that can go wrong on the way, one after the other, in one directory.
#[test]
fn the_key_is_nowhere_after_every_other_failure() {
    let server = Server::plain();
    let mut recorder = talkative(&server.url());
    let connection = server.connect_and_wait_for_subscriptions(1);
    connection.reset();
    // A switch of protocols that is none, with the key in it.
    let headers = format!("Upgrade: {KEY}\r\nSec-WebSocket-Accept: {KEY}\r\n");
    server.accept().refuse("101 Switching Protocols", &headers, KEY);
    server.accept().refuse("524 A Timeout Occurred", "", KEY);
    server.accept().refuse("403 Forbidden", "", KEY);
    recorder.wait_until_it_says("403");
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.wait_exit(), -9);
    assert_key_is_nowhere(&recorder);

    let run = Run::beside(&recorder).url(&server.url()).tickers("AAPL").arg("--verbose");
    let mut recorder = run.env("RUST_LOG", "trace").spawn();
    // From here on the file is locked.
    let mut connection = server.connect_and_wait_for_subscriptions(1);
    let second = Run::beside(&recorder).tickers("AAPL").env("RUST_LOG", "trace");
    let (code, second) = second.url(&server.url()).run_to_its_end();
    assert_eq!(code, 1, "{}", second.seen());
    assert_key_is_nowhere(&second);
    connection.send_raw(&[0xf1, 1, b'x']);
    drop(connection);
    server.accept().refuse("429 Too Many Requests", "", KEY);
    recorder.wait_until_it_says("429");
    recorder.signal(Signal::SIGINT);
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    assert_key_is_nowhere(&recorder);
}
