//! A Finnhub-like server whose script is the test itself: the test's thread accepts, answers, sends
//! and reads, step by step, and looks at the recorder in between.
//!
//! [`Server`] holds a port of 127.0.0.1 and accepts; a [`Handshake`] is a client that has asked for
//! an upgrade and waits for the answer (as long as the test likes); a [`Connection`] (in `connection.rs`) is open. To
//! stall, do nothing. Every wait has the harness's deadline. All of them can be moved to a thread
//! when a test must send while it looks elsewhere.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use native_tls::TlsAcceptor;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, SockRef, Socket, Type};

use super::DEADLINE;
use super::connection::{Connection, ReadWrite};

/// Callers that may wait to be accepted after [`ClosedPort::open`], as many as std's listener has.
const BACKLOG: i32 = 128;

/// In the place of the key that proves that the server has read the request.
const ACCEPT_KEY: &str = "{accept}";

/// The answer that accepts an upgrade.
pub(crate) const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                                   Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

/// A listening port.
pub(crate) struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// A plain `ws://` server on a port the system chooses.
    pub(crate) fn plain() -> Self {
        Self::on((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// A `wss://` server with this identity, see `certificates.rs`.
    pub(crate) fn tls(acceptor: TlsAcceptor) -> Self {
        Self { tls: Some(acceptor), ..Self::plain() }
    }

    /// The same on a port of the test's choice.
    pub(crate) fn on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a port of 127.0.0.1");
        Self { listener, tls: None }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("its own address")
    }

    /// The URL to give to the program: by number when plain, `localhost` with TLS.
    pub(crate) fn url(&self) -> String {
        let address = self.address();
        if self.tls.is_some() {
            format!("wss://localhost:{}", address.port())
        } else {
            format!("ws://{address}")
        }
    }

    /// Gives the connections to come the smallest buffer there is, so that what a client sends to a
    /// server that does not read is soon stuck.
    pub(crate) fn take_little_at_a_time(&self) {
        SockRef::from(&self.listener).set_recv_buffer_size(1).expect("a socket");
    }

    /// Whether a client is waiting to be accepted within `patience`.
    pub(crate) fn has_a_caller(&self, patience: Duration) -> bool {
        let patience = PollTimeout::try_from(patience).expect("a short time");
        let mut wanted = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        poll(&mut wanted, patience).expect("the state of the port") > 0
    }

    /// Accepts the TCP connection only.
    pub(crate) fn accept_tcp(&self) -> TcpStream {
        assert!(self.has_a_caller(DEADLINE), "no connection came within {DEADLINE:?}");
        self.try_accept_tcp().expect("the caller")
    }

    fn try_accept_tcp(&self) -> io::Result<TcpStream> {
        let stream = self.listener.accept()?.0;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(stream)
    }

    /// Accepts TCP, goes through TLS when there is any, and reads the request for an upgrade.
    pub(crate) fn accept(&self) -> Handshake {
        let tcp = self.accept_tcp();
        let socket = tcp.try_clone().expect("a second handle");
        let stream: Box<dyn ReadWrite> = match &self.tls {
            Some(acceptor) => Box::new(acceptor.accept(tcp).expect("the TLS handshake")),
            None => Box::new(tcp),
        };
        Handshake::read(stream, socket).expect("the request for an upgrade")
    }

    /// Accepts a client and reads its request, if one comes within `patience` and lives that long.
    /// For servers whose clients are killed at any instant.
    pub(crate) fn try_accept(&self, patience: Duration) -> Option<Handshake> {
        if !self.has_a_caller(patience) {
            return None;
        }
        let tcp = self.try_accept_tcp().ok()?;
        let socket = tcp.try_clone().ok()?;
        Handshake::read(Box::new(tcp), socket).ok()
    }

    /// Accepts TCP and expects the client to break off the TLS handshake.
    pub(crate) fn accept_broken_tls(&self) {
        let acceptor = self.tls.as_ref().expect("a TLS server");
        // With TLS 1.3 the server's side can finish before the client looks at the certificate;
        // then the refusal is what the first read finds.
        if let Ok(mut stream) = acceptor.accept(self.accept_tcp()) {
            let got = stream.read(&mut [0; 1]);
            assert!(!matches!(got, Ok(1..)), "the client trusts a certificate it must not trust");
        }
    }

    /// Accepts a client and its upgrade.
    pub(crate) fn connect(&self) -> Connection {
        self.accept().upgrade()
    }

    /// The same as [`Self::connect`], and waits until `count` symbols are subscribed.
    pub(crate) fn connect_and_wait_for_subscriptions(&self, count: usize) -> Connection {
        let mut connection = self.connect();
        connection.wait_for_subscriptions(count);
        connection
    }

    /// Closes the port. Callers are refused until [`ClosedPort::open`].
    pub(crate) fn shut_down(self) -> ClosedPort {
        // Bound before the listener goes, so that no other test gets the port in between.
        SockRef::from(&self.listener).set_reuse_port(true).expect("a socket");
        ClosedPort::bind(self.address())
    }
}

/// A port that is held, so that nobody else gets it, but refuses every connection.
pub(crate) struct ClosedPort {
    socket: Socket,
}

impl ClosedPort {
    /// A port of 127.0.0.1 that the system chooses.
    pub(crate) fn new() -> Self {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into())
    }

    fn bind(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Connections that the server closed still wait on its port.
        socket.set_reuse_address(true).expect("a socket");
        socket.set_reuse_port(true).expect("a socket");
        socket.bind(&address.into()).expect("the port");
        Self { socket }
    }

    /// The URL that [`Self::open`] will serve.
    pub(crate) fn url(&self) -> String {
        let address = self.socket.local_addr().expect("its address").as_socket();
        format!("ws://{}", address.expect("an address of the network"))
    }

    /// Starts to listen.
    pub(crate) fn open(self) -> Server {
        self.socket.listen(BACKLOG).expect("the port to open");
        Server { listener: self.socket.into(), tls: None }
    }
}

