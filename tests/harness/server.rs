//! A Finnhub-like server whose script is the test itself: the test's thread accepts, answers, sends
//! and reads, step by step, and looks at the recorder in between.
//!
//! [`Server`] holds a port of 127.0.0.1 and accepts; a [`Handshake`] is a client that has asked for
//! an upgrade and waits for the answer (as long as the test likes); a [`Connection`] (in `connection.rs`) is open. To
//! stall, do nothing. Every wait has the harness's deadline. All of them can be moved to a thread
//! when a test must send while it looks elsewhere.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use native_tls::TlsAcceptor;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBuf, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, setsockopt,
    socket,
};

use super::DEADLINE;
use super::connection::{Connection, ReadWrite};

/// How long one write may wait for the program to read. Longer than any other wait: a million
/// trades are written in one go.
const WRITE_DEADLINE: Duration = Duration::from_secs(60);

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
    pub(crate) fn address(&self) -> SocketAddrV4 {
        match self.listener.local_addr().expect("its own address") {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(address) => panic!("bound to {address}"),
        }
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
        setsockopt(&self.listener, RcvBuf, &1).expect("a socket");
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
        let stream = self.listener.accept().expect("the caller").0;
        stream.set_nodelay(true).expect("an open socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("an open socket");
        stream.set_write_timeout(Some(WRITE_DEADLINE)).expect("an open socket");
        stream
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
        let tcp = self.listener.accept().ok()?.0;
        tcp.set_nodelay(true).ok()?;
        tcp.set_read_timeout(Some(DEADLINE)).ok()?;
        tcp.set_write_timeout(Some(WRITE_DEADLINE)).ok()?;
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
        let address = self.address();
        drop(self.listener);
        ClosedPort::bind(address)
    }
}

/// A port that is held, so that nobody else gets it, but refuses every connection.
pub(crate) struct ClosedPort {
    socket: OwnedFd,
    address: SocketAddrV4,
}

impl ClosedPort {
    /// A port of 127.0.0.1 that the system chooses.
    pub(crate) fn new() -> Self {
        Self::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
    }

    fn bind(address: SocketAddrV4) -> Self {
        // Not to be inherited: a program that another test starts meanwhile would hold it, too.
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).expect("a socket");
        // Connections that the server closed still wait on its port.
        setsockopt(&socket, ReuseAddr, &true).expect("a socket");
        bind(socket.as_raw_fd(), &SockaddrIn::from(address)).expect("the port");
        let address = getsockname::<SockaddrIn>(socket.as_raw_fd()).expect("its address");
        Self { socket, address: address.into() }
    }

    /// The URL that [`Self::open`] will serve.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Starts to listen.
    pub(crate) fn open(self) -> Server {
        listen(&self.socket, Backlog::MAXCONN).expect("the port to open");
        Server { listener: TcpListener::from(self.socket), tls: None }
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

    /// What stands between `GET` and `HTTP/1.1`.
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
    pub(crate) fn try_upgrade_with(mut self, frames: &[u8]) -> io::Result<Connection> {
        let key = self.header("Sec-WebSocket-Key").expect("a WebSocket client");
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let bytes = [answer.as_bytes(), frames].concat();
        self.stream.write_all(&bytes)?;
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
