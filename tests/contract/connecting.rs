//! How a connection comes about and what is said of its end: which answers to the upgrade are taken,
//! which of several addresses, and which close code is told.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::connection::Connection;
use crate::frames::{Opcode, append_frame, whole_frame};
use crate::harness::{KEY, Recorder, Run, Signal};
use crate::recording::trade_message;
use crate::server::{ACCEPTED, Server};

const TRADE: &str = r#"{"p":1.5,"s":"AAPL","t":1680300000123,"v":5}"#;

fn start(url: &str) -> Recorder {
    Run::new().url(url).tickers("AAPL").columns("price").spawn()
}

#[test]
fn an_upgrade_is_taken_with_the_word_anywhere_and_after_interim_answers_also_by_check() {
    let with = |connection| ACCEPTED.replace("Connection: Upgrade", connection);
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    let mut trade = Vec::new();
    append_frame(&mut trade, Opcode::Text, true, trade_message(&[TRADE]).as_bytes());
    for answer in [
        with("Connection: keep-alive, Upgrade"),
        with("connection: UPGRADE ,keep-alive"),
        with("Connection: keep-alive\r\nConnection: upgrade"),
        format!("HTTP/1.1 100 Continue\r\n\r\n{ACCEPTED}"),
        format!("{early}{early}{}", with("Connection: close, upgrade")),
    ] {
        let server = Server::plain();
        let mut recorder = start(&server.url());
        // A trade in one piece with the answer is not lost.
        let mut connection = server.accept().upgrade_answering(&answer, &trade);
        connection.wait_for_subscriptions(1);
        recorder.wait_for_row_count(1);
        assert_eq!(recorder.stop(connection), 0, "{answer}: {}", recorder.seen());
        assert_eq!(recorder.csv(), "price\n1.5\n", "{answer}");

        let mut checked = Run::new().arg("check").url(&server.url()).spawn();
        server.accept().upgrade_answering(&answer, &trade).answer_close();
        assert_eq!(checked.wait_exit(), 0, "{answer}: {}", checked.seen());
    }
}

