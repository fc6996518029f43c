//! The polling loop of the simulated server: takes connections and requests in, hands trades and
//! pings out.
//!
//! Runs on the thread that calls [`run`](Server::run), and is the only part of the simulator that
//! looks at a clock. No call in the loop waits for a client: each gets what its socket takes, and
//! who falls too far behind is dropped.

use super::client::{Client, Gone};
use super::faults::{Fault, FaultPlan};
use super::garbage::Garbage;
use super::market::{Market, TradeBatch};
use super::reception::Reception;
use super::replay::{Recording, ReplayedTrade};
use super::request::Request;
use super::spelling::{PING, TOO_MANY_SYMBOLS, invalid_symbol, trade_message};
use super::{MOST_TRADES_PER_SECOND, SimulatorError, SimulatorOptions};
use crate::trade::{DEMO_PREFIX, is_simulated};
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the loop rests between two looks: far below what a person or a test notices, and
/// 200 wake-ups a second cost next to nothing.
const REST: Duration = Duration::from_millis(5);

/// How often the trades made since the last time are sent, as the real server gathers them too.
const TICK: Duration = Duration::from_millis(100);

/// The same at rates above [`FAST_RATE`], where a tenth of a second's trades would come in bursts.
const FAST_TICK: Duration = Duration::from_millis(10);

/// Trades a second for each symbol from which on the fast tick is used: ten a tick, a full message.
const FAST_RATE: f64 = 100.0;

/// No captured message holds more trades.
const TRADES_PER_MESSAGE: usize = 10;

/// No real symbol comes near this length.
const LONGEST_SYMBOL_BYTES: usize = 128;

/// Rows of a recording are played in portions, so that a fast replay leaves time for requests, and
/// so small (some 80 kB) that a client which reads at all has soon taken one.
const REPLAY_ROWS_PER_PASS: usize = 1000;

/// How long after the first subscription a replay begins: subscriptions come one by one, and the
/// first rows are for the last of them too.
const REPLAY_DELAY: Duration = Duration::from_millis(250);

/// For so long a replay waits for a client whose socket is full: a fast replay is as fast as its
/// client, but one that is stuck does not stop it for the others.
const REPLAY_PATIENCE: Duration = Duration::from_secs(1);

/// How long clients have, after a stop, to answer the Close frame.
const GOODBYE: Duration = Duration::from_millis(100);

/// A ping interval of zero would send nothing else.
const SHORTEST_PING_INTERVAL: Duration = Duration::from_millis(10);

/// Everything the loop works on.
#[derive(Debug)]
pub(super) struct Server {
    max_symbols: usize,
    plain_symbols: bool,
    ping_every: Duration,
    tick: Duration,
    market: Market,
    recording: Option<Recording>,
    /// When the replay begins, after the start; known when the first client has subscribed.
    replay_begins: Option<Duration>,
    plan: FaultPlan,
    reception: Reception,
    clients: Vec<Client>,
    batch: TradeBatch,
}

impl Server {
    /// Checks the options and opens the recording, if there is one.
    pub(super) fn new(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let rate = options.trades_per_second;
        if !(0.0..=MOST_TRADES_PER_SECOND).contains(&rate) {
            return Err(SimulatorError::Rate(rate));
        }
        let recording = options.replay.map(Recording::open).transpose()?;
        let market_rate = if recording.is_some() { 0.0 } else { rate };
        Ok(Self {
            max_symbols: options.max_symbols,
            plain_symbols: options.plain_symbols,
            ping_every: options.ping_every.max(SHORTEST_PING_INTERVAL),
            tick: if rate > FAST_RATE { FAST_TICK } else { TICK },
            market: Market::new(options.seed, market_rate),
            recording,
            replay_begins: None,
            plan: FaultPlan::new(options.faults, options.ending_after, options.seed),
            reception: Reception::default(),
            clients: Vec::new(),
            batch: TradeBatch::default(),
        })
    }

    /// Serves until `stop` is set.
    pub(super) fn run(mut self, listener: &TcpListener, stop: &AtomicBool) -> io::Result<()> {
        let started = Instant::now();
        let mut next_tick = self.tick;
        while !stop.load(Ordering::Relaxed) {
            let now = started.elapsed();
            self.let_in(listener, now)?;
            self.take_requests(now);
            if now >= next_tick {
                next_tick = now + self.tick;
                self.send_trades(now);
            }
            let more = self.send_replay(now);
            self.ping_flush_and_end(now);
            if !more {
                sleep(REST);
            }
        }
        self.say_goodbye(started);
        Ok(())
    }

