//! The simulated server as a client sees it: a real `tungstenite` client on 127.0.0.1.
//!
//! Every wait is for something observable, up to a deadline.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use finnhub_stream::simulator::{Fault, Replay, Simulator, SimulatorOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tungstenite::{Error, Message, WebSocket};

/// Far beyond what any of these waits takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

struct RunningSimulator {
    address: SocketAddr,
    simulator: Simulator,
}

impl RunningSimulator {
    fn start(options: SimulatorOptions) -> Self {
        let simulator = Simulator::start(([127, 0, 0, 1], 0).into(), options).unwrap();
        Self { address: simulator.address(), simulator }
    }

    fn with_faults(faults: &[Fault]) -> Self {
        Self::start(SimulatorOptions { faults: faults.to_vec(), ..fast_options() })
    }

    fn stop(&mut self) -> io::Result<()> {
        self.simulator.stop_flag().store(true, Ordering::Relaxed);
        self.simulator.join()
    }

    fn client(&self) -> Client {
        Client::connect(self.address, "/?token=demo").unwrap()
    }
}

/// Enough trades and early enough faults for a test not to take long.
fn fast_options() -> SimulatorOptions {
    SimulatorOptions {
        trades_per_second: 200.0,
        ending_after: Duration::from_millis(300)..Duration::from_millis(500),
        ..SimulatorOptions::default()
    }
}

struct Client(WebSocket<TcpStream>);

impl Client {
    fn connect(address: SocketAddr, path: &str) -> Result<Self, Box<Error>> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        match tungstenite::client(format!("ws://{address}{path}"), stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
            Err(error) => panic!("no upgrade before the deadline: {error}"),
        }
    }

    fn ask(&mut self, kind: &str, symbol: &str) {
        let request = json!({"type": kind, "symbol": symbol}).to_string();
        self.0.send(Message::text(request)).unwrap();
    }

    fn subscribe(&mut self, symbols: &[&str]) {
        for symbol in symbols {
            self.ask("subscribe", symbol);
        }
    }

    /// The next text, or how the connection ended.
    fn next_text(&mut self) -> Result<String, Error> {
        loop {
            if let Message::Text(text) = self.0.read()? {
                return Ok(text.to_string());
            }
        }
    }

    fn next_json(&mut self) -> Value {
        let text = self.next_text().unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The symbols of the next trade message.
    fn next_symbols(&mut self) -> BTreeSet<String> {
        let message = self.next_json();
        assert_eq!(message["type"], "trade", "{message}");
        let trades = message["data"].as_array().unwrap();
        assert!((1..=10).contains(&trades.len()), "{message}");
        trades.iter().map(|trade| trade["s"].as_str().unwrap().to_owned()).collect()
    }

    /// Reads to the connection's end and says how many texts came and how it ended.
    fn read_to_the_end(&mut self) -> (usize, Error) {
        let deadline = Instant::now() + DEADLINE;
        for count in 0.. {
            match self.next_text() {
                Ok(_) => assert!(Instant::now() < deadline, "no end"),
                Err(error) => return (count, error),
            }
        }
        unreachable!("an endless range")
    }

    /// Whether nothing at all comes for `quiet`.
    fn is_quiet_for(&mut self, quiet: Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(quiet)).unwrap();
        let result = self.0.read();
        self.0.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
        match result {
            Err(Error::Io(error)) => {
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
            }
            _ => false,
        }
    }
}

