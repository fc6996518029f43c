//! The React package in an application (`tests/react`) of React 18 and 19, as its developer would
//! have it: installed with npm, checked by TypeScript, built by Vite, and looked at in Chromium.
//!
//! Debian: `apt-get install chromium chromium-driver nodejs npm`; Node 20 or later.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::feed::Feed;
use crate::http::request;
use crate::package::followers;
use crate::program::Program;
use crate::waiting::wait_until;
use crate::webdriver::Browser;

const CHART: &str = "document.querySelector('trade-chart')";

/// The application in a folder of its own.
struct App {
    home: TempDir,
}

impl App {
    /// With what its lock file names. `overlay` is the folder of another set of versions.
    fn install(overlay: Option<&str>) -> App {
        let app = App { home: tempfile::tempdir().unwrap() };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/react");
        for folder in [Some(source.clone()), overlay.map(|name| source.join(name))] {
            let Some(folder) = folder else { continue };
            app.run("cp", &["-r", &format!("{}/.", folder.display()), "."]);
        }
        app.run("npm", &["ci", "--no-audit", "--no-fund"]);
        app
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let ended = Command::new(program).args(arguments).current_dir(self.home.path()).output();
        let ended =
            ended.unwrap_or_else(|error| panic!("{program}: {error}; it must be installed"));
        let told = [ended.stdout, ended.stderr].concat();
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told));
    }

    /// Writes the package beside the application; gives its folder.
    fn generate(&self) -> String {
        let program = env!("CARGO_BIN_EXE_finnhub-stream");
        self.run(program, &["generate", "react", "package"]);
        self.path("package").display().to_string()
    }

    fn add(&self, package: &str) {
        self.run("npm", &["install", "--no-save", "--no-audit", "--install-links", package]);
    }

    /// Checks the types, builds, and imports the package where there is no browser.
    fn build(&self) {
        self.run("node", &["node_modules/typescript/bin/tsc", "--noEmit"]);
        self.run("node", &["node_modules/vite/bin/vite.js", "build"]);
        let server_side = "import { renderToString } from 'react-dom/server';
            import { createElement } from 'react';
            import { TradeChart, TradeTable } from 'finnhub-react';
            const url = 'http://127.0.0.1:8787';
            const html = renderToString(createElement('p', null,
                createElement(TradeChart, { url, symbol: 'A' }), createElement(TradeTable, { url })));
            if (!html.includes('<trade-chart') || !html.includes('</table>')) throw new Error(html);";
        self.run("node", &["--input-type=module", "--eval", server_side]);
    }

    /// Serves what was built, or with `"dev"` the sources, on a port that was free.
    fn serve(&self, command: &str, port: u16) -> Server {
        let port = port.to_string();
        let child = Command::new("node")
            .args(["node_modules/vite/bin/vite.js", command, "--host", "127.0.0.1"])
            .args(["--strictPort", "--port", &port])
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        wait_until("Vite", || TcpStream::connect(&address).is_ok(), |is_there| *is_there);
        Server(child)
    }

    fn axe(&self) -> String {
        fs::read_to_string(self.path("node_modules/axe-core/axe.min.js")).unwrap()
    }
}

/// Ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free, and the origin of pages served there.
fn free_origin() -> (u16, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (port, format!("http://127.0.0.1:{port}"))
}

/// A recorder of `feed` whose API pages of `origin` may read.
fn recorder(feed: &Feed, tickers: &str, dashboard: &str, origin: &str) -> Program {
    let (url, dashboard) = (feed.url(), format!("--dashboard={dashboard}"));
    let from = ["--url", &url, "--tickers", tickers];
    Program::start(&[&from[..], &[&dashboard, "--dashboard-origin", origin]].concat())
}

fn shows_price(price: &str) -> String {
    format!("document.querySelector('#price')?.textContent === '{price}'")
}

fn message() -> String {
    format!("{CHART}.shadowRoot.querySelector('.message').textContent")
}

