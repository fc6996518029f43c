//! Many tabs of one browser, which has six connections to an address for all of them together.

use serde_json::json;

use crate::package::followers;
use crate::program::Program;
use crate::waiting::wait_until;
use crate::webdriver::Browser;

const ENTER: char = '\u{e007}';

/// More than a browser has connections.
const TABS: usize = 8;

/// Lets the page note each state that it shows, and its title when it is hidden or shown.
const NOTE_STATES: &str = "(() => { window.states = []; window.titles = [];
    new MutationObserver(() => states.push(document.body.dataset.feed))
        .observe(document.body, { attributes: true, attributeFilter: ['data-feed'] });
    document.addEventListener('visibilitychange', () => titles.push(document.title)) })()";

const IS_LIVE: &str = "document.body.dataset.feed === 'live'";
const CHART: &str = "document.querySelector('trade-chart')";

/// Whether the chart has the very bars that the recorder has, but for the last two, which grow, and
/// one later than this second.
fn has_all_bars_until(symbol: &str, second: &str) -> String {
    format!(
        "fetch('/api/history/{symbol}').then((reply) => reply.json()).then((history) => {{
            const shown = {CHART}.bars.slice(0, -2);
            const known = history.bars.slice(0, shown.length);
            return shown.at(-1)[0] > {second} && JSON.stringify(shown) === JSON.stringify(known) }})"
    )
}

fn rows_are(count: usize) -> String {
    format!("document.querySelectorAll('#rows tr').length === {count}")
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn any_number_of_tabs_work_and_a_hidden_one_holds_no_connection() {
    let program = Program::demo("AAPL,MSFT", "127.0.0.1:0");
    let page = format!("http://{}/", program.address());
    let browser = Browser::open(1280, 900);
    browser.go_to(&page);
    browser.wait_for("the first", IS_LIVE);
    browser.wait_for("its bars", &format!("{CHART}.bars.length > 3"));
    browser.value(NOTE_STATES);
    let first = browser.tab();
    let hidden_at = browser.value("Math.floor(Date.now() / 1000)").to_string();
    for number in 1..TABS {
        browser.open_tab();
        browser.go_to(&page);
        browser.wait_for(&format!("tab {number}"), IS_LIVE);
    }
    wait_until("one connection", || followers(&program), |count| *count == 1);
    browser.type_into("#add-symbol", &format!("TSLA{ENTER}"));
    browser.wait_for("the change", &rows_are(3));

    browser.bring_to_front(&first);
    browser.wait_for("the change in the first tab", &rows_are(3));
    browser.wait_for("the time between", &has_all_bars_until("DEMO:AAPL", &hidden_at));
    let others = "states.filter((state) => state !== 'live')";
    assert_eq!(browser.value(others), json!([]), "it did not look as if the recorder was gone");
    assert_eq!(browser.text("titles[0]"), "DEMO:AAPL · finnhub-stream", "no old price");
    browser.wait_for("the price", "/^\\d.* DEMO:AAPL · /.test(document.title)");
    wait_until("one connection", || followers(&program), |count| *count == 1);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_recorder_that_ended_behind_a_hidden_tab_is_gone_when_it_is_shown() {
    let mut program = Program::demo("AAPL", "127.0.0.1:0");
    let address = program.address().to_string();
    let browser = Browser::open(1280, 900);
    browser.go_to(&format!("http://{address}/"));
    browser.wait_for("the feed", IS_LIVE);
    let tab = browser.tab();
    browser.open_tab();
    wait_until("no connection", || followers(&program), |count| *count == 0);
    assert!(program.stop().success());
    browser.bring_to_front(&tab);
    browser.wait_for("the end to be seen", "document.body.dataset.feed === 'gone'");
    let _program = Program::demo("AAPL", &address);
    browser.wait_for("the feed again", IS_LIVE);
}
