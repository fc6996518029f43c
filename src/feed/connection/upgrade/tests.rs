//! Answers of a server to the upgrade: which are accepted, and what is said of the others.

use std::io::Read;

use super::{MAX_HEADER_BYTES, Refused, check_answer, read_answer};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                        Connection: Upgrade\r\nSec-WebSocket-Accept: k3y=\r\n\r\n";

/// Bytes that come one by one, and then the end.
struct OneByOne<'b>(&'b [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(1);
        self.0.read(&mut into[..count])
    }
}

/// Reads the bytes of a server, in one piece and one by one; the answer must be the same. What is
/// left of those in one piece are the first frames.
fn check(sent: &str, expected: Result<&str, &str>) {
    let read = |mut stream: &mut dyn Read| {
        let (answer, first_frames) = read_answer(&mut stream)?;
        check_answer(&answer, "k3y=").map(|()| String::from_utf8(first_frames).unwrap())
    };
    let said = |refused| match refused {
        Refused::Status(status) => status.to_string(),
        Refused::Because(reason) => reason,
    };
    let at_once = read(&mut sent.as_bytes()).map_err(said);
    let one_by_one = read(&mut OneByOne(sent.as_bytes())).map_err(said);
    assert_eq!(one_by_one.is_ok(), at_once.is_ok(), "{sent}");
    match expected {
        Ok(first_frames) => assert_eq!(at_once.as_deref(), Ok(first_frames), "{sent}"),
        Err(words) => {
            let reason = at_once.expect_err(sent);
            assert!(reason.contains(words), "{sent}: {reason}");
        }
    }
}

#[test]
fn the_word_upgrade_may_stand_anywhere_among_others() {
    for connection in [
        "Connection: upgrade",
        "connection:UPGRADE",
        "Connection: keep-alive, Upgrade",
        "Connection: Upgrade,keep-alive",
        "Connection: , ,\tupgrade ,",
        "Connection: keep-alive\r\nConnection: Upgrade",
        "Connection: Upgrade\r\nConnection: close",
    ] {
        check(&ACCEPTED.replace("Connection: Upgrade", connection), Ok(""));
    }
    for connection in
        ["X: Upgrade", "Connection: keep-alive", "Connection: upgraded", "Connection: not upgrade"]
    {
        check(&ACCEPTED.replace("Connection: Upgrade", connection), Err("Connection: upgrade"));
    }
}

#[test]
fn interim_answers_are_passed_over() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
    let before = format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{hints}");
    check(&format!("{before}{ACCEPTED}frames"), Ok("frames"));
    check(&format!("{before}HTTP/1.1 401 Unauthorized\r\n\r\n"), Err("401"));
    check(&before, Err("not finished"));
    check(&hints.repeat(MAX_HEADER_BYTES / hints.len() + 100), Err("more than 64 KiB"));
}

#[test]
fn nothing_else_is_accepted() {
    let accepted_with =
        |line: &str| ACCEPTED.replacen("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"), 1);
    check(&ACCEPTED.replace("101", "200"), Err("200"));
    check(&ACCEPTED.replace("HTTP/1.1", "HTTP/1.0"), Err("HTTP version"));
    check(&ACCEPTED.replace("k3y=", "K3y="), Err("Accept"));
    check(&ACCEPTED.replace("websocket", "h2c"), Err("Upgrade: websocket"));
    check(&accepted_with("Sec-WebSocket-Protocol: v2"), Err("Sec-WebSocket-Protocol"));
    check(&accepted_with("Sec-WebSocket-Extensions: permessage-deflate"), Err("Extensions"));
    check(&accepted_with("Sec-WebSocket-Extensions:"), Ok(""));
    check("SSH-2.0-OpenSSH_9.9\r\n", Err("HTTP version"));
    check("", Err("not finished"));
    check(&format!("HTTP/1.1 101 {}", "x".repeat(2 * MAX_HEADER_BYTES)), Err("64 KiB"));
}
