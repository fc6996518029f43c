//! Every address of the server, and that what it says is what is recorded.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::feed::Feed;
use crate::http::{Events, get, get_json, request};
use crate::program::{KEY, Program};
use crate::served::{Served, snapshot};
use crate::waiting::{own_waits, wait_until};

fn symbols(status: &Value) -> Vec<&str> {
    let tickers = status["tickers"].as_array().unwrap();
    tickers.iter().map(|ticker| ticker["symbol"].as_str().unwrap()).collect()
}

#[test]
fn the_page_comes_with_all_its_files() {
    let served = Served::start(snapshot([]));
    for (path, media_type, part) in [
        ("/", "text/html; charset=utf-8", "<trade-chart"),
        ("/app.css", "text/css; charset=utf-8", "prefers-color-scheme: dark"),
        ("/app.js", "text/javascript; charset=utf-8", "recorderAt"),
        ("/candles.js", "text/javascript; charset=utf-8", "putTogether"),
        ("/format.js", "text/javascript; charset=utf-8", "duration"),
        ("/recorder-client.js", "text/javascript; charset=utf-8", "EventSource"),
        ("/trade-chart.js", "text/javascript; charset=utf-8", "customElements.define"),
        ("/icon.svg", "image/svg+xml", "<svg"),
    ] {
        let answer = get(served.address, path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
        assert!(answer.body.contains(part), "{path}");
        for other_host in ["https://", "//cdn", "@import"] {
            assert!(!answer.body.contains(other_host), "{path} has {other_host}");
        }
        for inline in [" style=", "<style", " onclick=", " onload=", "<script>"] {
            // A script's comments may show how it is used.
            let is_script = media_type.starts_with("text/javascript");
            assert!(is_script || !answer.body.contains(inline), "{path} has {inline}");
        }
        let head = request(served.address, "HEAD", path, "");
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
    }
}

#[test]
fn the_status_says_what_is_in_the_file() {
    let feed = Feed::start();
    let program = Program::recording(&feed.url(), "AAPL,IC MARKETS:1,WRONG");
    let mut line = feed.accept(3);
    line.send(r#"{"msg":"Invalid symbol WRONG","type":"error"}"#.to_owned());
    line.trade("AAPL", "100.10");
    line.trade("AAPL", "100.20");
    line.send(r#"{"data":[{"p":"no trade"}],"type":"trade"}"#.to_owned());
    let status = program.wait_for_status("three elements", |status| {
        status["received"] == 3 && status["tickers"][2]["state"] == "refused"
    });
    assert_eq!(status["state"], "live");
    assert_eq!(
        (&status["written"], &status["rejected"], &status["dropped"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!((&status["reconnects"], &status["missing_ms"]), (&json!(0), &json!(0)));
    assert_eq!(status["out"], "op1.csv");
    let size = fs::metadata(program.path("op1.csv")).unwrap().len();
    assert_eq!(status["out_bytes"], size);
    assert!(status["last_message_ms"].as_i64().unwrap() > 1_600_000_000_000);
    assert!(status["trades_per_second"].is_number());
    let apple = &status["tickers"][0];
    assert_eq!((&apple["symbol"], &apple["state"]), (&json!("AAPL"), &json!("live")));
    assert_eq!((&apple["price"], &apple["trades"]), (&json!("100.20"), &json!(2)));
    assert_eq!(apple["first_price"], "100.10");
    assert!((apple["volume"].as_f64().unwrap() - 6.0).abs() < 1e-9);
    assert!(apple["last_trade_ms"].as_i64().unwrap() > 1_600_000_000_000);
    assert_eq!(status["tickers"][1]["state"], "silent");
    assert_eq!(status["tickers"][1]["last_trade_ms"], Value::Null);
    // Whatever the time is.
    let market = status["us_market"].as_str().unwrap();
    assert!(["open", "night", "closed"].contains(&market), "{market}");
    for market_is in ["night", "closed"] {
        let is_so = |ticker: &Value| ticker[market_is] == true;
        assert_eq!(is_so(apple), market == market_is, "a US share has the hours of its market");
        assert!(!is_so(&status["tickers"][1]));
    }
    assert_eq!(program.rows(), 2);
}

#[test]
fn the_list_is_changed_by_put_and_delete() {
    let mut program = Program::demo("AAPL,MSFT", "127.0.0.1:0");
    let address = program.address();
    let put = request(address, "PUT", "/api/tickers/IC%20MARKETS%3A1%2F2", "");
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(put.json(), json!({"tickers": ["DEMO:AAPL", "DEMO:MSFT", "DEMO:IC MARKETS:1/2"]}));
    program.wait_for_status("trades of the new symbol", |status| {
        let added = &status["tickers"][2];
        added["symbol"] == "DEMO:IC MARKETS:1/2" && added["trades"].as_u64() > Some(0)
    });
    let delete = request(address, "DELETE", "/api/tickers/DEMO:AAPL", "");
    assert_eq!(delete.json(), json!({"tickers": ["DEMO:MSFT", "DEMO:IC MARKETS:1/2"]}));
    program.wait_for_status("the symbol to be gone", |status| {
        symbols(status) == ["DEMO:MSFT", "DEMO:IC MARKETS:1/2"]
    });
    for (method, path) in [
        ("DELETE", "/api/tickers/DEMO:AAPL"),
        ("PUT", "/api/tickers/%00"),
        ("PUT", "/api/tickers/%20"),
        ("PUT", "/api/tickers/A,B"),
        ("PUT", "/api/tickers/A;B"),
        ("PUT", "/api/tickers/A%3BB"),
        ("PUT", "/api/tickers/%23A"),
        ("PUT", "/api/tickers/%zz"),
        ("PUT", "/api/tickers/%ff"),
        ("PUT", "/api/tickers/%E2%80%AEA"),
        // More than 100 bytes.
        ("PUT", &format!("/api/tickers/{}", "%E2%82%AC".repeat(34))),
    ] {
        let refused = request(address, method, path, "");
        assert!((400..500).contains(&refused.status), "{method} {path}: {}", refused.status);
        assert!(!refused.error().contains(['\n', '\0']), "{}", refused.body);
    }
    assert!(program.stop().success());
}

#[test]
fn a_list_as_long_as_can_be_recorded_takes_no_further_symbol() {
    let feed = Feed::start();
    let list = (0..5_000).map(|n| format!("S{n}")).collect::<Vec<_>>().join(",");
    let mut program = Program::recording(&feed.url(), &list);
    let refused = request(program.address(), "PUT", "/api/tickers/AAPL", "");
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.error().contains("more than 5,000 symbols"), "{}", refused.body);
    assert!(program.stop().success());
}

#[test]
fn events_begin_with_everything_and_go_on_with_what_changes() {
    let served = Served::start(snapshot(["A".to_owned(), "B".to_owned()]));
    let mut events = Events::follow(served.address);
    let first = events.next().unwrap();
    assert_eq!((&first["kind"], symbols(&first)), (&json!("snapshot"), vec!["A", "B"]));
    let mut next = snapshot(["A".to_owned(), "B".to_owned()]);
    next.tickers[1].trades = 2;
    served.publish(next);
    let mut waits = own_waits();
    let started = waits.start();
    let changed =
        wait_until("the change", || events.next().unwrap(), |event| !symbols(event).is_empty());
    assert_eq!((&changed["kind"], symbols(&changed)), (&json!("change"), vec!["B"]));
    let took = waits.since(&started);
    assert!(took < Duration::from_secs(2), "{took:?}");
    served.publish(snapshot(["B".to_owned(), "C".to_owned()]));
    let whole =
        wait_until("the new list", || events.next().unwrap(), |event| event["kind"] == "snapshot");
    assert_eq!(symbols(&whole), ["B", "C"]);
}

#[test]
fn events_come_a_few_times_a_second_whatever_the_trade_rate() {
    let served = Served::start(snapshot(["A".to_owned()]));
    let mut events = Events::follow(served.address);
    events.next().unwrap();
    let started = Instant::now();
    for trades in 0..8 {
        let mut next = snapshot(["A".to_owned()]);
        next.tickers[0].trades = trades;
        served.publish(next);
        events.next().unwrap();
    }
    assert!(started.elapsed() > Duration::from_millis(1500), "8 in {:?}", started.elapsed());
}

#[test]
fn an_outage_is_reported_at_once_and_stays_in_the_history() {
    let feed = Feed::start();
    let place = feed.address();
    let program = Program::recording(&feed.url(), "AAPL");
    let mut line = feed.accept(1);
    line.trade("AAPL", "100.5");
    program.wait_for_status("the trade", |status| status["written"] == 1);
    drop((line, feed));
    let down = program.wait_for_status("the outage", |status| status["state"] != "live");
    assert!(down["reason"].as_str().unwrap().starts_with("connection lost"), "{down}");
    program.wait_for_status("missing time", |status| status["missing_ms"].as_i64() > Some(0));
    let feed = Feed::start_at(place);
    let mut line = feed.accept(1);
    line.trade("AAPL", "101.25");
    let back = program.wait_for_status("the second trade", |status| status["written"] == 2);
    assert_eq!((&back["state"], &back["reconnects"]), (&json!("live"), &json!(1)));
    let history = wait_until(
        "the history",
        || get_json(program.address(), "/api/history/AAPL"),
        |history| history["bars"].as_array().is_some_and(|bars| bars.last().unwrap()[1] == 101.25),
    );
    let gap = &history["gaps"][0];
    // Or that of a try before there was a server again.
    let reason = gap["reason"].as_str().unwrap();
    assert!(["connection lost", "not connected"].iter().any(|it| reason.starts_with(it)), "{gap}");
    assert_eq!(
        gap["to_ms"].as_i64().unwrap() - gap["from_ms"].as_i64().unwrap(),
        back["missing_ms"]
    );
    let bars = history["bars"].as_array().unwrap();
    assert_eq!(bars.iter().map(|bar| bar[3].as_u64().unwrap()).sum::<u64>(), 2, "{history}");
}

#[test]
fn the_history_comes_in_pieces_and_from_any_second_on() {
    let served = Served::start(snapshot(["A".to_owned()]));
    let at = |second: i64| {
        let mut next = snapshot(["A".to_owned()]);
        next.tickers[0].trades = u64::try_from(second).unwrap();
        next.tickers[0].last_received_ms = Some(second * 1000);
        served.publish(next);
        wait_until(
            "the bar",
            || get_json(served.address, "/api/history/A")["bars"].as_array().unwrap().clone(),
            |bars| bars.last().is_some_and(|bar| bar[0] == second),
        )
    };
    assert_eq!(at(2).len(), 1);
    assert_eq!(at(10).len(), 2);
    assert_eq!(at(20).len(), 3);
    let later = get_json(served.address, "/api/history/A?after=2");
    assert_eq!(later["bars"], json!([[10, 1.5, 0.0, 8], [20, 1.5, 0.0, 10]]));
    assert_eq!(get_json(served.address, "/api/history/A?after=20")["bars"], json!([]));
    assert_eq!(get(served.address, "/api/history/A?after=x").status, 400);
    assert_eq!(get(served.address, "/api/history/B").status, 404);
    let sparks = get_json(served.address, "/api/sparks");
    assert_eq!(sparks["sparks"]["A"].as_array().unwrap().last(), Some(&json!(1.5)));
}

#[test]
fn metrics_are_prometheus_text() {
    let program = Program::demo("AAPL", "127.0.0.1:0");
    program.wait_for_status("a trade", |status| status["written"].as_u64() > Some(0));
    let metrics = get(program.address(), "/metrics");
    let media_type = metrics.header("content-type").unwrap();
    assert!(media_type.starts_with("text/plain; version=0.0.4"), "{media_type}");
    assert!(metrics.body.contains("\nfinnhub_stream_up 1\n"), "{}", metrics.body);
    for line in metrics.body.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("finnhub_stream_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(metrics.body.contains("ticker_trades_total{symbol=\"DEMO:AAPL\"}"));
}

#[test]
fn the_key_is_nowhere() {
    let feed = Feed::start();
    let program = Program::recording(&feed.url(), "AAPL");
    let _line = feed.accept(1);
    program.wait_for_status("the connection", |status| status["state"] == "live");
    for path in ["/", "/api/status", "/api/history/AAPL", "/api/sparks", "/metrics", "/app.js"] {
        let answer = get(program.address(), path);
        assert!(!format!("{answer:?}").contains(KEY), "{path}");
    }
}

#[test]
fn a_port_in_use_is_one_line_before_anything_is_recorded() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut program = Program::demo("AAPL", &address);
    assert_eq!(program.wait().code(), Some(1));
    let stderr = wait_until("the error", || program.stderr(), |stderr| stderr.ends_with('\n'));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(&address), "{stderr}");
    assert!(!program.path("op1.csv").exists(), "nothing was begun");
}

#[test]
fn an_address_that_others_can_reach_gets_a_warning() {
    let program = Program::demo("AAPL", "0.0.0.0:0");
    wait_until(
        "the warning",
        || program.stderr(),
        |stderr| stderr.contains("anyone on that network can see the page and change the list"),
    );
    let loopback = Program::demo("AAPL", "127.0.0.1:0");
    loopback.wait_for_status("it runs", |status| status["state"] == "live");
    assert!(!loopback.stderr().contains("WARN"), "{}", loopback.stderr());
}

#[test]
fn it_ends_with_the_program_whoever_is_listening() {
    let mut program = Program::demo("AAPL", "127.0.0.1:0");
    let mut events: Vec<Events> = (0..5).map(|_| Events::follow(program.address())).collect();
    for client in &mut events {
        client.next().unwrap();
    }
    assert!(program.stop().success());
    for client in &mut events {
        while client.next().is_some() {}
    }

    let served = Served::start(snapshot(["A".to_owned()]));
    let mut clients: Vec<Events> = (0..20).map(|_| Events::follow(served.address)).collect();
    for client in &mut clients {
        client.next().unwrap();
    }
    let mut waits = own_waits();
    let started = waits.start();
    drop(served);
    let took = waits.since(&started);
    assert!(took < Duration::from_millis(200), "{took:?}");
    for client in &mut clients {
        while client.next().is_some() {}
    }
}
