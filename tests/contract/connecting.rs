//! How a connection comes about: which answers to the upgrade are taken.

use crate::frames::{Opcode, append_frame};
use crate::harness::{KEY, Recorder, Run};
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
