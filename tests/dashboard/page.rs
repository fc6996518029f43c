//! The page in a real browser. Debian: `apt-get install chromium chromium-driver`, then
//! `cargo test --test dashboard -- --ignored`.

use std::time::{Duration, Instant, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::feed::Feed;
use crate::http::request;
use crate::program::Program;
use crate::webdriver::Browser;

const ENTER: char = '\u{e007}';
const LEFT: char = '\u{e012}';
const ESCAPE: char = '\u{e00c}';

fn open(program: &Program) -> Browser {
    let browser = Browser::open(1280, 900);
    browser.go_to(&format!("http://{}/", program.address()));
    browser
}

fn row(symbol: &str) -> String {
    format!(
        "[...document.querySelectorAll('#rows tr')].find(row => row.dataset.symbol === '{symbol}')"
    )
}

fn feed_is(state: &str) -> String {
    format!("document.body.dataset.feed === '{state}'")
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn it_shows_live_trades_within_ten_seconds() {
    let started = Instant::now();
    let program = Program::demo("AAPL,BINANCE:BTCUSDT", "127.0.0.1:0");
    let browser = open(&program);
    browser.wait_for("the feed", &feed_is("live"));
    let price = format!("{}?.children[2].textContent", row("DEMO:AAPL"));
    browser.wait_for("a price", &format!("Number({price}) > 0"));
    let first = browser.text(&price);
    browser.wait_for("another price", &format!("Number({price}) > 0 && {price} !== '{first}'"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(browser.text("document.querySelector('#feed-word').textContent"), "Live");
    assert!(browser.text("document.title").ends_with("DEMO:AAPL · finnhub-stream"));
    browser.wait_for("the chart's bars", "document.querySelector('trade-chart').bars.length > 3");
    browser.wait_for(
        "a small line",
        &format!("{}.querySelector('polyline').points.length > 0", row("DEMO:AAPL")),
    );
    let way =
        browser.text(&format!("{}.querySelector('svg').getAttribute('class')", row("DEMO:AAPL")));
    assert_eq!(way, "spark", "it has no colour of up or down, which is that of the change");
    assert_eq!(browser.text("document.querySelector('#n-missing').textContent"), "0 s");
    assert_eq!(browser.text("document.querySelector('#n-file').textContent"), "op1.csv");

    // The chart keeps what was there before the page was loaded again.
    let bars = "document.querySelector('trade-chart').bars";
    let oldest = browser.value(&format!("{bars}[0]"));
    browser.go_to("about:blank");
    browser.go_to(&format!("http://{}/", program.address()));
    browser.wait_for("the bars again", "document.querySelector('trade-chart')?.bars.length > 3");
    assert_eq!(browser.value(&format!("{bars}[0]")), oldest);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn symbols_are_added_and_removed() {
    let program = Program::demo("AAPL", "127.0.0.1:0");
    let browser = open(&program);
    browser.wait_for("the feed", &feed_is("live"));
    browser.type_into("#add-symbol", &format!("TSLA, IC MARKETS:1{ENTER}"));
    browser.wait_for("the new rows", "document.querySelectorAll('#rows tr').length === 3");
    assert_eq!(
        browser.text("document.querySelector('#answer-text').textContent"),
        "TSLA, IC MARKETS:1 added"
    );
    browser.wait_for(
        "its trades",
        &format!("Number({}?.children[2].textContent) > 0", row("DEMO:TSLA")),
    );
    browser.wait_for(
        "since when changes are counted",
        r"/^Since \d\d:\d\d$/.test(document.querySelector('#t-since').textContent)",
    );
    browser.type_into("#add-symbol", &format!("TSLA, nvda{ENTER}"));
    browser.wait_for(
        "what is there already, and what is odd",
        "document.querySelector('#answer-text').textContent === \"nvda added; TSLA is on the list already; nvda: Finnhub's symbols are in capital letters; did you mean NVDA?\"",
    );
    browser.wait_for("its row", &format!("!!{}", row("DEMO:nvda")));
    browser.click("[data-symbol='DEMO:nvda'] .remove");
    browser.wait_for("it to be gone", &format!("!{}", row("DEMO:nvda")));
    browser.click("[data-symbol='DEMO:TSLA'] .pick");
    browser.wait_for("its chart", "document.querySelector('#c-symbol').textContent === 'DEMO:TSLA' && document.querySelector('trade-chart').bars.length > 0");

    browser.click("[data-symbol='DEMO:TSLA'] .remove");
    browser.wait_for("it to be gone", &format!("!{}", row("DEMO:TSLA")));
    browser.wait_for(
        "another choice",
        "document.querySelector('#c-symbol').textContent === 'DEMO:AAPL'",
    );
    browser.click("#undo");
    browser.wait_for("it to be back", &format!("!!{}", row("DEMO:TSLA")));

    browser.type_into("#add-symbol", &format!("A#B{ENTER}"));
    browser
        .wait_for("the refusal", "document.querySelector('#answer').classList.contains('refused')");
    assert!(browser.text("document.querySelector('#answer-text').textContent").contains("A#B"));
    // Chromium reports every 4xx to the console. A symbol that has just been removed may still be asked for.
    let errors = browser.console_errors();
    assert!(
        errors.iter().all(|error| error.contains("422") || error.contains("history/DEMO%3ATSLA")),
        "{errors:?}"
    );
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn it_greys_out_when_the_program_stops_and_recovers_when_it_is_back() {
    let mut program = Program::demo("AAPL", "127.0.0.1:0");
    let address = program.address().to_string();
    let browser = open(&program);
    let opacity = "Number(getComputedStyle(document.querySelector('main')).opacity)";
    browser.wait_for("the feed", &feed_is("live"));
    browser.wait_for("full colours", &format!("{opacity} === 1"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    assert!(program.stop().success());
    browser.wait_for("the end to be seen", &feed_is("gone"));
    browser.wait_for("grey", &format!("{opacity} < 0.7"));
    let notice = browser.text("document.querySelector('#notice.shown').textContent");
    assert!(notice.contains("has not answered since"), "{notice}");
    // The age goes on growing while the page tries again and again.
    let word = browser.text("getComputedStyle(document.querySelector('.word')).visibility");
    assert_eq!(word, "hidden", "no symbol is live when nothing is recorded");
    browser.wait_for(
        "the facts to say so",
        "document.querySelector('#c-facts').textContent.startsWith('not running')",
    );
    browser.wait_for(
        "old data to look old",
        "/[3-9] s ago/.test(document.querySelector('#n-message').textContent)",
    );
    let _program = Program::demo("AAPL", &address);
    browser.wait_for("the feed again", &feed_is("live"));
    browser.wait_for("full colours", &format!("{opacity} === 1"));
    browser.wait_for("the chart again", "document.querySelector('trade-chart').bars.length > 1");
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("net::ERR_")), "{errors:?}");
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn an_outage_of_the_feed_is_grey_and_leaves_a_gap() {
    let feed = Feed::start();
    let place = feed.address();
    let program = Program::recording(&feed.url(), "AAPL,MSFT,OANDA:X");
    let mut line = feed.accept(3);
    line.trade("AAPL", "100.5");
    let browser = open(&program);
    browser.wait_for("the feed", &feed_is("live"));
    browser.wait_for("the trade", &format!("{}?.children[2].textContent === '100.5'", row("AAPL")));
    let state = |symbol: &str| browser.text(&format!("{}.dataset.state", row(symbol)));
    assert_eq!((state("AAPL"), state("MSFT")), ("live".to_owned(), "silent".to_owned()));
    // No US stock, which may be closed.
    browser.click("#rows tr[data-symbol='OANDA:X'] button");
    let facts = "document.querySelector('#c-facts').textContent";
    browser.wait_for("the facts", &format!(r"/^never traded since \d.* · 0 trades/.test({facts})"));
    browser.click("#rows tr[data-symbol='AAPL'] button");
    line.send(r#"{"msg":"Invalid symbol MSFT","type":"error"}"#.to_owned());
    browser.wait_for("the refusal", &format!("{}.dataset.state === 'refused'", row("MSFT")));
    drop((line, feed));
    browser.wait_for("the outage", "['down', 'connecting'].includes(document.body.dataset.feed)");
    browser.wait_for(
        "its reason",
        "document.querySelector('#notice.shown')?.textContent.includes('connection lost')",
    );
    let feed = Feed::start_at(place);
    let mut line = feed.accept(3);
    line.trade("AAPL", "100.75");
    browser.wait_for("the feed again", &feed_is("live"));
    browser.wait_for("the gap", "document.querySelector('trade-chart').gaps.some(gap => gap.reason.startsWith('connection lost'))");
    browser.wait_for(
        "the next trade",
        "document.querySelector('trade-chart').bars.at(-1)[1] === 100.75",
    );
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_recorder_that_was_held_up_shows_where_and_the_notice_goes() {
    let feed = Feed::start();
    let program = Program::recording(&feed.url(), "AAPL");
    let mut line = feed.accept(1);
    line.trade("AAPL", "100.5");
    let browser = open(&program);
    browser.wait_for("the trade", &format!("{}?.children[2].textContent === '100.5'", row("AAPL")));
    let stopped = UNIX_EPOCH.elapsed().expect("a clock after 1970");
    program.signal(Signal::SIGSTOP);
    browser.wait_for("the end to be seen", &feed_is("gone"));
    // The last trade may be old already when the program is stopped, on a busy machine.
    let stopped = stopped.as_millis();
    browser.wait_for("eight seconds", &format!("Date.now() - {stopped} > 8000"));
    let age = "document.querySelector('#n-message').textContent";
    browser.wait_for("the age to grow", &format!("parseInt({age}) >= 8"));
    line.trade("AAPL", "100.75");
    program.signal(Signal::SIGCONT);
    browser.wait_for("the feed again", &feed_is("live"));
    let notice = "document.querySelector('#notice').textContent";
    browser.wait_for("no old notice", &format!("{notice} === ''"));
    browser.wait_for(
        "the gap",
        "document.querySelector('trade-chart').gaps.some(gap => gap.reason.startsWith('held up') && gap.to_ms - gap.from_ms > 5000)",
    );
    browser.wait_for(
        "the late trade",
        "document.querySelector('trade-chart').bars.at(-1)[1] === 100.75",
    );
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_symbol_that_looks_like_markup_is_text() {
    let program = Program::demo("AAPL", "127.0.0.1:0");
    let browser = open(&program);
    browser.wait_for("the feed", &feed_is("live"));
    let images = browser.value("document.images.length");
    let path = "/api/tickers/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E";
    assert_eq!(request(program.address(), "PUT", path, "").status, 200);
    let symbol = "DEMO:<img src=x onerror=alert(1)>";
    browser.wait_for("its row", &format!("!!{}", row(symbol)));
    browser.click("#rows tr:nth-child(2) .pick");
    browser.wait_for(
        "its chart",
        &format!("document.querySelector('#c-symbol').textContent === '{symbol}'"),
    );
    browser.click("#rows tr:nth-child(2) .remove");
    browser.wait_for(
        "the answer",
        &format!("document.querySelector('#answer-text').textContent === '{symbol} removed'"),
    );
    assert_eq!(browser.value("document.images.length"), images);
    // A symbol that has just been removed may still be asked for.
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("/api/history/")), "{errors:?}");
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_keyboard_reaches_everything() {
    let program = Program::demo("AAPL,MSFT", "127.0.0.1:0");
    let browser = open(&program);
    browser.wait_for("some bars", "document.querySelector('trade-chart').bars.length > 2");
    let inside = "document.querySelector('trade-chart').shadowRoot";
    browser.value(&format!("{inside}.querySelector('canvas').focus()"));
    let focus = "document.querySelector('trade-chart')";
    assert_eq!(browser.value(&format!("document.activeElement === {focus}")), Value::Bool(true));
    browser.value(&format!(
        "{inside}.querySelector('canvas').dispatchEvent(new KeyboardEvent('keydown', {{key: 'ArrowLeft'}}))"
    ));
    browser.wait_for(
        "the value under the crosshair",
        &format!("{inside}.querySelector('[aria-live]').textContent.includes('trade')"),
    );
    browser.wait_for("its picture", &format!("!{inside}.querySelector('.tip').hidden"));
    let label = browser.text(&format!("{inside}.querySelector('canvas').ariaLabel"));
    assert!(label.contains("DEMO:AAPL") && label.contains("no gaps"), "{label}");

    browser.type_into("[name='span']:checked", &LEFT.to_string());
    browser.wait_for("another span", &format!("{focus}.getAttribute('span') === '60'"));
    browser.type_into("[data-symbol='DEMO:MSFT'] .pick", &ENTER.to_string());
    browser.wait_for(
        "another chart",
        "document.querySelector('#c-symbol').textContent === 'DEMO:MSFT'",
    );
    browser.type_into("[data-sort='symbol']", &ENTER.to_string());
    browser.wait_for(
        "the order",
        "document.querySelector('[aria-sort]').getAttribute('aria-sort') === 'ascending'",
    );
    browser.type_into("[data-sort='symbol']", &ENTER.to_string());
    browser.wait_for(
        "the other order",
        "document.querySelector('#rows tr').dataset.symbol === 'DEMO:MSFT'",
    );
    browser.type_into("#add-symbol", &ESCAPE.to_string());
    let nameless = "[...document.querySelectorAll('button, input')].filter(control => \
        !control.textContent.trim() && !control.ariaLabel && !control.labels?.length).length";
    assert_eq!(browser.value(nameless), 0, "every control has a name");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn it_fits_a_phone_and_follows_the_dark() {
    let mut program = Program::demo("AAPL,BINANCE:BTCUSDT,BINANCE:SHIBUSDT", "127.0.0.1:0");
    let browser = Browser::open(360, 740);
    browser.go_to(&format!("http://{}/", program.address()));
    browser.wait_for(
        "prices",
        &format!("Number({}?.children[2].textContent) > 0", row("DEMO:BINANCE:SHIBUSDT")),
    );
    let width = browser.value("document.documentElement.scrollWidth");
    assert_eq!(width, browser.value("innerWidth"), "nothing sticks out");
    assert_eq!(width, 360);
    let ground = "getComputedStyle(document.body).backgroundColor";
    browser.emulate("light");
    let light = browser.text(ground);
    browser.emulate("dark");
    browser.wait_for("the dark", &format!("{ground} !== '{light}'"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    program.stop();
    browser.wait_for("the end to be seen", &feed_is("gone"));
    let notice = "document.querySelector('#notice').getBoundingClientRect()";
    browser.wait_for("a notice as wide as the page", &format!("{notice}.width > 300"));
    browser
        .wait_for("all of it to be seen", &format!("{notice}.left >= 0 && {notice}.right <= 360"));
}