    fn let_in(&mut self, listener: &TcpListener, now: Duration) -> io::Result<()> {
        self.reception.accept(listener, now, self.clients.len(), &self.plan)?;
        for socket in self.reception.upgraded(now) {
            let ending = self.plan.draw_ending();
            self.clients.push(Client::new(socket, now + self.ping_every, ending));
        }
        Ok(())
    }

    fn take_requests(&mut self, now: Duration) {
        self.for_each_client(|server, client| {
            for request in client.requests(now)? {
                server.answer(client, request, now)?;
            }
            Ok(())
        });
    }

    fn answer(&mut self, client: &mut Client, request: Request, now: Duration) -> Result<(), Gone> {
        match request {
            Request::Subscribe(symbol) if client.has_symbol(&symbol) => Ok(()),
            Request::Subscribe(symbol) => {
                client.asked += 1;
                if symbol.is_empty()
                    || symbol.len() > LONGEST_SYMBOL_BYTES
                    || self.plan.refuses(client.asked)
                {
                    return client.send(invalid_symbol(&symbol));
                }
                if client.symbols() >= self.max_symbols {
                    return client.send(TOO_MANY_SYMBOLS.to_owned());
                }
                let id = if self.plain_symbols || is_simulated(&symbol) {
                    self.market.subscribe(&symbol, now)
                } else {
                    self.market.subscribe(&format!("{DEMO_PREFIX}{symbol}"), now)
                };
                client.add_symbol(symbol, id, now);
                self.replay_begins.get_or_insert(now + REPLAY_DELAY);
                Ok(())
            }
            Request::Unsubscribe(symbol) => {
                if let Some(id) = client.remove_symbol(&symbol) {
                    self.market.unsubscribe(id);
                }
                Ok(())
            }
        }
    }

    fn send_trades(&mut self, now: Duration) {
        let mut batch = std::mem::take(&mut self.batch);
        self.market.trades_until(now, unix_ms(), &mut batch);
        self.for_each_client(|server, client| {
            let mut elements = batch.iter().filter(|(id, _)| client.has_id(*id)).peekable();
            let mut messages = Vec::new();
            while elements.peek().is_some() {
                let part = elements.by_ref().take(TRADES_PER_MESSAGE);
                messages.push(part.map(|(_, element)| element).collect::<Vec<_>>());
            }
            messages.into_iter().try_for_each(|part| server.send_message(client, part))
        });
        self.batch = batch;
    }

    /// Plays what is due; says whether there is more that is due already.
    fn send_replay(&mut self, now: Duration) -> bool {
        let Some(began) = self.replay_begins.filter(|begins| now >= *begins) else { return false };
        let Some(mut recording) = self.recording.take() else { return false };
        let waits = |client: &Client| {
            client.blocked_since().is_some_and(|since| now < since + REPLAY_PATIENCE)
        };
        let mut rows = 0;
        if !self.clients.iter().any(waits) {
            let mut group: Vec<ReplayedTrade> = Vec::new();
            while rows < REPLAY_ROWS_PER_PASS {
                let Some(trade) = recording.next_due(now.saturating_sub(began)) else { break };
                rows += 1;
                let other_instant =
                    group.last().is_some_and(|last| last.instant_ms != trade.instant_ms);
                if other_instant || group.len() == TRADES_PER_MESSAGE {
                    self.send_group(&group);
                    group.clear();
                }
                group.push(trade);
            }
            self.send_group(&group);
        }
        self.recording = Some(recording);
        rows == REPLAY_ROWS_PER_PASS
    }

    fn send_group(&mut self, group: &[ReplayedTrade]) {
        self.for_each_client(|server, client| {
            let wanted = group.iter().filter(|trade| client.has_symbol(&trade.symbol));
            let elements: Vec<&str> = wanted.map(|trade| trade.element.as_str()).collect();
            server.send_message(client, elements)
        });
    }

    fn send_message(&mut self, client: &mut Client, mut elements: Vec<&str>) -> Result<(), Gone> {
        if elements.is_empty() || self.plan.has(Fault::PingsOnly) {
            return Ok(());
        }
        match self.plan.draw_garbage() {
            Some(Garbage::Message(text)) => client.send(text.to_owned())?,
            Some(Garbage::Element(element)) => elements.insert(elements.len() / 2, element),
            None => {}
        }
        client.send(trade_message(elements.into_iter()))
    }

