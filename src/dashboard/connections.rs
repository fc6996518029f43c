//! Connections to the page: how many, and how long each may take.
//!
//! The dashboard's thread. A client that does not read, does not ask or asks byte by byte costs a
//! place for some seconds and nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use log::debug;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;

/// Connections at one time. A browser opens up to six to one address; this is for a dozen people
/// with several tabs, and leaves most of the usual 1024 open files to the recorder.
const MOST_CONNECTIONS: usize = 100;

/// A request must have come whole within this time, counted from the connection's start or from
/// the last answer. On the same machine it takes a millisecond.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// A client that takes nothing of its answer for this long is dropped. Suspended laptops come back
/// and connect again by themselves.
const READER_TIME: Duration = Duration::from_secs(15);

/// Header fields of a request; browsers send about fifteen.
const MOST_HEADERS: usize = 64;

/// Bytes of a request's head, and of an answer in waiting. Also bounds what a stuck client holds.
const BUFFER_BYTES: usize = 16 << 10;

/// What the system may keep for a client that does not read.
const SOCKET_BUFFER_BYTES: usize = 64 << 10;

/// How long accepting rests after the system refused a connection, mostly for want of open files.
const REST_AFTER_ERROR: Duration = Duration::from_millis(500);

/// What somebody gets for whom there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\
    cache-control: no-store\r\nretry-after: 5\r\nconnection: close\r\n\r\n";

/// Lets clients in and answers them.
pub(super) async fn accept_for_ever(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        match (listener.accept().await, Arc::clone(&places).try_acquire_owned()) {
            (Ok((stream, _)), Ok(place)) => {
                tokio::spawn(answer(stream, place, router.clone()));
            }
            (Ok((stream, _)), Err(_)) => drop(stream.try_write(NO_PLACE)),
            (Err(error), _) => {
                debug!("the dashboard cannot accept a connection: {error}");
                sleep(REST_AFTER_ERROR).await;
            }
        }
    }
}

/// Serves one connection to its end, and gives its place back.
async fn answer(stream: TcpStream, _place: OwnedSemaphorePermit, router: Router) {
    // Should one fail, it works as well, only later or with more memory.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SOCKET_BUFFER_BYTES);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(READER_TIME));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME)
        .max_headers(MOST_HEADERS)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        debug!("a connection to the dashboard ended: {error}");
    }
}
