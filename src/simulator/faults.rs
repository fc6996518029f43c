//! What the simulated server does wrong on purpose, and when.
//!
//! A rule: no I/O and no clock, times are arguments, chance comes from the seed.

use super::garbage::Garbage;
use super::names::hash;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

/// How long after its first subscription a connection comes to its end by `reset`, `stall` or
/// `cut`: long enough to see trades flow and short enough to watch a reconnect. The same again on
/// every new connection.
pub const ENDING_AFTER: Range<Duration> = Duration::from_secs(5)..Duration::from_secs(15);

/// How long after its first subscription `kick` closes a connection. A second session with the
/// same key was seen to be thrown out after about this time.
pub const KICK_AFTER: Duration = Duration::from_secs(1);

/// How long `slow` leaves a client waiting for its upgrade: noticeable, and well within the 30 s
/// that a patient client allows.
pub const SLOW_UPGRADE: Duration = Duration::from_secs(5);

/// Which subscriptions of a connection `refuse` turns down: every third, so that most go on.
pub const REFUSE_EVERY: u64 = 3;

/// Out of a hundred trade messages so many are spoilt (or preceded by nonsense) by `garbage`.
pub const GARBAGE_PER_CENT: u8 = 20;

/// Something that a real server was seen to do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// `reset`: some seconds after subscribing the TCP connection is reset.
    Reset,
    /// `stall`: some seconds after subscribing nothing is sent any more, neither trades nor pings
    /// nor pongs, and the connection stays open.
    Stall,
    /// `kick`: the connection is accepted, and closed about 1 s after subscribing.
    Kick,
    /// `refuse`: every third subscription is answered with `Invalid symbol`.
    Refuse,
    /// `garbage`: now and then a message that is no JSON, or with elements that are no trades
    /// among the real ones.
    Garbage,
    /// `cut`: some seconds after subscribing the connection ends in the middle of a frame.
    Cut,
    /// `pings-only`: the connection lives but no trade comes.
    PingsOnly,
    /// `unauthorized`: every handshake is answered with HTTP 401.
    Unauthorized,
    /// `too-many`: every handshake is answered with HTTP 429.
    TooMany,
    /// `slow`: the upgrade takes 5 s.
    Slow,
}

