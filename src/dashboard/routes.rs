//! The addresses of the page's server.
//!
//! The dashboard's thread. A change of the watch list may wait for a disk; that holds up other
//! pages, never the recording.

use std::sync::{Arc, LazyLock};

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use log::{info, warn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::events::LiveData;
use super::guard::refusal;
use super::history::Bar;
use super::page::{File, PAGE, with_version};
use super::{metrics, react_package, status};
use crate::feed::{Change, ChangeWatchList, Changed};
use crate::status::candles::Candle;
use crate::status::snapshot::{Gap, Snapshot};
use crate::text::clock::now_ms;
use crate::text::printable;

/// A table's small line: the last five minutes in steps that are as fine as its pixels.
const SPARK_POINTS: u32 = 60;
/// Seconds from one of its points to the next.
const SPARK_STEP: u32 = 5;
/// Symbols that have one; more do not fit a page.
const MOST_SPARKS: usize = 200;

const JSON: &str = "application/json";

/// Characters of a symbol that are logged or named.
const SHOWN_CHARACTERS: usize = 100;

/// Symbols that are named to somebody who asked for another one: a line or two.
const NAMED_SYMBOLS: usize = 8;

/// The React package, put together when it is first asked for.
static REACT_PACKAGE: LazyLock<Bytes> = LazyLock::new(|| react_package::archive().into());

/// What the routes need.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) data: Arc<LiveData>,
    pub(super) change: Arc<ChangeWatchList>,
}

type Refusal = (StatusCode, Json<Value>);

/// All routes, not guarded yet.
pub(super) fn router(api: Api) -> Router {
    let mut router = Router::new();
    for File { path, media_type, text } in &PAGE {
        let answer = ([(CONTENT_TYPE, *media_type)], Bytes::from(with_version(text)));
        router = router.route(path, get(move || async move { answer.clone() }));
    }
    router
        .route("/api/status", get(whole_status))
        .route("/api/events", get(events))
        .route("/api/history/{symbol}", get(history))
        .route("/api/sparks", get(sparks))
        .route("/api/tickers/{symbol}", put(change).delete(change))
        .route("/metrics", get(prometheus))
        .route("/react.tgz", get(react_archive))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .with_state(api)
}

async fn whole_status(State(Api { data, .. }): State<Api>) -> Result<Response, Refusal> {
    let status = status::whole(&data.latest(), &data.recording, now_ms());
    answer(&data, JSON, status)
}

/// An answer that may be long, unless too much waits for clients that do not read.
fn answer(data: &LiveData, media_type: &'static str, text: String) -> Result<Response, Refusal> {
    let busy = || refusal(StatusCode::SERVICE_UNAVAILABLE, "others are slow to read; ask again");
    let text = data.to_be_taken(text).ok_or_else(busy)?;
    Ok(([(CONTENT_TYPE, media_type)], text).into_response())
}

async fn events(State(Api { data, .. }): State<Api>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(data.events()))
}

async fn prometheus(State(Api { data, .. }): State<Api>) -> Result<Response, Refusal> {
    let text = metrics::render(&data.latest(), &data.recording, now_ms(), data.followers());
    answer(&data, "text/plain; version=0.0.4; charset=utf-8", text)
}

async fn react_archive() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/gzip")], REACT_PACKAGE.clone())
}

async fn change(
    State(Api { change, .. }): State<Api>,
    method: Method,
    symbol: Result<Path<String>, PathRejection>,
) -> Result<Json<Changed>, Refusal> {
    let symbol = read_symbol(symbol)?;
    let shown = printable(&symbol, SHOWN_CHARACTERS);
    let (what, answer) = match method {
        Method::PUT => ("add", change(Change::Add(&symbol))),
        _ => ("remove", change(Change::Remove(&symbol))),
    };
    match answer {
        Ok(changed) => {
            info!("the dashboard was asked to {what} {shown}: done");
            for warning in &changed.warnings {
                warn!("{warning}");
            }
            Ok(Json(changed))
        }
        Err(why) => {
            info!("the dashboard was asked to {what} {shown}: refused, {why}");
            Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, why))
        }
    }
}

fn read_symbol(symbol: Result<Path<String>, PathRejection>) -> Result<String, Refusal> {
    let Path(symbol) = symbol
        .map_err(|_| refusal(StatusCode::BAD_REQUEST, "the symbol is not percent-encoded UTF-8"))?;
    Ok(symbol)
}

async fn sparks(State(Api { data, .. }): State<Api>) -> Result<Response, Refusal> {
    let second = u32::try_from(now_ms() / 1000).unwrap_or(u32::MAX);
    let (snapshot, history) = (data.latest(), data.history());
    let lines = snapshot.tickers.iter().take(MOST_SPARKS).map(|ticker| {
        let line = history.spark(&ticker.symbol, second, SPARK_STEP, SPARK_POINTS);
        (ticker.symbol.clone(), json!(line))
    });
    let lines: serde_json::Map<String, Value> = lines.collect();
    let sparks = json!({ "step_s": SPARK_STEP, "points": SPARK_POINTS, "sparks": lines });
    answer(&data, JSON, sparks.to_string())
}

async fn history(
    State(Api { data, .. }): State<Api>,
    symbol: Result<Path<String>, PathRejection>,
    from: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let symbol = read_symbol(symbol)?;
    let Query(HistoryQuery { after }) =
        from.map_err(|_| refusal(StatusCode::BAD_REQUEST, "after must be a time in UNIX seconds"))?;
    let snapshot = data.latest();
    let known = {
        let history = data.history();
        let bars = history.bars_after(&symbol, after);
        bars.map(|bars| (bars, history.candles_after(&symbol, after)))
    };
    let Some((bars, candles)) = known else {
        return Err(refusal(StatusCode::NOT_FOUND, not_listed(&symbol, &snapshot)));
    };
    let now = snapshot.gap_now();
    let gaps = snapshot.gaps.iter().chain(&now).collect();
    let history = HistoryAnswer { symbol: &symbol, gaps, bars, candles };
    // Numbers and text always become JSON.
    answer(&data, JSON, serde_json::to_string(&history).unwrap_or_default())
}

#[derive(Debug, Serialize)]
struct HistoryAnswer<'a> {
    symbol: &'a str,
    gaps: Vec<&'a Gap>,
    bars: Vec<Bar>,
    candles: Vec<Candle>,
}

/// What part of a history is asked for.
#[derive(Debug, Deserialize)]
struct HistoryQuery {
    /// Only bars later than this second, and candles with a trade received later.
    #[serde(default)]
    after: u32,
}

/// Says what is on the list instead, the likeliest first: a demo's `DEMO:AAPL` for `AAPL`.
fn not_listed(symbol: &str, snapshot: &Snapshot) -> String {
    let mut listed: Vec<&str> =
        snapshot.tickers.iter().map(|ticker| ticker.symbol.as_str()).collect();
    listed.sort_by_key(|listed| !listed.ends_with(symbol));
    let named = listed.iter().take(NAMED_SYMBOLS).map(|name| printable(name, SHOWN_CHARACTERS));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match listed.len().saturating_sub(NAMED_SYMBOLS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} is not on the list: {named}{more}", printable(symbol, SHOWN_CHARACTERS))
}