#[test]
fn any_other_answer_is_refused_and_tried_again() {
    let with = |line: &str| ACCEPTED.replacen("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"), 1);
    let mut answers = vec![
        (ACCEPTED.replace("Connection: Upgrade", "Connection: keep-alive"), "Connection: upgrade"),
        (ACCEPTED.replace("Upgrade: websocket", "Upgrade: h2c"), "Upgrade: websocket"),
        (ACCEPTED.replace("{accept}", "d3JvbmcgYW5zd2VyLCBzb3JyeQ=="), "Accept"),
        (with("Sec-WebSocket-Extensions: permessage-deflate"), "nobody asked for"),
        (with("Sec-WebSocket-Protocol: chat"), "nobody asked for"),
        ("SSH-2.0-OpenSSH_9.9\r\n".to_owned(), "invalid HTTP version"),
    ];
    answers.push(("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(4000), "more than 64 KiB"));
    let server = Server::plain();
    for (answer, reason) in answers {
        let mut recorder = start(&server.url());
        // The program may be gone before it has read the longest one to its end.
        let refused = server.accept().try_upgrade_answering(&answer, b"");
        let told = format!("{} did not accept the WebSocket upgrade: ", server.address());
        recorder.wait_until(reason, |now| {
            now.stderr().lines().any(|line| line.contains(&told) && line.contains(reason))
        });
        assert!(!recorder.stderr().contains(KEY), "{reason}: {}", recorder.seen());
        // It goes on.
        drop(refused);
        let connection = server.connect_and_wait_for_subscriptions(1);
        assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    }
}

#[test]
fn the_close_code_of_the_server_is_told_as_it_came() {
    let close = |code: u16, reason: &[u8]| {
        whole_frame(Opcode::Close, &[&code.to_be_bytes()[..], reason].concat())
    };
    for (frame, told) in [
        (close(999, b""), "closed by the server with code 999"),
        (close(1006, b""), "closed by the server with code 1006"),
        (close(1015, b"bad TLS"), "closed by the server with code 1015: bad TLS"),
        (close(2999, b""), "closed by the server with code 2999"),
        (close(u16::MAX, &[b'x'; 123]), "closed by the server with code 65535: xxx"),
        (close(4001, b"key in use"), "closed by the server with code 4001: key in use"),
        (close(1002, b"Protocol violation"), "code 1002: Protocol violation"),
        // Not UTF-8, as it must be.
        (close(1006, b"\xff!"), "closed by the server with code 1006: \u{fffd}!"),
        (whole_frame(Opcode::Close, b""), "connection lost: closed by the server\n"),
    ] {
        let server = Server::plain();
        let mut recorder = start(&server.url());
        let mut connection = server.connect_and_wait_for_subscriptions(1);
        let trade = whole_frame(Opcode::Text, trade_message(&[TRADE]).as_bytes());
        // With a trade before it in the same piece, and the end of the stream behind it.
        connection.send_raw(&[trade, frame].concat());
        drop(connection);
        recorder.wait_until(told, |now| format!("{}\n", now.ledger()).contains(told));
        assert_eq!(recorder.csv(), "price\n1.5\n", "{}", recorder.seen());
        recorder.signal(Signal::SIGTERM);
        assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    }
}

/// Where the family of one address is dead, a program may take a moment longer, and no more.
const SOON: Duration = Duration::from_secs(8);

/// For `localhost` with two addresses, of which IPv6 comes first.
fn with_two_addresses(run: Run) -> Run {
    let script = r#"mount --bind hosts /etc/hosts && exec "$0" "$@""#;
    run.file("hosts", "127.0.0.1 localhost\n::1 localhost\n").through(&[
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
    ])
}

/// A server on a port of 127.0.0.1 that is free on `::1`, too; its URL, and its other address.
fn server_with_two_addresses() -> (Server, String, SocketAddr) {
    let server = Server::plain();
    let port = server.address().port();
    (server, format!("ws://localhost:{port}"), SocketAddr::from((Ipv6Addr::LOCALHOST, port)))
}

/// An address that swallows: its queue of callers is full, and nobody takes them out of it.
struct Silent {
    address: SocketAddr,
    _listener: Socket,
    _callers: Vec<Socket>,
}

impl Silent {
    fn on(address: SocketAddr) -> Self {
        let socket = || {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
            socket.expect("a socket")
        };
        let listener = socket();
        listener.set_reuse_address(true).expect("a socket");
        listener.bind(&address.into()).expect("the port");
        listener.listen(0).expect("a listening port");
        let address = listener.local_addr().expect("its address");
        let call = |_| {
            let caller = socket();
            caller.set_nonblocking(true).expect("a socket");
            let _ = caller.connect(&address);
            caller
        };
        let callers = (0..8).map(call).collect();
        let address = address.as_socket().expect("an address of the network");
        Self { address, _listener: listener, _callers: callers }
    }
}

fn accept_soon(server: &Server, recorder: &Recorder) -> Connection {
    assert!(server.has_a_caller(SOON), "{}", recorder.seen());
    server.connect_and_wait_for_subscriptions(1)
}

#[test]
#[ignore = "needs a mount namespace, to replace /etc/hosts"]
fn a_dead_address_costs_a_moment_and_the_one_that_worked_comes_first_the_next_time() {
    let (server, url, other) = server_with_two_addresses();
    let silent = Silent::on(other);
    let began = Instant::now();
    let mut checked = with_two_addresses(Run::new()).arg("check").url(&url).spawn();
    let mut connection = accept_soon(&server, &checked);
    connection.send_text(r#"{"type":"ping"}"#);
    connection.answer_close();
    assert_eq!(checked.wait_exit(), 0, "{}", checked.seen());
    assert!(
        checked.stdout().contains("at 127.0.0.1 because ::1 did not take the connection"),
        "{}",
        checked.seen()
    );

    let run = with_two_addresses(Run::new()).url(&url).tickers("AAPL").columns("price");
    let mut recorder = run.spawn();
    let connection = accept_soon(&server, &recorder);
    assert!(began.elapsed() < 2 * SOON);
    // Now it would answer, but is not asked.
    drop(silent);
    let alive = Server::on(other);
    drop(connection);
    let connection = accept_soon(&server, &recorder);
    assert!(!alive.has_a_caller(Duration::ZERO), "{}", recorder.seen());
    // When the other one is gone, it is.
    let closed = server.shut_down();
    drop(connection);
    let connection = accept_soon(&alive, &recorder);
    drop(closed);
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
#[ignore = "needs a mount namespace, to replace /etc/hosts"]
fn an_address_that_takes_the_connection_and_does_not_answer_is_tried_last_the_next_time() {
    let (server, url, other) = server_with_two_addresses();
    let broken = Server::on(other);
    let run = with_two_addresses(Run::new()).url(&url).tickers("AAPL").columns("price");
    let mut recorder = run.spawn();
    drop(broken.accept());
    let connection = accept_soon(&server, &recorder);
    assert!(!broken.has_a_caller(Duration::ZERO), "{}", recorder.seen());
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
}

#[test]
#[cfg(target_os = "linux")]
fn a_stop_ends_the_wait_for_an_address_that_swallows() {
    let silent = Silent::on(([127, 0, 0, 1], 0).into());
    let before = calls_without_answer(silent.address);
    let mut recorder = start(&format!("ws://{}", silent.address));
    recorder.wait_until("a call", |_| calls_without_answer(silent.address) > before);
    recorder.signal(Signal::SIGTERM);
    let asked = recorder.stopwatch();
    assert_eq!(recorder.wait_exit(), 0, "{}", recorder.seen());
    // Then it would be ended in the place of the main thread.
    let took = recorder.took(&asked);
    assert!(took < Duration::from_secs(3), "it took {took:?}");
}

/// How many sockets of this machine wait for an answer of this address.
#[cfg(target_os = "linux")]
fn calls_without_answer(address: SocketAddr) -> usize {
    const SYN_SENT: &str = "02";
    let port = format!(":{:04X}", address.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the sockets");
    let waits = |line: &str| {
        let mut words = line.split_whitespace().skip(2);
        words.next().is_some_and(|remote| remote.ends_with(&port)) && words.next() == Some(SYN_SENT)
    };
    sockets.lines().filter(|line| waits(line)).count()
}
