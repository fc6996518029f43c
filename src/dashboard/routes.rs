//! The addresses of the page's server.
//!
//! The dashboard's thread. A change of the watch list may wait for a disk; that holds up other
//! pages, never the recording.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router, middleware};
use futures_util::stream::{self, Stream};
use log::info;
use serde::Deserialize;
use serde_json::{Value, json};

use super::events::Shared;
use super::history::Bar;
use super::page::ASSETS;
use super::{StopSign, Tickers, guard, metrics, status};
use crate::error::printable;

/// Bars in one piece of a history's answer: about 8 kB, so that a slow reader holds no more.
const BARS_A_PIECE: usize = 256;

/// A table's small line: the last five minutes in steps that are as fine as its pixels.
const SPARK_POINTS: u32 = 60;
/// Seconds from one of its points to the next.
const SPARK_STEP: u32 = 5;
/// Symbols that have one; more do not fit a page.
const MOST_SPARKS: usize = 200;

/// Characters of a symbol that are logged.
const SHOWN_CHARACTERS: usize = 100;

#[derive(Clone)]
struct Desk {
    shared: Arc<Shared>,
    tickers: Arc<dyn Tickers>,
    stop: StopSign,
}

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// All routes behind the guard. `bound` is the address listened on.
pub(super) fn router(
    shared: Arc<Shared>,
    tickers: Arc<dyn Tickers>,
    stop: StopSign,
    bound: IpAddr,
) -> Router {
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
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .layer(middleware::from_fn_with_state(bound, guard::stand))
        .with_state(Desk { shared, tickers, stop })
}

/// An answer that says no, and why.
pub(super) fn refusal(status: StatusCode, why: impl AsRef<str>) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "error": why.as_ref() })))
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
    let text = metrics::render(&snapshot, moment);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
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
    if desk.shared.history().bars_after(&symbol, 0, 1).is_none() {
        return Err(refusal(StatusCode::NOT_FOUND, "this symbol is not on the list"));
    }
    let pieces = Body::from_stream(history_pieces(desk.shared, symbol, after));
    Ok(([(CONTENT_TYPE, "application/json")], pieces).into_response())
}

/// What part of a history is asked for.
#[derive(Debug, Deserialize)]
struct HistoryQuery {
    /// Only bars later than this second.
    #[serde(default)]
    after: u32,
}

/// Where the answer with a history has got to.
enum Piece {
    Beginning,
    Bars { after: u32, are_first: bool },
    End,
}

/// A history as JSON, piece by piece as the client takes it:
/// `{"symbol": …, "gaps": […], "bars": [[second, price, volume, trades], …]}`.
fn history_pieces(
    shared: Arc<Shared>,
    symbol: String,
    after: u32,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(Piece::Beginning, move |piece| {
        let (text, next) = match piece {
            Piece::Beginning => {
                let head = json!({ "symbol": symbol, "gaps": shared.history().gaps() }).to_string();
                let head = format!("{},\"bars\":[", head.trim_end_matches('}'));
                (Some(head), Piece::Bars { after, are_first: true })
            }
            Piece::Bars { after, are_first } => {
                let bars = shared.history().bars_after(&symbol, after, BARS_A_PIECE);
                match bars.as_deref() {
                    Some(bars @ [.., last]) => {
                        let next = Piece::Bars { after: last.second, are_first: false };
                        (Some(bars_json(bars, are_first)), next)
                    }
                    _ => (Some("]}".to_owned()), Piece::End),
                }
            }
            Piece::End => (None, Piece::End),
        };
        std::future::ready(text.map(|text| (Ok(Bytes::from(text)), next)))
    })
}

fn bars_json(bars: &[Bar], are_first: bool) -> String {
    let mut text = String::new();
    for bar in bars {
        if !(are_first && text.is_empty()) {
            text.push(',');
        }
        text.push_str(&json!([bar.second, bar.price, bar.volume, bar.trades]).to_string());
    }
    text
}