/// A client that has asked for an upgrade and waits for the answer.
pub(crate) struct Handshake {
    stream: Box<dyn ReadWrite>,
    socket: TcpStream,
    /// The request as it came, up to and with the empty line.
    pub(crate) request: String,
}

impl Handshake {
    fn read(mut stream: Box<dyn ReadWrite>, socket: TcpStream) -> io::Result<Self> {
        let mut request = Vec::new();
        let mut byte = [0; 1];
        // Byte by byte, because what follows the empty line would be frames.
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            request.push(byte[0]);
            assert!(request.len() < 16_384, "a request without an end");
        }
        Ok(Self { stream, socket, request: String::from_utf8(request).expect("text") })
    }

    /// What is between `GET` and `HTTP/1.1`.
    pub(crate) fn target(&self) -> &str {
        self.request.split(' ').nth(1).expect("a request line")
    }

    /// The value of the query's `token`, as it came.
    pub(crate) fn token(&self) -> &str {
        let query = self.target().split_once('?').expect("a query").1;
        query.split('&').find_map(|pair| pair.strip_prefix("token=")).expect("a token")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Answers `101 Switching Protocols`.
    pub(crate) fn upgrade(self) -> Connection {
        self.upgrade_with(&[])
    }

    /// The same, with the first frames in the same write.
    pub(crate) fn upgrade_with(self, frames: &[u8]) -> Connection {
        self.try_upgrade_with(frames).expect("the answer to go out")
    }

    /// The same for a client that may be gone already.
    pub(crate) fn try_upgrade_with(self, frames: &[u8]) -> io::Result<Connection> {
        self.try_upgrade_answering(ACCEPTED, frames)
    }

    /// Answers with a header of the test's own, such as a changed [`ACCEPTED`], and the first frames.
    pub(crate) fn upgrade_answering(self, header: &str, frames: &[u8]) -> Connection {
        self.try_upgrade_answering(header, frames).expect("the answer to go out")
    }

    /// The same for a client that may be gone already.
    pub(crate) fn try_upgrade_answering(
        mut self,
        header: &str,
        frames: &[u8],
    ) -> io::Result<Connection> {
        let key = self.header("Sec-WebSocket-Key").expect("a WebSocket client");
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let header = header.replace(ACCEPT_KEY, &accept);
        self.stream.write_all(&[header.as_bytes(), frames].concat())?;
        self.stream.flush()?;
        Ok(Connection::new(self.stream, self.socket))
    }

    /// Answers with another status (`"401 Unauthorized"`), more header lines (each with its line
    /// end, or none) and a body, and closes.
    pub(crate) fn refuse(mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        self.stream.write_all(answer.as_bytes()).expect("the answer to go out");
        self.stream.flush().expect("the answer to go out");
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}
