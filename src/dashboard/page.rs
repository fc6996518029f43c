//! The page's files, as they are in the binary.
//!
//! Any thread. Three kinds of plain files and an icon; no build step, nothing from other hosts.

/// A file of the page.
pub(super) struct File {
    /// Where it is served.
    pub(super) path: &'static str,
    /// What it is, for the browser.
    pub(super) media_type: &'static str,
    /// Its text.
    pub(super) text: &'static str,
}

/// Every file of the page.
pub(super) const PAGE: [File; 8] = [
    file("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    file("/app.css", "text/css; charset=utf-8", include_str!("page/app.css")),
    file("/app.js", SCRIPT, include_str!("page/app.js")),
    file("/candles.js", SCRIPT, CANDLES),
    file("/format.js", SCRIPT, FORMAT),
    file("/recorder-client.js", SCRIPT, RECORDER_CLIENT),
    file("/trade-chart.js", SCRIPT, TRADE_CHART),
    file("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

const fn file(path: &'static str, media_type: &'static str, text: &'static str) -> File {
    File { path, media_type, text }
}

/// In the place of the version in the scripts; the version is the binary's.
const VERSION_PLACE: &str = "0.0.0";

/// The text of a file as it is given away.
pub(super) fn with_version(text: &str) -> String {
    text.replace(VERSION_PLACE, env!("CARGO_PKG_VERSION"))
}

// What the page shares with the React package.
pub(super) const CANDLES: &str = include_str!("page/candles.js");
pub(super) const FORMAT: &str = include_str!("page/format.js");
pub(super) const RECORDER_CLIENT: &str = include_str!("page/recorder-client.js");
pub(super) const TRADE_CHART: &str = include_str!("page/trade-chart.js");