/// Pixels in the colour of a gap; there is nothing else yellow.
fn hatched() -> String {
    format!(
        "(() => {{ const canvas = {CHART}.shadowRoot.querySelector('canvas');
            const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((red, at) => at % 4 === 0 && red - data[at + 2] > 40).length }})()"
    )
}

#[test]
#[ignore = "needs node"]
fn the_client_holds_on_through_what_no_browser_test_can_bring_about() {
    let home = tempfile::tempdir().unwrap();
    let app = App { home };
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/react/client.mjs");
    let package = app.generate();
    app.run("node", &[&client.display().to_string(), &package]);
}

#[test]
#[ignore = "needs npm, chromium and chromedriver"]
fn react_19_with_the_package_from_a_folder() {
    let app = App::install(None);
    app.add(&app.generate());
    app.build();
    let (port, origin) = free_origin();
    let _server = app.serve("preview", port);
    let feed = Feed::start();
    let program = recorder(&feed, "AAPL,MSFT", "127.0.0.1:0", &origin);
    live_through_everything(&app, &origin, feed, program);
}

#[test]
#[ignore = "needs npm, chromium and chromedriver"]
fn react_18_with_the_package_from_the_running_recorder() {
    let app = App::install(Some("react-18"));
    let (port, origin) = free_origin();
    let feed = Feed::start();
    let program = recorder(&feed, "AAPL,MSFT", "127.0.0.1:0", &origin);
    app.add(&format!("http://{}/react.tgz", program.address()));
    app.build();
    let _server = app.serve("preview", port);
    live_through_everything(&app, &origin, feed, program);
}

