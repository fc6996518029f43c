//! Connections to the page: how many, how patient, and how they end.
//!
//! The dashboard's thread. A client that does not read, does not ask or asks byte by byte costs a
//! place for some seconds and nothing else.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use log::debug;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};

use super::StopSign;

/// Connections at one time. A browser opens up to six to one address; this is for a dozen people
/// with several tabs, and leaves most of the usual 1024 open files to the recorder.
const MOST_CONNECTIONS: usize = 100;

/// A request must have come whole within this time, counted from the connection's start or from
/// the last answer. On the same machine it takes a millisecond.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// A client that takes nothing of its answer for this long is dropped. Suspended laptops come back
/// and connect again by themselves.
const READER_PATIENCE: Duration = Duration::from_secs(15);

/// Header fields of a request; browsers send about fifteen.
const MOST_HEADERS: usize = 64;

/// Bytes of a request's head, and of an answer in waiting. Also bounds what a stuck client holds.
const BUFFER_BYTES: usize = 16 << 10;

/// What the system may keep for a client that does not read.
const SOCKET_BUFFER_BYTES: usize = 64 << 10;

/// Open answers have this long to end when the program does; it promises 200 ms.
const GOODBYE: Duration = Duration::from_millis(100);

/// How long accepting rests after the system refused a connection, mostly for want of open files.
const REST_AFTER_ERROR: Duration = Duration::from_millis(500);

/// What somebody gets for whom there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\
    cache-control: no-store\r\nretry-after: 5\r\nconnection: close\r\n\r\n";

/// Lets clients in and answers them until the stop sign is shown.
pub(super) async fn accept_until_stopped(
    listener: TcpListener,
    router: Router,
    mut stop: StopSign,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let stopped = stop.clone();
    let mut asked_to_stop = pin!(stop.shown());
    loop {
        let accepted = tokio::select! {
            () = &mut asked_to_stop => break,
            accepted = listener.accept() => accepted,
        };
        match (accepted, Arc::clone(&places).try_acquire_owned()) {
            (Ok((stream, _)), Ok(place)) => {
                tokio::spawn(answer(stream, place, router.clone(), stopped.clone()));
            }
            (Ok((stream, _)), Err(_)) => drop(stream.try_write(NO_PLACE)),
            (Err(error), _) => {
                debug!("the dashboard cannot accept a connection: {error}");
                sleep(REST_AFTER_ERROR).await;
            }
        }
    }
    drop(listener);
    // Every connection gives its place back when it has ended.
    let everybody = u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX);
    let _ = timeout(GOODBYE, places.acquire_many(everybody)).await;
}

/// Serves one connection to its end.
async fn answer(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    router: Router,
    mut stop: StopSign,
) {
    // Both are wishes; without them it works as well, only later or with more memory.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SOCKET_BUFFER_BYTES);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIME)
            .max_headers(MOST_HEADERS)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(
                TokioIo::new(PatientStream::new(stream)),
                TowerToHyperService::new(router),
            )
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.shown() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!("a connection to the dashboard ended: {error}");
    }
    drop(place);
}

/// A connection whose other side must take what is written to it, sooner or later.
struct PatientStream {
    stream: TcpStream,
    /// Runs while a write waits.
    patience: Option<Pin<Box<Sleep>>>,
}

impl PatientStream {
    fn new(stream: TcpStream) -> PatientStream {
        PatientStream { stream, patience: None }
    }

    /// Lets a write wait, but not for ever.
    fn limit<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(READER_PATIENCE)));
        ready!(patience.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.limit(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