    fn ping_flush_and_end(&mut self, now: Duration) {
        let ping_every = self.ping_every;
        self.for_each_client(|_, client| {
            if now >= client.next_ping {
                client.next_ping = now + ping_every;
                client.send(PING.to_owned())?;
            }
            client.flush(now)?;
            client.end_if_due(now)
        });
    }

    /// Does `work` for every client and lets those go whose connection is over.
    fn for_each_client(
        &mut self,
        mut work: impl FnMut(&mut Self, &mut Client) -> Result<(), Gone>,
    ) {
        let mut clients = std::mem::take(&mut self.clients);
        clients.retain_mut(|client| match work(self, client) {
            Ok(()) => true,
            Err(Gone(reason)) => {
                log::debug!("simulator: client gone: {reason}");
                client.all_ids().for_each(|id| self.market.unsubscribe(id));
                false
            }
        });
        self.clients = clients;
    }

    /// Sends Close to everyone and gives them a moment to answer.
    fn say_goodbye(&mut self, started: Instant) {
        let begun = started.elapsed();
        let deadline = begun + GOODBYE;
        self.for_each_client(|_, client| client.say_goodbye(begun));
        while !self.clients.is_empty() && started.elapsed() < deadline {
            let now = started.elapsed();
            self.for_each_client(|_, client| client.requests(now).map(drop));
            self.for_each_client(|_, client| client.flush(now));
            sleep(REST);
        }
    }
}

/// What the wall clock shows, in UNIX milliseconds.
fn unix_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Replay;
    use super::*;
    use std::fmt::Write as _;
    use std::net::TcpStream;
    use tungstenite::{Message, WebSocket};

    /// A server replaying `rows` and one client of it. The time is what the test says it is.
    fn replaying(rows: &str) -> (Server, WebSocket<TcpStream>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("ticker,price,volume,timestamp_ms\n{rows}");
        std::fs::write(file.path(), text).unwrap();
        let replay = Some(Replay { path: file.path().to_owned(), speed: 1.0 });
        let options = SimulatorOptions { replay, ..SimulatorOptions::default() };
        let mut server = Server::new(options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let connecting = std::thread::spawn(move || {
            let stream = TcpStream::connect(address).unwrap();
            tungstenite::client(format!("ws://{address}/?token=demo"), stream).unwrap().0
        });
        while server.clients.is_empty() {
            server.let_in(&listener, Duration::ZERO).unwrap();
        }
        (server, connecting.join().unwrap())
    }

    fn subscribe(server: &mut Server, socket: &mut WebSocket<TcpStream>, symbol: &str, ms: u64) {
        let request = format!(r#"{{"type":"subscribe","symbol":"{symbol}"}}"#);
        socket.send(Message::text(request)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !server.clients[0].has_symbol(symbol) {
            assert!(Instant::now() < deadline, "{symbol} is not subscribed");
            server.take_requests(Duration::from_millis(ms));
        }
    }

    #[test]
    fn a_replay_leaves_time_for_the_other_subscriptions() {
        let (mut server, mut socket) = replaying("A,1,1,1000\nB,2,1,1000\n");
        subscribe(&mut server, &mut socket, "A", 1000);
        server.send_replay(Duration::from_secs(1));
        subscribe(&mut server, &mut socket, "B", 1100);
        server.send_replay(Duration::from_millis(1100));
        server.send_replay(Duration::from_millis(1250));
        server.ping_flush_and_end(Duration::from_millis(1250));
        let text = socket.read().unwrap().into_text().unwrap();
        assert!(text.contains(r#""s":"A""#) && text.contains(r#""s":"B""#), "{text}");
    }

    #[test]
    fn a_replay_waits_a_second_for_a_full_socket_and_then_drops_the_client() {
        let mut rows = String::new();
        for row in 0..500_000 {
            let _ = writeln!(rows, "A,{row},1,1000");
        }
        let (mut server, mut socket) = replaying(&rows);
        subscribe(&mut server, &mut socket, "A", 0);
        let full_at = Duration::from_secs(1);
        while server.clients[0].blocked_since().is_none() {
            assert!(server.send_replay(full_at), "the socket takes the whole recording");
            server.ping_flush_and_end(full_at);
        }
        for ms in [1000, 1500, 1999] {
            assert!(!server.send_replay(Duration::from_millis(ms)), "waits at {ms} ms");
        }
        while !server.clients.is_empty() {
            assert!(server.send_replay(Duration::from_secs(2)), "goes on, to nobody's harm");
        }
    }
}
