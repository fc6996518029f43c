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
pub(super) const ASSETS: [Asset; 5] = [
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
    Asset {
        path: "/app.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/app.js"),
    },
    Asset {
        path: "/trade-chart.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/trade-chart.js"),
    },
    Asset { path: "/icon.svg", media_type: "image/svg+xml", text: include_str!("page/icon.svg") },
];
