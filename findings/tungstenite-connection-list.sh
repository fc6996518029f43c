#!/usr/bin/env bash
# tungstenite 0.30.0 (crates.io): a handshake with "Connection: keep-alive, Upgrade" is refused.
#
# Guess: HTTP's Connection header is a list, browsers send exactly this one in their requests,
# and the WebSocket standard asks a client only to find the token "Upgrade" in it. So it is taken.
# Seen: with "Connection: Upgrade" the first message arrives; with the list, connect() fails with
# No "Connection: upgrade" header. Python's websockets and websocket-client and npm's ws take
# both; aiohttp and the WebSocket of Node refuse the list as well.
# Why it matters: behind a reverse proxy that adds keep-alive, a feed works for the tool it was
# tried with and not for the recorder, whose error denies a header that a packet capture shows.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
tungstenite = "=0.30.0"
TOML
cat > src/main.rs <<'RUST'
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use tungstenite::handshake::derive_accept_key;

/// A server for one client: shakes hands with this Connection header, and says hello.
fn serve(connection: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut key = String::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ") {
                if name.eq_ignore_ascii_case("sec-websocket-key") {
                    key = derive_accept_key(value.as_bytes());
                }
            }
        }
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: {connection}\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.write_all(b"\x81\x05hello");
        thread::sleep(std::time::Duration::from_secs(1));
    });
    port
}

fn main() {
    for connection in ["Upgrade", "keep-alive, Upgrade"] {
        let address = format!("ws://127.0.0.1:{}/", serve(connection));
        match tungstenite::connect(address) {
            Ok((mut socket, _)) => println!("{connection}: {}", socket.read().unwrap()),
            Err(error) => println!("{connection}: {error}"),
        }
    }
}
RUST
cargo build --quiet
timeout 60 target/debug/probe | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
Upgrade: hello
keep-alive, Upgrade: WebSocket protocol error: No "Connection: upgrade" header
END
