//! Part (d): a quiet night. Every recorder gets nothing but pings; what it costs all the same, and
//! how often its threads wake up. All run at the same time: they have nothing to compete for.

use std::thread;
use std::time::Duration;

use crate::Outcome;
use crate::load::Load;
use crate::measure;
use crate::plan::Plan;
use crate::recorders::Recorder;
use crate::sender::Sender;

/// So long after the subscriptions nothing of the start goes on any more, an fsync included.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// What one recorder did in this time.
pub(crate) struct Idle {
    pub(crate) recorder: Recorder,
    pub(crate) cpu: Duration,
    pub(crate) wake_ups: u64,
    pub(crate) resident_bytes: u64,
}

/// # Errors
/// A recorder that fails.
pub(crate) fn compare(plan: &Plan, load: &Load) -> Outcome<Vec<Idle>> {
    let settled = SETTLED_AFTER.min(plan.idle);
    let one = |recorder| -> Outcome<Idle> {
        let (process, mut sender) = Sender::start(recorder, load.symbols())?;
        sender.stay_idle(settled)?;
        let id = process.id();
        let before = (measure::cpu_of_running(id)?, measure::wake_ups_of_running(id)?);
        sender.stay_idle(plan.idle)?;
        let after = (measure::cpu_of_running(id)?, measure::wake_ups_of_running(id)?);
        let resident_bytes = measure::resident_bytes(id).ok_or("it has ended")?;
        let (cpu, wake_ups) = (after.0.saturating_sub(before.0), after.1 - before.1);
        Ok(Idle { recorder, cpu, wake_ups, resident_bytes })
    };
    thread::scope(|scope| {
        let all: Vec<_> =
            plan.prompt_recorders().map(|recorder| scope.spawn(move || one(recorder))).collect();
        all.into_iter().map(|one| one.join().map_err(|_| "a sender panicked")?).collect()
    })
}
