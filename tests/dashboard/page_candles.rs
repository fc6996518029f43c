//! Candles on the page, in a real browser.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use crate::feed::{Feed, Line};
use crate::http::get;
use crate::program::Program;
use crate::webdriver::Browser;

const CHART: &str = "document.querySelector('trade-chart')";

fn inside(selector: &str) -> String {
    format!("{CHART}.shadowRoot.querySelector('{selector}')")
}

fn press(key: &str) -> String {
    let canvas = inside("canvas");
    format!("({canvas}.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}' }})), true)")
}

/// Trades of one symbol at one time: `[price, volume, condition]`.
fn send(line: &mut Line, symbol: &str, time_ms: i64, trades: &[(f64, u32, u8)]) {
    let trades: Vec<String> = trades
        .iter()
        .map(|(price, volume, code)| {
            format!(r#"{{"c":["{code}"],"p":{price},"s":"{symbol}","t":{time_ms},"v":{volume}}}"#)
        })
        .collect();
    line.send(format!(r#"{{"data":[{}],"type":"trade"}}"#, trades.join(",")));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn candles_are_chosen_kept_and_read_by_keyboard() {
    let feed = Feed::start();
    let program = Program::recording(&feed.url(), "AAPL,MSFT");
    let mut line = feed.accept(2);
    let now = finnhub_stream::text::clock::now_ms();
    // A high of a late print, and an odd lot beyond all others.
    let trades = [(100.0, 5, 1), (103.5, 1, 30), (120.0, 1, 12), (99.25, 2, 1), (101.0, 1, 1)];
    send(&mut line, "AAPL", now - 20_000, &trades);
    send(&mut line, "AAPL", now - 30_000, &[(90.0, 7, 12)]);
    let page = format!("http://{}/", program.address());
    let browser = Browser::open(1280, 900);
    browser.go_to(&page);
    browser.wait_for("the candles", &format!("{CHART}?.candles.length === 2"));
    let label = format!("{}.ariaLabel", inside("canvas"));
    browser
        .wait_for("a line at first", &format!("/^Chart of AAPL, [^;]+; last price/.test({label})"));
    browser.type_into("[name='type']:checked", "\u{e014}");
    browser.wait_for(
        "candles",
        &format!(r"/^Chart of AAPL, [^;]+; candles of \d+ s; /.test({label})"),
    );
    browser.wait_for("their prices", &format!("{label}.includes('lowest 99.25, highest 103.5')"));

    let spoken = format!("{}.textContent", inside("[aria-live]"));
    browser.value(&format!("({}.focus(), true)", inside("canvas")));
    browser.value(&press("End"));
    let whole = " s, open 100, high 103.5, low 99.25, close 101, volume 10 · 5 trades";
    browser.wait_for("what is read out", &format!("{spoken}.endsWith('{whole}')"));
    browser.wait_for("its picture", &format!("!{}.hidden", inside(".tip")));
    let shown = browser.text(&format!("{}.textContent", inside(".tip dl")));
    assert_eq!(shown, "open100high103.5low99.25close101");
    browser.value(&press("ArrowLeft"));
    let volume = " s, no price, volume 7 · 1 trade";
    browser.wait_for("a candle without price", &format!("{spoken}.endsWith('{volume}')"));

    // Chosen once, for this and every later page.
    let is_candles = format!("{CHART}?.getAttribute('type') === 'candles'");
    browser.open_tab();
    browser.go_to(&page);
    browser.wait_for("candles again", &is_candles);
    browser.click("[data-symbol='MSFT'] .pick");
    browser.wait_for("no candle yet", &format!(r"/candles of \d+ s; no trade yet/.test({label})"));
    browser.click("[data-symbol='AAPL'] .pick");
    browser.wait_for("the candles", &format!("{CHART}.candles.length === 2"));
    browser.click("[data-symbol='AAPL'] .pick");
    let count = browser.value(&format!("{CHART}.candles.length"));
    assert_eq!(count, 2, "chosen again, it has what is known");
    browser.click("[name='span'][value='3600']");
    browser.wait_for("the span", &format!("{CHART}.getAttribute('span') === '3600'"));
    browser.click("[name='type'][value='line']");
    browser.wait_for("the line", &format!("{CHART}.getAttribute('type') === 'line'"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn what_is_shown_is_what_bars_makes_of_that_length() {
    let feed = Feed::start();
    let program = Program::recording(&feed.url(), "AAPL");
    let mut line = feed.accept(1);
    let now = finnhub_stream::text::clock::now_ms();
    let mut random = fastrand::Rng::with_seed(7);
    for second in (0..1_000).rev() {
        let price = f64::from(random.u32(9_000..10_000)) / 100.0;
        let code = if random.bool() { 1 } else { random.u8(1..42) };
        let trade = (price, random.u32(0..300), code);
        send(&mut line, "AAPL", now - second * 1000, &[trade]);
    }
    program.wait_for_status("all rows", |status| status["written"] == 1_000);
    let browser = Browser::open(1280, 900);
    browser.go_to(&format!("http://{}/", program.address()));
    browser.wait_for("the candles", &format!("{CHART}?.candles.length > 900"));
    for (every, seconds) in [("1s", 1), ("5s", 5), ("10s", 10), ("1m", 60)] {
        let output = Command::new(env!("CARGO_BIN_EXE_finnhub-stream"))
            .args(["bars", "op1.csv", "--every", every])
            .current_dir(program.path("op1.csv").parent().unwrap())
            .output()
            .unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        let expected: Vec<String> = expected
            .lines()
            .skip(1)
            .map(|row| {
                let numbers = row.split(',').skip(1).take(7).enumerate();
                let number = |(place, text): (usize, &str)| match text.parse::<f64>() {
                    Ok(number) if place == 0 => (number / 1000.0).to_string(),
                    Ok(number) => number.to_string(),
                    Err(_) => String::new(),
                };
                numbers.map(number).collect::<Vec<_>>().join(",")
            })
            .collect();
        let shown = browser.value(&format!(
            "import('/candles.js').then(({{ putTogether }}) => putTogether({CHART}.candles, {seconds})
                .map((it) => [it.second, it.open, it.high, it.low, it.close, it.volume, it.trades].join()))"
        ));
        let shown: Vec<&str> =
            shown.as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(shown, expected, "{every}");
    }
}

/// A recorder of another version at `address`, whose page is `files` of the running program or, without
/// them, a text. It goes on until the test has ended.
fn other_version(address: SocketAddr, files: Option<SocketAddr>) -> SocketAddr {
    const EVENT: &str = r#"{"kind":"snapshot","version":"9.1.0","state":"live","reason":"","now_ms":1,
        "started_ms":1,"published_ms":1,"last_message_ms":1,"missing_ms":0,"tickers":[]}"#;
    let listener = crate::waiting::wait_for("the port", || TcpListener::bind(address));
    let bound = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or("/");
                let (kind, body) = match (path, files) {
                    ("/api/events", _) => {
                        let event = EVENT.replace('\n', " ");
                        ("text/event-stream".to_owned(), format!("data: {event}\n\n"))
                    }
                    (_, Some(files)) => {
                        let answer = get(files, path);
                        (answer.header("content-type").unwrap_or("").to_owned(), answer.body)
                    }
                    (_, None) => ("text/html".to_owned(), "<p id=new>9.1.0</p>".to_owned()),
                };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n");
                let end = match path {
                    "/api/events" => "\r\n".to_owned(),
                    _ => format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()),
                };
                let _ = write!(stream, "{head}{end}{body}");
                if path == "/api/events" {
                    // Until the browser lets go.
                    let _ = stream.read(&mut [0; 1]);
                }
            });
        }
    });
    bound
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn an_old_page_gives_way_to_another_program_or_says_what_is_wrong() {
    let mut program = Program::demo("AAPL", "127.0.0.1:0");
    let address = program.address();
    let browser = Browser::open(1280, 900);
    browser.go_to(&format!("http://{address}/"));
    browser.wait_for("the feed", "document.body.dataset.feed === 'live'");
    assert!(program.stop().success());
    other_version(address, None);
    browser.wait_for("the other page", "document.querySelector('#new')?.textContent === '9.1.0'");

    // One that a cache keeps, however often it is loaded.
    let program = Program::demo("AAPL", "127.0.0.1:0");
    let cached = other_version(SocketAddr::from(([127, 0, 0, 1], 0)), Some(program.address()));
    browser.go_to(&format!("http://{cached}/"));
    let notice = "document.querySelector('#notice.shown')?.textContent";
    let version = env!("CARGO_PKG_VERSION");
    browser.wait_for(
        "what is wrong, and what to do",
        &format!("/is finnhub-stream 9.1.0, and this is made for {version}. Load this page again/.test({notice})"),
    );
    assert_eq!(browser.text("document.querySelector('#feed-word').textContent"), "Another version");
}