impl Fault {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 10] = [
        Self::Reset,
        Self::Stall,
        Self::Kick,
        Self::Refuse,
        Self::Garbage,
        Self::Cut,
        Self::PingsOnly,
        Self::Unauthorized,
        Self::TooMany,
        Self::Slow,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::Kick => "kick",
            Self::Refuse => "refuse",
            Self::Garbage => "garbage",
            Self::Cut => "cut",
            Self::PingsOnly => "pings-only",
            Self::Unauthorized => "unauthorized",
            Self::TooMany => "too-many",
            Self::Slow => "slow",
        }
    }

    /// One line for `--help`.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Reset => "TCP reset, 5 to 15 s after subscribing",
            Self::Stall => "nothing sent any more 5 to 15 s after subscribing, not even pongs",
            Self::Kick => "closed about 1 s after subscribing",
            Self::Refuse => "every third symbol answered with `Invalid symbol`",
            Self::Garbage => "now and then no JSON, or elements that are no trades",
            Self::Cut => "closed inside a frame, 5 to 15 s after subscribing",
            Self::PingsOnly => "pings but no trades",
            Self::Unauthorized => "HTTP 401 at the handshake",
            Self::TooMany => "HTTP 429 at the handshake",
            Self::Slow => "the upgrade takes 5 s",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is not one of [`Fault::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called {0:?}; there are {names}", names = all_names())]
pub struct UnknownFault(String);

fn all_names() -> String {
    Fault::ALL.map(Fault::name).join(", ")
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let same_name = |fault: &Self| fault.name() == name.trim();
        Self::ALL.into_iter().find(same_name).ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

/// How a connection comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Reset,
    Stall,
    Kick,
    Cut,
}

/// What the faults in force mean for each new connection and message.
#[derive(Debug)]
pub(super) struct FaultPlan {
    faults: Vec<Fault>,
    ending_after: Range<Duration>,
    rng: fastrand::Rng,
}

impl FaultPlan {
    pub(super) fn new(faults: Vec<Fault>, ending_after: Range<Duration>, seed: u64) -> Self {
        // Mixed, so that neighbouring seeds do not draw alike at first.
        let rng = fastrand::Rng::with_seed(seed ^ hash("faults"));
        Self { faults, ending_after, rng }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// How long a connection waits for its upgrade.
    pub(super) fn upgrade_delay(&self) -> Duration {
        if self.has(Fault::Slow) { SLOW_UPGRADE } else { Duration::ZERO }
    }

    /// The HTTP status that refuses every handshake, if one does.
    pub(super) fn handshake_refusal(&self) -> Option<u16> {
        if self.has(Fault::Unauthorized) {
            Some(401)
        } else if self.has(Fault::TooMany) {
            Some(429)
        } else {
            None
        }
    }

    /// Whether a connection's subscription number `count` (the first is 1) is refused.
    pub(super) fn refuses(&self, count: u64) -> bool {
        self.has(Fault::Refuse) && count.is_multiple_of(REFUSE_EVERY)
    }

    /// Draws how and how long after its first subscription a new connection ends; with several
    /// faults that end one, any of them.
    pub(super) fn draw_ending(&mut self) -> Option<(Duration, Ending)> {
        let endings: Vec<Ending> = self.faults.iter().filter_map(|fault| ending(*fault)).collect();
        let ending = *endings.get(self.rng.usize(0..endings.len().max(1)))?;
        let Range { start, end } = self.ending_after;
        let after = match ending {
            Ending::Kick => KICK_AFTER,
            _ => start + end.saturating_sub(start).mul_f64(self.rng.f64()),
        };
        Some((after, ending))
    }

    /// Draws what `garbage` does to the next trade message.
    pub(super) fn draw_garbage(&mut self) -> Option<Garbage> {
        if !self.has(Fault::Garbage) || self.rng.u8(0..100) >= GARBAGE_PER_CENT {
            return None;
        }
        Some(Garbage::draw(&mut self.rng))
    }
}

fn ending(fault: Fault) -> Option<Ending> {
    match fault {
        Fault::Reset => Some(Ending::Reset),
        Fault::Stall => Some(Ending::Stall),
        Fault::Kick => Some(Ending::Kick),
        Fault::Cut => Some(Ending::Cut),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name_and_no_other_is() {
        for fault in Fault::ALL {
            assert_eq!(fault.to_string().parse(), Ok(fault));
            assert!(!fault.description().is_empty());
        }
        let message = "Reset".parse::<Fault>().unwrap_err().to_string();
        assert!(message.contains("\"Reset\"") && message.contains("pings-only"), "{message}");
    }

    #[test]
    fn endings_come_within_their_time_and_each_asked_for_comes() {
        let faults = vec![Fault::Reset, Fault::Kick, Fault::Garbage, Fault::Cut];
        let mut plan = FaultPlan::new(faults, ENDING_AFTER, 1);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let (after, ending) = plan.draw_ending().expect("one of three");
            let expected = match ending {
                Ending::Kick => KICK_AFTER..KICK_AFTER + Duration::from_millis(1),
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
    fn the_seed_decides_when() {
        let draw = |seed| FaultPlan::new(vec![Fault::Reset], ENDING_AFTER, seed).draw_ending();
        assert_eq!(draw(4), draw(4));
        assert_ne!(draw(4), draw(5));
    }

    #[test]
    fn without_faults_nothing_goes_wrong() {
        let mut plan = FaultPlan::new(Vec::new(), ENDING_AFTER, 1);
        assert_eq!(plan.draw_ending(), None);
        assert_eq!(plan.draw_garbage(), None);
        assert_eq!(plan.handshake_refusal(), None);
        assert_eq!(plan.upgrade_delay(), Duration::ZERO);
        assert!(!(1..10).any(|count| plan.refuses(count)));
    }

    #[test]
    fn every_third_subscription_is_refused() {
        let plan = FaultPlan::new(vec![Fault::Refuse], ENDING_AFTER, 1);
        let refused: Vec<u64> = (1..10).filter(|count| plan.refuses(*count)).collect();
        assert_eq!(refused, [3, 6, 9]);
    }

    #[test]
    fn garbage_comes_now_and_then_in_both_forms() {
        let mut plan = FaultPlan::new(vec![Fault::Garbage], ENDING_AFTER, 1);
        let drawn: Vec<Garbage> = (0..1000).filter_map(|_| plan.draw_garbage()).collect();
        assert!((100..300).contains(&drawn.len()), "{}", drawn.len());
        assert!(drawn.iter().any(|garbage| matches!(garbage, Garbage::Message(_))));
        assert!(drawn.iter().any(|garbage| matches!(garbage, Garbage::Element(_))));
    }
}
