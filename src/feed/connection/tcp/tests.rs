//! Addresses that answer late, refuse, or never answer.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{NEXT_ADDRESS_AFTER, first_to_answer};

/// Far more than needed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An address that swallows: the queue of callers is full, and nobody takes them out of it.
struct Silent {
    address: SocketAddr,
    _listener: Socket,
    _callers: Vec<Socket>,
}

impl Silent {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let call = |_| {
            let caller = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            caller.set_nonblocking(true).unwrap();
            let _ = caller.connect(&address.into());
            caller
        };
        Self { address, _callers: (0..8).map(call).collect(), _listener: listener }
    }
}

/// An address that refuses. Nobody else gets it as long as the socket is there.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

fn connect_within(
    patience: Duration,
    addresses: &[SocketAddr],
) -> io::Result<(TcpStream, SocketAddr)> {
    first_to_answer(addresses, Instant::now() + patience, &AtomicBool::new(false))
}

#[test]
fn an_address_that_swallows_holds_up_the_next_one_for_a_moment_only() {
    let (silent, listener) = (Silent::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let good = listener.local_addr().unwrap();
    let began = Instant::now();
    let addresses = [silent.address, silent.address, good];
    let (stream, address) = connect_within(PATIENCE, &addresses).unwrap();
    let took = began.elapsed();
    assert_eq!((address, stream.peer_addr().unwrap()), (good, good));
    // Two times the wait, and much more on a busy machine; but not a share of all the time.
    assert!(took >= 2 * NEXT_ADDRESS_AFTER && took < PATIENCE / 6, "{took:?}");
}

#[test]
fn an_address_that_refuses_holds_up_nobody_and_the_last_reason_is_told() {
    let (refusing, listener) = (refusing(), TcpListener::bind("127.0.0.1:0").unwrap());
    let good = listener.local_addr().unwrap();
    let (_, address) = connect_within(PATIENCE, &[refusing.1, refusing.1, good]).unwrap();
    assert_eq!(address, good);
    let error = connect_within(PATIENCE, &[refusing.1, refusing.1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // No way to it at all: what the other one says is told.
    let nowhere = "[::ffff:255.255.255.255]:1".parse().unwrap();
    let error = connect_within(PATIENCE, &[refusing.1, nowhere]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn it_ends_at_the_deadline_and_at_a_stop() {
    let silent = Silent::new();
    let error = connect_within(Duration::from_millis(50), &[silent.address]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let stopped = AtomicBool::new(true);
    let error =
        first_to_answer(&[silent.address], Instant::now() + PATIENCE, &stopped).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let error = connect_within(PATIENCE, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}