/// A day in the life of the component, under `StrictMode`.
fn live_through_everything(app: &App, origin: &str, feed: Feed, mut program: Program) {
    let mut line = feed.accept(2);
    line.trade("AAPL", "100.50");
    line.trade("MSFT", "300.25");
    let dashboard = program.address();
    let browser = Browser::open(1000, 900);
    browser.go_to(&format!("{origin}/?recorder=http://{dashboard}"));
    browser.wait_for("the price", &shows_price("100.50"));
    browser.wait_for("the history", &format!("{CHART}.bars.length > 0"));
    let sent = Instant::now();
    line.trade("AAPL", "101.25");
    browser.wait_for("the next price", &shows_price("101.25"));
    browser.wait_for("its line", &format!("{CHART}.bars.at(-1)[1] === 101.25"));
    assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
    assert_eq!(browser.text(&message()), "");
    assert_eq!(followers(&program), 1, "chart, table and hooks share one connection");
    assert_eq!(browser.barriers(&app.axe()), Vec::<String>::new());

    // A hidden page holds no connection; shown again, it has what came meanwhile.
    let tab = browser.tab();
    browser.open_tab();
    wait_until("no connection", || followers(&program), |count| *count == 0);
    line.trade("AAPL", "101.5");
    browser.bring_to_front(&tab);
    browser.wait_for("the price of meanwhile", &shows_price("101.5"));
    browser.wait_for("its line", &format!("{CHART}.bars.at(-1)[1] === 101.5"));
    assert_eq!(browser.text(&message()), "");
    assert_eq!(followers(&program), 1);

    let clean = browser.value(&hatched());
    let place = feed.address();
    drop((line, feed));
    browser.wait_for("the outage", &format!("/connection lost/.test({})", message()));
    let feed = Feed::start_at(place);
    let mut line = feed.accept(2);
    line.trade("AAPL", "101.75");
    browser.wait_for("the feed again", "document.querySelector('#state').textContent === 'Live'");
    browser.wait_for("a hatched gap", &format!("{clean} === 0 && {} > 200", hatched()));
    let label = format!("{CHART}.shadowRoot.querySelector('canvas').ariaLabel");
    browser.wait_for("its word", &format!("{label}.includes('1 gap in the recording')"));

    browser.click("[data-symbol='MSFT'] button");
    browser.wait_for("the other symbol", &format!("{CHART}.bars.at(-1)?.[1] === 300.25"));
    browser.wait_for("its name", &format!("{label}.startsWith('Chart of MSFT')"));
    browser.click("#all");
    browser.wait_for("the other span", &format!("{CHART}.getAttribute('span') === 'all'"));

    // Candles, of which the same recorder gives the prices.
    browser.wait_for("a line", &format!("/^Chart of MSFT, [^;]+; last price/.test({label})"));
    browser.click("#candles");
    browser.wait_for(
        "candles",
        &format!(
            r"/candles of \d+ s; last price 300.25; lowest 300.25, highest 300.25;/.test({label})"
        ),
    );
    assert_eq!(browser.barriers(&app.axe()), Vec::<String>::new());

    browser.click("#shown");
    wait_until("the connection to be closed", || followers(&program), |count| *count == 0);
    browser.click("#shown");
    browser.wait_for("the price again", &shows_price("101.75"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());

    let forbidden = format!(
        "fetch('http://{dashboard}/api/tickers/TSLA', {{ method: 'PUT' }}).then(() => 'changed', () => 'refused')"
    );
    assert_eq!(browser.text(&forbidden), "refused");
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("TSLA")), "{errors:?}");

    assert!(program.stop().success());
    browser.wait_for("the end", &format!("/has not answered since/.test({})", message()));
    assert_eq!(browser.text(&format!("String({CHART}.hasAttribute('stale'))")), "true");
    drop(line);
    let program = recorder(&feed, "AAPL,NEW", &dashboard.to_string(), origin);
    let mut line = feed.accept(2);
    line.trade("AAPL", "102.50");
    browser.wait_for("the new run", &shows_price("102.50"));
    browser.wait_for("its line", &format!("{CHART}.bars.at(-1)[1] === 102.5"));
    browser.wait_for("no message", &format!("{} === ''", message()));
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("net::ERR_")), "{errors:?}");

    // A symbol that is not on the list says so, and comes by itself when it is.
    browser.go_to(&format!("{origin}/?symbol=TSLA&recorder=http://{dashboard}"));
    browser
        .wait_for("the list", &format!("{} === 'TSLA is not on the list: AAPL, NEW'", message()));
    assert_eq!(request(program.address(), "PUT", "/api/tickers/TSLA", "").status, 200);
    line.trade("TSLA", "9.5");
    browser.wait_for("its trade", &format!("{CHART}.bars.at(-1)?.[1] === 9.5"));
    browser.wait_for("no message", &format!("{} === ''", message()));

    // So does an address where nobody is, and one that is none.
    for (address, told) in [(origin, "Start it with: --dashboard"), ("nothing:1", "is no address")]
    {
        browser.go_to(&format!("{origin}/?recorder={address}"));
        browser.wait_for("what to do", &format!("{}.includes('{told}')", message()));
    }
}