#[test]
fn several_symbols_come_mixed_as_valid_trades() {
    let simulator = RunningSimulator::start(fast_options());
    let mut client = simulator.client();
    let wanted = ["AAPL", "DEMO:BINANCE:BTCUSDT", "OANDA:EUR_USD", "IC MARKETS:1", "Ü\"\\\u{1}<"];
    client.subscribe(&wanted);
    let mut seen = BTreeSet::new();
    let mut most = 0;
    while seen.len() < wanted.len() || most < 10 {
        let text = client.next_text().unwrap();
        assert!(text.starts_with(r#"{"data":[{"c":"#) && text.ends_with(r#"],"type":"trade"}"#));
        let message: Value = serde_json::from_str(&text).unwrap();
        for trade in message["data"].as_array().unwrap() {
            let keys: Vec<_> = trade.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["c", "p", "s", "t", "v"]);
            assert!(trade["p"].as_f64().unwrap() > 0.0 && trade["v"].as_f64().unwrap() >= 0.0);
            assert_eq!(trade["t"].to_string().len(), 13, "UNIX milliseconds: {trade}");
            let symbol = trade["s"].as_str().unwrap();
            let is_stock = symbol == "AAPL" || symbol.starts_with('Ü');
            assert_eq!(trade["c"].is_array(), is_stock, "{trade}");
            seen.insert(symbol.to_owned());
        }
        most = most.max(message["data"].as_array().unwrap().len());
        assert!(most <= 10);
    }
    assert_eq!(seen, wanted.map(str::to_owned).into());
}

#[test]
fn two_clients_of_one_symbol_see_the_same_trades() {
    let simulator = RunningSimulator::start(fast_options());
    let (mut first, mut second) = (simulator.client(), simulator.client());
    first.subscribe(&["AAPL"]);
    first.next_symbols();
    second.subscribe(&["AAPL"]);
    let of_second = second.next_text().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while first.next_text().unwrap() != of_second {
        assert!(Instant::now() < deadline, "never saw {of_second}");
    }
}

#[test]
fn unsubscribing_stops_the_trades_of_that_symbol_only() {
    let simulator = RunningSimulator::start(fast_options());
    let mut client = simulator.client();
    client.subscribe(&["AAPL", "MSFT"]);
    while !client.next_symbols().contains("AAPL") {}
    client.ask("unsubscribe", "AAPL");
    // Requests are taken in order, so the answer to this ping was sent after the one above was
    // taken, and no trade that follows it may be of the symbol given up.
    client.0.send(Message::Ping("after".into())).unwrap();
    while !matches!(client.0.read().unwrap(), Message::Pong(_)) {}
    for _ in 0..30 {
        assert_eq!(client.next_symbols(), BTreeSet::from(["MSFT".to_owned()]));
    }
}

#[test]
fn too_many_symbols_is_said_and_the_rest_goes_on_and_unsubscribing_frees_a_place() {
    let simulator = RunningSimulator::start(SimulatorOptions { max_symbols: 2, ..fast_options() });
    let mut client = simulator.client();
    client.subscribe(&["A", "B", "C"]);
    let is_refusal =
        |text: &str| text == r#"{"msg":"Subscribing to too many symbols","type":"error"}"#;
    while !is_refusal(&client.next_text().unwrap()) {}
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        seen.extend(client.next_symbols());
    }
    assert_eq!(seen, BTreeSet::from(["A".to_owned(), "B".to_owned()]));
    client.ask("unsubscribe", "A");
    client.ask("subscribe", "C");
    while !client.next_symbols().contains("C") {}
}

