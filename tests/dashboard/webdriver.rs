//! Chromium, driven through chromedriver: <https://www.w3.org/TR/webdriver2/> as far as the tests
//! need it, which is JSON over plain HTTP.
//!
//! Each browser has a chromedriver, a port and a profile of its own, and ends with its test.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{connect, read_answer};
use crate::waiting::wait_until;

/// Chromium without anything that it would do besides showing a page.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// A window of this size in pixels.
    pub(crate) fn open(width: u32, height: u32) -> Browser {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; on Debian: apt-get install chromium chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver's port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        flags.push(format!("--window-size={width},{height}"));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": flags, "mobileEmulation": {"deviceMetrics":
                {"width": width, "height": height, "pixelRatio": 1, "mobile": width < 600, "touch": false}}},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let mut browser = Browser { driver, address, session: String::new(), _profile: profile };
        let session = browser.ask("POST", "", &wanted);
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = connect(self.address);
        let head = format!(
            "{method} /session{}{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.session,
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let answer = read_answer(stream);
        let value = answer.json()["value"].clone();
        assert_eq!(answer.status, 200, "{path}: {}", value["message"]);
        value
    }

    pub(crate) fn go_to(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    /// The tab that is asked; all others are hidden.
    pub(crate) fn tab(&self) -> String {
        self.ask("GET", "/window", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Opens another tab and brings it to the front.
    pub(crate) fn open_tab(&self) -> String {
        let new = self.ask("POST", "/window/new", &json!({"type": "tab"}));
        let tab = new["handle"].as_str().unwrap().to_owned();
        self.bring_to_front(&tab);
        tab
    }

    pub(crate) fn bring_to_front(&self, tab: &str) {
        self.ask("POST", "/window", &json!({"handle": tab}));
    }

    /// The value of a JavaScript expression in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        self.ask("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    pub(crate) fn text(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn wait_for(&self, what: &str, expression: &str) {
        wait_until(what, || self.value(expression), |value| *value == Value::Bool(true));
    }

    fn find(&self, selector: &str) -> String {
        let found =
            self.ask("POST", "/element", &json!({"using": "css selector", "value": selector}));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Clicks as a person would: the element must be there to be hit.
    pub(crate) fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.find(selector));
        self.ask("POST", &path, &json!({}));
    }

    /// Types into an element; `\u{e007}` is Enter.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let path = format!("/element/{}/value", self.find(selector));
        self.ask("POST", &path, &json!({"text": text}));
    }

    /// What the console has said since the last time, errors only.
    pub(crate) fn console_errors(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({"type": "browser"}));
        let lines = log.as_array().unwrap().iter();
        lines
            .filter(|line| line["level"] == "SEVERE")
            .map(|line| line["message"].to_string())
            .collect()
    }

    pub(crate) fn emulate(&self, scheme: &str) {
        let parameters = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", &parameters);
    }

    /// What Chromium has counted for this page; times are in seconds.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.command("Performance.enable", &json!({}));
        let counted = self.command("Performance.getMetrics", &json!({}));
        let metrics = counted["metrics"].as_array().unwrap();
        let found = metrics.iter().find(|metric| metric["name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {metrics:?}"))["value"].as_f64().unwrap()
    }

    /// Bytes that scripts hold, without what nobody needs any more.
    pub(crate) fn heap(&self) -> f64 {
        self.command("HeapProfiler.collectGarbage", &json!({}));
        self.metric("JSHeapUsedSize")
    }

    fn command(&self, name: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({"cmd": name, "params": parameters}))
    }

    /// What keeps somebody out, seriously or wholly, as axe-core finds it; `axe` is its source.
    pub(crate) fn barriers(&self, axe: &str) -> Vec<String> {
        const RUN: &str = "return axe.run().then(found => found.violations
            .filter(fault => ['serious', 'critical'].includes(fault.impact))
            .map(fault => `${fault.id}: ${fault.nodes.map(node => node.html).join(' ')}`))";
        let script = format!("{axe}\n{RUN}");
        let found = self.ask("POST", "/execute/sync", &json!({"script": script, "args": []}));
        found.as_array().unwrap().iter().map(ToString::to_string).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", "", &json!({}));
        } else if let Ok(mut stream) = std::net::TcpStream::connect(self.address) {
            // Chromium must go also when the test has failed; then nobody minds the answer.
            let head = format!(
                "DELETE /session{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                self.session, self.address
            );
            let _ = stream.write_all(head.as_bytes());
            // Its answer is soon there, but chromedriver may keep the connection.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