#[test]
#[ignore = "needs npm, chromium and chromedriver"]
fn the_development_server_shows_it_in_light_and_dark() {
    let app = App::install(None);
    app.add(&app.generate());
    let (port, origin) = free_origin();
    let _server = app.serve("dev", port);
    let feed = Feed::start();
    let program = recorder(&feed, "AAPL,MSFT", "127.0.0.1:0", &origin);
    let mut line = feed.accept(2);
    line.trade("AAPL", "100.50");
    let browser = Browser::open(390, 800);
    browser.go_to(&format!("{origin}/?recorder=http://{}", program.address()));
    browser.wait_for("the history", &format!("{CHART}?.bars.length > 0"));
    // The element as a hot reload brings it, once more.
    let again = "import('/node_modules/finnhub-react/trade-chart.js?again').then(() => 'loaded')";
    assert_eq!(browser.text(again), "loaded");
    for scheme in ["light", "dark"] {
        browser.emulate(scheme);
        let is_dark =
            format!("{CHART}.shadowRoot.querySelector('.all').classList.contains('dark')");
        browser.wait_for("its colours", &format!("{is_dark} === {}", scheme == "dark"));
        assert_eq!(browser.barriers(&app.axe()), Vec::<String>::new(), "{scheme}");
    }
    let wide = browser.value(&format!("{CHART}.shadowRoot.querySelector('canvas').width"));
    browser.value(&format!("({CHART}.style.width = '200px', true)"));
    let width = format!("{CHART}.shadowRoot.querySelector('canvas').width");
    browser.wait_for("the other size", &format!("{width} === 200 && {wide} > 200"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
#[ignore = "needs npm, chromium and chromedriver"]
fn an_element_that_is_defined_late_has_what_was_set_before() {
    let program = Program::demo("AAPL", "127.0.0.1:0");
    let browser = Browser::open(800, 600);
    // A page of the same origin without the element.
    browser.go_to(&format!("http://{}/api/status", program.address()));
    let early = "(() => { const chart = document.createElement('trade-chart');
        chart.bars = [[1, 1.5, 1, 1]]; chart.setAttribute('bars', '1,1.5,1,1');
        chart.setAttribute('stale', 'false'); document.body.append(chart);
        return import('/trade-chart.js').then(() => 'loaded') })()";
    assert_eq!(browser.text(early), "loaded");
    let label = format!("{CHART}.shadowRoot.querySelector('canvas').ariaLabel");
    browser.wait_for("the bar", &format!("{label}?.includes('lowest 1.5')"));
    browser.value(&format!("({CHART}.bars = [], true)"));
    browser.wait_for("a name for an empty picture", &format!("{label}.includes('no trade yet')"));
    let stale = format!("{CHART}.shadowRoot.querySelector('.all').classList.contains('stale')");
    assert_eq!(browser.value(&stale), json!(false));
}

/// How long the load is looked at; 300 for the five minutes of a slow leak.
fn load_time() -> Duration {
    let seconds = std::env::var("FINNHUB_TEST_LOAD_SECONDS").ok();
    Duration::from_secs(seconds.map_or(20, |seconds| seconds.parse().unwrap()))
}

#[test]
#[ignore = "needs npm, chromium and chromedriver"]
fn fifty_symbols_at_a_thousand_trades_a_second_are_cheap_on_page_and_component() {
    let app = App::install(None);
    app.add(&app.generate());
    app.build();
    let (port, origin) = free_origin();
    let _server = app.serve("preview", port);
    let symbols: Vec<String> = (0..50).map(|number| format!("S{number}")).collect();
    let feed = Feed::start();
    let program = recorder(&feed, &symbols.join(","), "127.0.0.1:0", &origin);
    let mut line = feed.accept(50);
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let sender = thread::spawn(move || {
        // Twenty times a second a trade of each: a pace, not a wait for something.
        for tick in 0_u32.. {
            let trades: Vec<_> = symbols
                .iter()
                .map(|symbol| json!({"p": 100 + tick % 7, "s": symbol, "t": 1, "v": 1, "c": null}))
                .collect();
            line.send(json!({"data": trades, "type": "trade"}).to_string());
            thread::sleep(Duration::from_millis(50));
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    });
    let dashboard = program.address();
    for address in
        [format!("http://{dashboard}/"), format!("{origin}/?recorder=http://{dashboard}")]
    {
        let browser = Browser::open(1280, 900);
        browser.go_to(&address);
        browser.wait_for("the history", &format!("{CHART}?.bars.length > 3"));
        let (started, cpu) = (Instant::now(), browser.metric("ProcessTime"));
        let before = browser.heap();
        thread::sleep(load_time());
        let share = (browser.metric("ProcessTime") - cpu) / started.elapsed().as_secs_f64();
        // About 0.11 on a quiet machine; 0.37 with an animated flash of prices.
        assert!(share < 0.25, "{address} takes {share:.2} of a core");
        let grown = browser.heap() - before;
        assert!(grown < 2e6, "{address} grew by {grown} bytes");
        let steps = format!("{CHART}.bars.slice(1).map((bar, at) => bar[0] - {CHART}.bars[at][0])");
        assert_eq!(
            browser.value(&format!("Math.max(...{steps})")),
            json!(1),
            "a second is missing"
        );
        assert_eq!(browser.barriers(&app.axe()), Vec::<String>::new(), "{address}");
    }
    is_over.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    program.wait_for_status("nothing dropped", |status| status["dropped"] == 0);
}