#[test]
fn pings_come_without_any_subscription() {
    let ping_every = Duration::from_millis(50);
    let simulator = RunningSimulator::start(SimulatorOptions { ping_every, ..fast_options() });
    let mut client = simulator.client();
    for _ in 0..3 {
        assert_eq!(client.next_text().unwrap(), r#"{"type":"ping"}"#);
    }
}

#[test]
fn a_missing_or_empty_token_is_answered_with_401() {
    let simulator = RunningSimulator::start(fast_options());
    for path in ["/", "/?token=", "/?mytoken=abc"] {
        assert_eq!(refused_status(&simulator, path), 401, "{path}");
    }
    for path in ["/?token=abc", "/?x=1&token=abc"] {
        assert!(Client::connect(simulator.address, path).is_ok(), "{path}");
    }
}

fn refused_status(simulator: &RunningSimulator, path: &str) -> u16 {
    match Client::connect(simulator.address, path).map_err(|error| *error) {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_stop_closes_every_connection_and_returns_at_once() {
    let mut simulator = RunningSimulator::start(fast_options());
    let mut client = simulator.client();
    client.subscribe(&["AAPL"]);
    client.next_symbols();
    let asked = Instant::now();
    simulator.stop().unwrap();
    // A busy machine needs a while for it.
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let closed = loop {
        match client.0.read() {
            Ok(Message::Close(frame)) => break frame,
            Ok(_) => {}
            Err(error) => panic!("no Close frame: {error}"),
        }
    };
    assert_eq!(u16::from(closed.unwrap().code), 1001);
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_the_others_go_on() {
    let simulator = RunningSimulator::start(SimulatorOptions {
        trades_per_second: 100_000.0,
        ..SimulatorOptions::default()
    });
    let (mut stuck, mut other) = (simulator.client(), simulator.client());
    stuck.subscribe(&["A", "B", "C", "D", "E"]);
    other.subscribe(&["A"]);
    // The other reads all the time. When it has had this much, five times as much was made for
    // the stuck one: well above the 8 MiB that wait for it and the system's socket buffers.
    let mut bytes = 0;
    while bytes < 8 * 1024 * 1024 {
        bytes += other.next_text().unwrap().len();
    }
    let (_, error) = stuck.read_to_the_end();
    let is_drop = matches!(
        error,
        Error::Io(_)
            | Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
    );
    assert!(is_drop, "{error}");
    other.next_symbols();
}

#[test]
fn the_sixty_fifth_client_is_turned_away_until_a_place_is_free() {
    let simulator = RunningSimulator::start(fast_options());
    let mut clients: Vec<Client> = (0..64).map(|_| simulator.client()).collect();
    assert!(Client::connect(simulator.address, "/?token=demo").is_err());
    clients.pop();
    let deadline = Instant::now() + DEADLINE;
    let mut last = loop {
        match Client::connect(simulator.address, "/?token=demo") {
            Ok(client) => break client,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    last.subscribe(&["AAPL"]);
    last.next_symbols();
}

mod faults {
    use super::*;
    use tungstenite::error::ProtocolError;

    #[test]
    fn reset_resets_the_connection_in_mid_stream_each_time() {
        let simulator = RunningSimulator::with_faults(&[Fault::Reset]);
        for _ in 0..2 {
            let mut client = simulator.client();
            client.subscribe(&["AAPL"]);
            let (texts, error) = client.read_to_the_end();
            assert!(texts > 0);
            let Error::Io(error) = error else { panic!("{error}") };
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    }

    #[test]
    fn stall_keeps_the_connection_open_and_says_nothing_not_even_pongs() {
        let simulator = RunningSimulator::start(SimulatorOptions {
            faults: vec![Fault::Stall],
            ping_every: Duration::from_millis(100),
            ..fast_options()
        });
        let mut client = simulator.client();
        client.subscribe(&["AAPL"]);
        client.next_symbols();
        let deadline = Instant::now() + DEADLINE;
        while !client.is_quiet_for(Duration::from_secs(1)) {
            assert!(Instant::now() < deadline, "it never stalls");
        }
        client.0.send(Message::Ping("anyone?".into())).unwrap();
        assert!(client.is_quiet_for(Duration::from_secs(1)), "a pong or the end");
    }

    #[test]
    fn kick_closes_about_a_second_after_subscribing_and_not_before() {
        let simulator = RunningSimulator::with_faults(&[Fault::Kick]);
        let mut client = simulator.client();
        let subscribed = Instant::now();
        client.subscribe(&["AAPL"]);
        let (texts, error) = client.read_to_the_end();
        assert!(matches!(error, Error::ConnectionClosed), "{error}");
        assert!(texts > 0 && subscribed.elapsed() >= Duration::from_millis(900));
    }

    #[test]
    fn refuse_names_every_third_symbol_and_streams_the_others() {
        let simulator = RunningSimulator::with_faults(&[Fault::Refuse]);
        let mut client = simulator.client();
        client.subscribe(&["A", "B", "C\"", "D", "E", "F"]);
        let (mut errors, mut seen) = (Vec::new(), BTreeSet::new());
        while errors.len() < 2 || seen.len() < 4 {
            let message = client.next_json();
            match message["type"].as_str() {
                Some("error") => errors.push(message["msg"].as_str().unwrap().to_owned()),
                _ => seen.extend(
                    message["data"].as_array().unwrap().iter().map(|trade| trade["s"].to_string()),
                ),
            }
        }
        assert_eq!(errors, ["Invalid symbol C\"", "Invalid symbol F"]);
        assert!(!seen.contains("\"F\"") && seen.contains("\"D\""), "{seen:?}");
    }

    #[test]
    fn garbage_spoils_messages_and_elements_and_the_rest_stays_good() {
        let simulator = RunningSimulator::with_faults(&[Fault::Garbage]);
        let mut client = simulator.client();
        client.subscribe(&["AAPL"]);
        let is_good = |trade: &Value| {
            trade["p"].is_number()
                && trade["v"].is_number()
                && trade["t"].is_i64()
                && trade["s"] == "AAPL"
        };
        let (mut no_json, mut bad_elements, mut good_beside_bad) = (0, 0, 0);
        let deadline = Instant::now() + DEADLINE;
        while no_json == 0 || bad_elements < 3 || good_beside_bad == 0 {
            assert!(Instant::now() < deadline, "{no_json} {bad_elements} {good_beside_bad}");
            let text = client.next_text().unwrap();
            let Ok(message) = serde_json::from_str::<Value>(&text) else {
                no_json += 1;
                continue;
            };
            let Some(elements) = message["data"].as_array() else { continue };
            let good = elements.iter().filter(|trade| is_good(trade)).count();
            bad_elements += elements.len() - good;
            good_beside_bad += if good < elements.len() { good } else { 0 };
        }
    }

    #[test]
    fn cut_ends_the_connection_inside_a_frame() {
        let simulator = RunningSimulator::with_faults(&[Fault::Cut]);
        let mut client = simulator.client();
        client.subscribe(&["AAPL"]);
        client.next_symbols();
        // The frames as they are on the wire: two-byte header, sixteen-bit length when it is 126.
        let stream = client.0.get_mut();
        let mut bytes = Vec::new();
        io::Read::read_to_end(stream, &mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        let missing = loop {
            let (header, length) = match rest {
                [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
                [_, length, ..] => (2, usize::from(*length)),
                _ => panic!("it ended between two frames"),
            };
            match rest.get(header + length..) {
                Some(next) => rest = next,
                None => break header + length - rest.len(),
            }
        };
        assert!(missing > 0 && rest.starts_with(b"\x81"), "{missing} bytes are missing");
    }

    #[test]
    fn cut_looks_to_a_client_like_a_connection_that_broke() {
        let simulator = RunningSimulator::with_faults(&[Fault::Cut]);
        let mut client = simulator.client();
        client.subscribe(&["AAPL"]);
        let (_, error) = client.read_to_the_end();
        let expected = ProtocolError::ResetWithoutClosingHandshake;
        assert!(matches!(&error, Error::Protocol(seen) if *seen == expected), "{error}");
    }

    #[test]
    fn pings_only_gives_pings_and_no_trades() {
        let simulator = RunningSimulator::start(SimulatorOptions {
            faults: vec![Fault::PingsOnly],
            ping_every: Duration::from_millis(200),
            ..fast_options()
        });
        let mut client = simulator.client();
        client.subscribe(&["AAPL"]);
        for _ in 0..4 {
            assert_eq!(client.next_text().unwrap(), r#"{"type":"ping"}"#);
        }
    }

    #[test]
    fn unauthorized_and_too_many_refuse_the_handshake() {
        let unauthorized = RunningSimulator::with_faults(&[Fault::Unauthorized]);
        assert_eq!(refused_status(&unauthorized, "/?token=good"), 401);
        let too_many = RunningSimulator::with_faults(&[Fault::TooMany]);
        assert_eq!(refused_status(&too_many, "/?token=good"), 429);
    }

    #[test]
    fn slow_delays_the_upgrade_and_then_works() {
        let simulator = RunningSimulator::with_faults(&[Fault::Slow]);
        let asked = Instant::now();
        let mut client = simulator.client();
        assert!(asked.elapsed() >= finnhub_stream::simulator::SLOW_UPGRADE);
        client.subscribe(&["AAPL"]);
        client.next_symbols();
    }
}

mod replay {
    use super::*;

    fn replaying(rows: &str, speed: f64) -> RunningSimulator {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let header = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
        file.write_all(format!("{header}{rows}").as_bytes()).unwrap();
        // The file is opened when the simulator is bound, so it may go afterwards.
        let replay = Some(Replay { path: file.path().to_owned(), speed });
        let ping_every = Duration::from_millis(200);
        RunningSimulator::start(SimulatorOptions { replay, ping_every, ..fast_options() })
    }

    #[test]
    fn the_digits_come_verbatim_for_subscribed_symbols_and_then_only_pings() {
        let simulator = replaying(
            "AAPL,100.10,5,1700000000000,1700000000100,1;12\n\
             MSFT,1,1,1700000000000,1700000000100,\n\
             AAPL,1e-07,0,1699999999999,1700000000100,\n\
             torn,1\n\
             \"A\"PL,1,1,1700000000000,1700000000100,\n\
             \"AAPL\",3.000,0.00008,1700000000002,1700000060100,\n",
            1000.0,
        );
        let mut client = simulator.client();
        client.subscribe(&["AAPL"]);
        let mut texts = Vec::new();
        while texts.len() < 2 {
            let text = client.next_text().unwrap();
            if text != r#"{"type":"ping"}"# {
                texts.push(text);
            }
        }
        assert_eq!(
            texts,
            [
                r#"{"data":[{"c":["1","12"],"p":100.10,"s":"AAPL","t":1700000000000,"v":5},{"c":null,"p":1e-07,"s":"AAPL","t":1699999999999,"v":0}],"type":"trade"}"#,
                r#"{"data":[{"c":null,"p":3.000,"s":"AAPL","t":1700000000002,"v":0.00008}],"type":"trade"}"#,
            ]
        );
        for _ in 0..3 {
            assert_eq!(client.next_text().unwrap(), r#"{"type":"ping"}"#);
        }
    }

    #[test]
    fn a_replay_faster_than_its_client_loses_nothing() {
        use std::fmt::Write as _;

        let rows: u32 = 200_000;
        let mut text = String::new();
        for row in 0..rows {
            let _ = writeln!(text, "AAPL,{row},1,1700000000000,1700000000000,1");
        }
        let simulator = replaying(&text, 1_000_000.0);
        let mut client = simulator.client();
        client.subscribe(&["AAPL"]);
        let mut next = 0;
        while next < rows {
            let message = client.next_json();
            for trade in message["data"].as_array().into_iter().flatten() {
                assert_eq!(trade["p"], next, "in order and whole");
                next += 1;
            }
        }
    }

    #[test]
    fn a_client_that_does_not_read_does_not_stop_a_replay_for_the_others() {
        // Far more than what may wait for it, beside the system's socket buffers.
        let (rows, condition) = (40_000, "x".repeat(1000));
        let row = format!("AAPL,1,1,1700000000000,1700000000000,{condition}\n");
        let simulator = replaying(&row.repeat(rows), 1.0);
        let (mut stuck, mut other) = (simulator.client(), simulator.client());
        stuck.subscribe(&["AAPL"]);
        other.subscribe(&["AAPL"]);
        let mut seen = 0;
        while seen < rows {
            seen += other.next_json()["data"].as_array().map_or(0, Vec::len);
        }
        assert!(stuck.read_to_the_end().0 < rows / 10, "it was dropped long before the end");
    }
}
