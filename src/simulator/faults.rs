//! What the simulated server does wrong on purpose, and when.
//!
//! A rule: no I/O and no clock, times are arguments, chance comes from the seed.

use super::names::hash;
use super::options::{Fault, SimulatorOptions};
use std::ops::Range;
use std::time::Duration;
use tungstenite::http::StatusCode;

/// How long after its first subscription `kick` closes a connection. The real server closed a second session
/// with the same key after about this time.
const KICK_AFTER: Duration = Duration::from_secs(1);

/// How long `slow` leaves a client waiting for its upgrade: noticeable, and well within the 30 s
/// that a patient client allows.
pub const SLOW_UPGRADE: Duration = Duration::from_secs(5);

/// Which subscriptions of a connection `refuse` turns down: every third, so that most go on.
const REFUSE_EVERY: u64 = 3;

/// Of a hundred trade messages, the number that `garbage` damages, or puts nonsense before.
const GARBAGE_PER_CENT: u8 = 20;

/// What the chosen faults do to one connection.
#[derive(Debug)]
pub(super) struct FaultPlan<'hub> {
    options: &'hub SimulatorOptions,
    rng: fastrand::Rng,
}

impl<'hub> FaultPlan<'hub> {
    /// The plan for the connection of this number; each has its own chances.
    pub(super) fn new(options: &'hub SimulatorOptions, connection: u64) -> Self {
        // Hashed, so that neighbouring seeds and connections do not begin with similar numbers.
        let seed = options.seed ^ hash(&format!("connection {connection}"));
        Self { options, rng: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.options.faults.contains(&fault)
    }

    /// The HTTP status that refuses every handshake, if one does.
    pub(super) fn handshake_refusal(&self) -> Option<StatusCode> {
        let unauthorized = self.has(Fault::Unauthorized).then_some(StatusCode::UNAUTHORIZED);
        let too_many = self.has(Fault::TooMany).then_some(StatusCode::TOO_MANY_REQUESTS);
        unauthorized.or(too_many)
    }

    /// Whether a connection's subscription number `count` (the first is 1) is refused.
    pub(super) fn refuses(&self, count: u64) -> bool {
        self.has(Fault::Refuse) && count.is_multiple_of(REFUSE_EVERY)
    }

    /// Draws how and how long after its first subscription the connection ends; with several
    /// faults that end one, any of them.
    pub(super) fn draw_ending(&mut self) -> Option<(Duration, Fault)> {
        let mut endings = vec![Fault::Reset, Fault::Stall, Fault::Kick, Fault::Cut];
        endings.retain(|fault| self.has(*fault));
        let ending = self.rng.choice(endings)?;
        let Range { start, end } = self.options.ending_after;
        let after = match ending {
            Fault::Kick => KICK_AFTER,
            _ => start + end.saturating_sub(start).mul_f64(self.rng.f64()),
        };
        Some((after, ending))
    }

    /// Damages a message now and then, as `garbage` asks for: puts an element that is no trade among the
    /// others, or gives nonsense to be sent before the message.
    pub(super) fn spoil(&mut self, elements: &mut Vec<&str>) -> Option<&'static str> {
        if !self.has(Fault::Garbage) || self.rng.u8(0..100) >= GARBAGE_PER_CENT {
            return None;
        }
        if self.rng.bool() {
            return self.rng.choice(WHOLE_MESSAGES).copied();
        }
        let place = elements.len() / 2;
        elements.splice(place..place, self.rng.choice(BAD_ELEMENTS).copied());
        None
    }
}

/// No JSON, or JSON of no known shape. Some have control characters and escapes, which must not reach a
/// terminal.
const WHOLE_MESSAGES: &[&str] = &[
    "",
    "<html><body>502 Bad Gateway</body></html>",
    r#"{"data":[{"c":["1"],"p":1.5,"s":"AAPL","t":16802"#,
    "\u{1b}[31mnot JSON\u{1b}[0m\n",
    r#"{"data":"nothing","type":"trade"}"#,
    r#"{"data":null,"type":"trade"}"#,
    r#"{"type":"mystery"}"#,
    r#"["trade"]"#,
    "null",
];

/// Well-formed JSON that is no trade.
const BAD_ELEMENTS: &[&str] = &[
    "null",
    "17",
    "{}",
    r#"{"c":["1"],"s":"AAPL","t":1680286537580,"v":5}"#,
    r#"{"c":["1"],"p":"164.06","s":"AAPL","t":1680286537580,"v":5}"#,
    r#"{"c":["1"],"p":164.06,"s":17,"t":1680286537580,"v":5}"#,
    r#"{"c":["1"],"p":164.06,"s":"AAPL","t":"yesterday","v":5}"#,
    r#"{"c":["1"],"p":164.06,"s":"AAPL","t":1680286537580,"v":null}"#,
    r#"{"c":["1"],"p":null,"s":"\u001b[31mred\r\n","t":1680286537580,"v":5}"#,
];

#[cfg(test)]
mod tests {
    use super::super::options::ENDING_AFTER;
    use super::*;

    fn options(faults: &[Fault], seed: u64) -> SimulatorOptions {
        SimulatorOptions { seed, faults: faults.to_vec(), ..SimulatorOptions::default() }
    }

    #[test]
    fn endings_come_within_their_time_and_each_asked_for_comes() {
        let options = options(&[Fault::Reset, Fault::Kick, Fault::Garbage, Fault::Cut], 1);
        let mut seen = Vec::new();
        for connection in 0..100 {
            let ending = FaultPlan::new(&options, connection).draw_ending();
            let (after, ending) = ending.expect("one of three");
            let expected = match ending {
                Fault::Kick => KICK_AFTER..KICK_AFTER + Duration::from_millis(1),
                _ => ENDING_AFTER,
            };
            assert!(expected.contains(&after), "{ending:?} after {after:?}");
            if !seen.contains(&ending) {
                seen.push(ending);
            }
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
    }

    #[test]
    fn the_seed_decides_when_and_each_connection_differs() {
        let draw = |seed, connection| {
            FaultPlan::new(&options(&[Fault::Reset], seed), connection).draw_ending()
        };
        assert_eq!(draw(4, 1), draw(4, 1));
        assert_ne!(draw(4, 1), draw(5, 1));
        assert_ne!(draw(4, 1), draw(4, 2));
    }

    #[test]
    fn without_faults_nothing_goes_wrong() {
        let options = options(&[], 1);
        let mut plan = FaultPlan::new(&options, 1);
        assert_eq!((plan.draw_ending(), plan.handshake_refusal()), (None, None));
        assert!(
            (1..100).all(|count| plan.spoil(&mut Vec::new()).is_none() && !plan.refuses(count))
        );
    }

    #[test]
    fn bad_elements_are_json_so_that_only_they_are_lost() {
        for element in BAD_ELEMENTS {
            serde_json::from_str::<serde_json::Value>(element).expect(element);
        }
    }
}
