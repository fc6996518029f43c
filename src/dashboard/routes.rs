//! The addresses of the page's server.
//!
//! The dashboard's thread. A change of the watch list may wait for a disk; that holds up other
//! pages, never the recording.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use log::info;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::events::Shared;
use super::guard::refusal;
use super::history::{Bar, Gap};
use super::page::ASSETS;
use super::{StopSign, Tickers, metrics, react, status};
use crate::error::printable;
use crate::status::snapshot::Snapshot;

/// A table's small line: the last five minutes in steps that are as fine as its pixels.
const SPARK_POINTS: u32 = 60;
/// Seconds from one of its points to the next.
const SPARK_STEP: u32 = 5;
/// Symbols that have one; more do not fit a page.
const MOST_SPARKS: usize = 200;

/// Characters of a symbol that are logged or named.
const SHOWN_CHARACTERS: usize = 100;

/// Symbols that are named to somebody who asked for another one: a line or two.
const NAMED_SYMBOLS: usize = 8;

/// The React package, put together when it is first asked for.
static REACT_PACKAGE: LazyLock<Bytes> = LazyLock::new(|| react::archive().into());

#[derive(Clone)]
struct Desk {
    shared: Arc<Shared>,
    tickers: Arc<dyn Tickers>,
    stop: StopSign,
}

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// All routes, not guarded yet.
pub(super) fn router(shared: Arc<Shared>, tickers: Arc<dyn Tickers>, stop: StopSign) -> Router {
    let mut router = Router::new();
    for asset in &ASSETS {
        let answer = ([(CONTENT_TYPE, asset.media_type)], asset.text);
        router = router.route(asset.path, get(move || async move { answer }));
    }
    router
        .route("/api/status", get(whole_status))
        .route("/api/events", get(events))
        .route("/api/history/{symbol}", get(history))
        .route("/api/sparks", get(sparks))
        .route("/api/tickers/{symbol}", put(add).delete(remove))
        .route("/metrics", get(prometheus))
        .route("/react.tgz", get(react_package))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .with_state(Desk { shared, tickers, stop })
}

async fn whole_status(State(desk): State<Desk>) -> Response {
    let (snapshot, moment) = desk.shared.latest();
    ([(CONTENT_TYPE, "application/json")], status::whole(&snapshot, moment)).into_response()
}

async fn events(State(desk): State<Desk>) -> Response {
    let events = desk.shared.events(desk.stop);
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

async fn prometheus(State(desk): State<Desk>) -> Response {
    let (snapshot, moment) = desk.shared.latest();
    let text = metrics::render(&snapshot, moment, desk.shared.followers());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn react_package() -> Response {
    ([(CONTENT_TYPE, "application/gzip")], REACT_PACKAGE.clone()).into_response()
}

async fn add(State(desk): State<Desk>, symbol: Result<Path<String>, PathRejection>) -> Answer {
    let symbol = read_symbol(symbol)?;
    let answer = desk.tickers.add(&symbol);
    changed("add", &symbol, answer)
}

async fn remove(State(desk): State<Desk>, symbol: Result<Path<String>, PathRejection>) -> Answer {
    let symbol = read_symbol(symbol)?;
    let answer = desk.tickers.remove(&symbol);
    changed("remove", &symbol, answer)
}

fn read_symbol(
    symbol: Result<Path<String>, PathRejection>,
) -> Result<String, (StatusCode, Json<Value>)> {
    let Path(symbol) = symbol
        .map_err(|_| refusal(StatusCode::BAD_REQUEST, "the symbol is not percent-encoded UTF-8"))?;
    Ok(symbol)
}

fn changed(wish: &str, symbol: &str, answer: Result<Vec<String>, String>) -> Answer {
    let shown = printable(symbol, SHOWN_CHARACTERS);
    match answer {
        Ok(tickers) => {
            info!("the dashboard was asked to {wish} {shown}: done");
            Ok(Json(json!({ "tickers": tickers })))
        }
        Err(why) => {
            info!("the dashboard was asked to {wish} {shown}: refused, {why}");
            Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, why))
        }
    }
}

async fn sparks(State(desk): State<Desk>) -> Json<Value> {
    let (snapshot, moment) = desk.shared.latest();
    let second = u32::try_from(moment.now_ms / 1000).unwrap_or(u32::MAX);
    let history = desk.shared.history();
    let lines: serde_json::Map<String, Value> = snapshot
        .tickers
        .iter()
        .take(MOST_SPARKS)
        .map(|ticker| {
            let line = history.spark(&ticker.symbol, second, SPARK_STEP, SPARK_POINTS);
            (ticker.symbol.clone(), json!(line))
        })
        .collect();
    Json(json!({ "step_s": SPARK_STEP, "points": SPARK_POINTS, "sparks": lines }))
}

async fn history(
    State(desk): State<Desk>,
    symbol: Result<Path<String>, PathRejection>,
    from: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, (StatusCode, Json<Value>)> {
    let symbol = read_symbol(symbol)?;
    let Query(HistoryQuery { after }) =
        from.map_err(|_| refusal(StatusCode::BAD_REQUEST, "after must be a time in UNIX seconds"))?;
    let history = desk.shared.history();
    let Some(bars) = history.bars_after(&symbol, after) else {
        return Err(refusal(StatusCode::NOT_FOUND, not_listed(&symbol, &desk.shared.latest().0)));
    };
    let answer = HistoryAnswer { symbol: &symbol, gaps: history.gaps(), bars };
    Ok(Json(answer).into_response())
}

#[derive(Debug, Serialize)]
struct HistoryAnswer<'a> {
    symbol: &'a str,
    gaps: &'a VecDeque<Gap>,
    bars: Vec<Bar>,
}

/// What part of a history is asked for.
#[derive(Debug, Deserialize)]
struct HistoryQuery {
    /// Only bars later than this second.
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
