//! The floor: the least that a recorder on our own WebSocket library can do. It blocks on the
//! socket and writes each message unparsed, a line each. Runs as a process of its own, with one
//! thread. It must not look into the messages.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::TcpStream;

use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

use crate::Outcome;
use crate::load::Load;

/// Eight times the default: large enough that writing hardly counts.
const BUFFER_BYTES: usize = 64 * 1024;

/// Records from `url` into `out` until the server closes.
///
/// # Errors
/// Whatever the socket or the file reports.
pub(crate) fn record(url: &str, out: &str, flush_each_message: bool) -> Outcome<()> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(out)?);
    let request = url.into_client_request()?;
    let address = request.uri().authority().ok_or("the URL names no host")?.as_str();
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut socket, _) =
        tungstenite::client(request, stream).map_err(|error| error.to_string())?;
    for symbol in Load::usual_symbols() {
        let subscribe = format!(r#"{{"type":"subscribe","symbol":"{symbol}"}}"#);
        socket.send(Message::text(subscribe))?;
    }
    loop {
        match socket.read()? {
            Message::Text(text) => {
                file.write_all(text.as_bytes())?;
                file.write_all(b"\n")?;
                if flush_each_message {
                    file.flush()?;
                }
            }
            Message::Close(_) => break,
            _ => {}
        }
    }
    file.flush()?;
    socket.flush()?; // the answer to the server's Close
    Ok(())
}
