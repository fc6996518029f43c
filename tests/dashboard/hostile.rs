//! Requests that mean no good, or that no browser would send.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::feed::Feed;
use crate::http::{Events, connect, get, read_answer, request, send};
use crate::program::Program;
use crate::served::{Served, snapshot};
use crate::waiting::{own_waits, wait_until};

fn served() -> Served {
    Served::start(snapshot(["A".to_owned()]))
}

#[test]
fn every_answer_carries_the_headers_that_keep_others_out() {
    let served = served();
    for path in ["/", "/app.js", "/api/status", "/metrics", "/nothing", "/api/history/nothing"] {
        let answer = get(served.address, path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let mut stream = connect(served.address);
    let host = format!("GET /api/events HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    stream.write_all(host.as_bytes()).unwrap();
    let mut head = [0; 256];
    stream.read_exact(&mut head).unwrap();
    assert!(String::from_utf8_lossy(&head).contains("content-security-policy"));
}

#[test]
fn only_the_own_host_is_answered() {
    let served = served();
    let port = served.address.port();
    let ask = |host: &str| {
        send(
            served.address,
            &format!("GET /api/status HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
        )
    };
    for own in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        "localhost".to_owned(),
    ] {
        assert_eq!(ask(&format!("Host: {own}\r\n")).status, 200, "{own}");
    }
    for strange in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.1.2.3"]
    {
        let refused = ask(&format!("Host: {strange}\r\n"));
        assert_eq!(refused.status, 403, "{strange}");
        assert!(refused.error().contains("Host"));
    }
    for broken in [
        "",
        "Host: \r\n",
        "Host: a b\r\n",
        "Host: x@localhost\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
    ] {
        assert_eq!(ask(broken).status, 400, "{broken:?}");
    }
    let proxied = send(
        served.address,
        "GET http://evil.example/api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(proxied.status, 400, "two hosts in one request");
}

#[test]
fn only_the_page_itself_changes_the_list() {
    let served = served();
    let own = format!("Origin: http://{}\r\n", served.address);
    for headers in ["", &own, &format!("{own}Sec-Fetch-Site: same-origin\r\n")] {
        assert_eq!(
            request(served.address, "PUT", "/api/tickers/A", headers).status,
            200,
            "{headers}"
        );
    }
    let port = served.address.port();
    for headers in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: \r\n",
        &format!("Origin: http://localhost:{port}\r\n"),
        &format!("Origin: https://127.0.0.1:{port}\r\n"),
        &format!("Origin: http://127.0.0.1:{}\r\n", port ^ 1),
        &format!("{own}Origin: http://evil.example\r\n"),
        &format!("Origin: http://127.0.0.1:{port}.evil.example\r\n"),
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        &format!("{own}Sec-Fetch-Site: cross-site\r\n"),
    ] {
        for method in ["PUT", "DELETE"] {
            let refused = request(served.address, method, "/api/tickers/B", headers);
            assert_eq!(refused.status, 403, "{method} {headers}");
        }
    }
}

#[test]
fn methods_and_addresses_that_are_not_there_are_refused_in_json() {
    let served = served();
    for (method, path, status) in [
        ("POST", "/api/tickers/A", 405),
        ("GET", "/api/tickers/A", 405),
        ("PUT", "/api/status", 405),
        ("DELETE", "/", 405),
        ("OPTIONS", "/api/tickers/A", 405),
        ("TRACE", "/", 405),
        ("PROPFIND", "/", 405),
        ("GET", "/api", 404),
        ("GET", "/app.js/", 404),
        ("GET", "/../Cargo.toml", 404),
        ("GET", "/%2e%2e/Cargo.toml", 404),
        ("GET", "//", 404),
        ("PUT", "/api/tickers/", 404),
        ("PUT", "/api/tickers/A/B", 404),
    ] {
        let refused = request(served.address, method, path, "");
        assert_eq!(refused.status, status, "{method} {path}");
        assert!(!refused.error().is_empty(), "{method} {path}");
    }
}

#[test]
fn symbols_are_percent_encoded_utf_8() {
    let served = served();
    let add = |symbol: &str| request(served.address, "PUT", &format!("/api/tickers/{symbol}"), "");
    let markup = add("%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E");
    assert_eq!(markup.json()["tickers"][0], "<img src=x onerror=alert(1)>");
    assert_eq!(markup.header("content-type"), Some("application/json"));
    assert_eq!(add("%E2%82%AC").json()["tickers"][1], "€");
    for broken in ["%FF", "%C3%28", "%ED%A0%80"] {
        assert_eq!(add(broken).status, 400, "{broken}");
    }
    let refused = add("REFUSED");
    assert_eq!((refused.status, refused.error().as_str()), (422, "this one is refused"));
}

#[test]
fn bodies_and_large_heads_are_refused() {
    let served = served();
    let large = "x".repeat(64 << 10);
    for headers in [
        "Content-Length: 5\r\n",
        "Content-Length: 99999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let refused = request(served.address, "PUT", "/api/tickers/A", headers);
        assert_eq!(refused.status, 413, "{headers}");
    }
    assert_eq!(
        request(served.address, "PUT", "/api/tickers/A", "Content-Length: 0\r\n").status,
        200
    );
    for refused in [
        request(served.address, "GET", "/", &format!("X: {large}\r\n")),
        request(served.address, "GET", &format!("/{large}"), ""),
        request(served.address, "GET", "/", &"X: y\r\n".repeat(200)),
    ] {
        assert!([414, 431].contains(&refused.status), "{}", refused.status);
    }
    for nonsense in
        ["\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\0\0\0\r\n\r\n"]
    {
        let mut stream = connect(served.address);
        stream.write_all(nonsense.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{nonsense:?}: {answer}");
    }
    assert_eq!(get(served.address, "/").status, 200, "and it still serves");
}

#[test]
fn a_request_that_comes_byte_by_byte_is_not_waited_for() {
    let served = served();
    let mut stream = connect(served.address);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let started = Instant::now();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "a".repeat(1000));
    let mut bytes = request.bytes();
    let ended = loop {
        let sent = bytes.next().is_some_and(|byte| stream.write_all(&[byte]).is_ok());
        // The time-out of this read is the pace of the bytes.
        match stream.read(&mut [0; 512]) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break true,
        }
        if !sent || started.elapsed() > Duration::from_secs(18) {
            break false;
        }
    };
    assert!(ended, "still open after {:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_secs(5), "a slow person has time");
}

#[test]
fn who_never_reads_is_dropped_and_others_do_not_notice() {
    // Far more than the buffers of two sockets hold.
    let symbols = (0..3_000).map(|number| format!("SYMBOL{number}-{}", "x".repeat(900)));
    let served = Served::start(snapshot(symbols));
    let mut stuck = connect(served.address);
    socket2::SockRef::from(&stuck).set_recv_buffer_size(4 << 10).unwrap();
    let ask = format!("GET /api/status HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    stuck.write_all(ask.as_bytes()).unwrap();
    let mut begin = [0; 12];
    stuck.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    let started = Instant::now();
    let (mut waits, mut most) = (own_waits(), Duration::ZERO);
    // Longer than a reader's patience; meanwhile somebody else is served.
    while started.elapsed() < Duration::from_secs(17) {
        let asked = waits.start();
        assert_eq!(get(served.address, "/icon.svg").status, 200);
        most = most.max(waits.since(&asked));
        thread::sleep(Duration::from_millis(20));
    }
    assert!(most < Duration::from_secs(2), "{most:?}");
    let mut taken = Vec::new();
    let ended = stuck.read_to_end(&mut taken);
    let text = String::from_utf8_lossy(&taken);
    assert!(ended.is_err() || !text.ends_with("]}"), "the whole answer was still there");
}

/// The longest list makes answers of a megabyte.
#[cfg(target_os = "linux")]
#[test]
fn answers_that_nobody_takes_have_little_room_and_the_others_are_refused() {
    const ROOM_KIB: u64 = 10 << 10;
    let symbols: Vec<String> = (0..5_000).map(|number| format!("S{number}")).collect();
    let feed = Feed::start();
    let mut program = Program::recording(&feed.url(), &symbols.join(","));
    let line = feed.accept(symbols.len());
    let address = program.address();
    program.wait_for_status("the list", |status| status["state"] == "live");
    // What it needs for itself has come with the first few snapshots.
    let heartbeat = || program.bytes_of("op1.csv.lock");
    for _ in 0..3 {
        let last = heartbeat();
        wait_until("a heartbeat", heartbeat, |now| *now != last);
    }
    let before = program.status_number("VmRSS");
    let mut stuck = Vec::new();
    let mut refused = 0;
    for path in ["/api/status", "/api/events"].iter().cycle().take(80) {
        let mut stream = connect(address);
        socket2::SockRef::from(&stream).set_recv_buffer_size(4 << 10).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).unwrap();
        refused += usize::from(&begin == b"HTTP/1.1 503");
        stuck.push(stream);
    }
    let more = program.status_number("VmRSS").saturating_sub(before);
    assert!(more < ROOM_KIB, "{more} KiB more");
    assert!((1..40).contains(&refused), "{refused} refused");
    drop(stuck);
    let ask = || get(address, "/api/status").status;
    wait_until("room again", ask, |status| *status == 200);
    drop(line);
    assert!(program.stop().success());
}

#[test]
fn there_are_places_for_a_hundred() {
    let served = served();
    let mut clients: Vec<Events> = (0..100).map(|_| Events::follow(served.address)).collect();
    for client in &mut clients {
        client.next().unwrap();
    }
    let refused = read_answer(connect(served.address));
    assert_eq!(refused.status, 503);
    clients.pop();
    wait_until("the free place", || read_status(&served), |status| *status == 200);
}

fn read_status(served: &Served) -> u16 {
    get(served.address, "/icon.svg").status
}
