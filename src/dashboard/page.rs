//! The page's files, as they are in the binary.
//!
//! Any thread. Three kinds of plain files and an icon; no build step, nothing from other hosts.

/// A file of the page.
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: &'static str,
    /// What it is, for the browser.
    pub(super) media_type: &'static str,
    /// Its text.
    pub(super) text: &'static str,
}

/// Every file of the page.
pub(super) const ASSETS: [Asset; 7] = [
    Asset {
        path: "/",
        media_type: "text/html; charset=utf-8",
        text: include_str!("page/index.html"),
    },
    Asset {
        path: "/app.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("page/app.css"),
    },
    script("/app.js", include_str!("page/app.js")),
    script("/format.js", FORMAT),
    script("/recorder-client.js", RECORDER_CLIENT),
    script("/trade-chart.js", TRADE_CHART),
    Asset { path: "/icon.svg", media_type: "image/svg+xml", text: include_str!("page/icon.svg") },
];

/// What the page shares with the React package.
pub(super) const FORMAT: &str = include_str!("page/format.js");
/// The same.
pub(super) const RECORDER_CLIENT: &str = include_str!("page/recorder-client.js");
/// The same.
pub(super) const TRADE_CHART: &str = include_str!("page/trade-chart.js");

const fn script(path: &'static str, text: &'static str) -> Asset {
    Asset { path, media_type: "text/javascript; charset=utf-8", text }
}
