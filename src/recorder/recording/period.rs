//! Which span of time a file is for, and when the next one begins.
//!
//! Writer thread. Times are this machine's clock in UNIX milliseconds, and come as arguments.

use crate::recorder::rotation::Rotate;

/// After a rotation that failed, rows go on into the old file for this long before another try.
const ROTATE_AGAIN_MS: i64 = 60_000;

/// When the time is this much before the period of the file, the clock was set back, by more than the usual
/// corrections.
const SET_BACK_MS: i64 = 60_000;

/// The period of the present file.
#[derive(Debug)]
pub(super) struct Period {
    pub(super) rotate: Rotate,
    /// Rows received from this time on belong to the next file.
    pub(super) end_ms: i64,
    /// After a rotation that failed, it is not tried before this time.
    again_ms: i64,
}

impl Period {
    /// The period in which `time_ms` is.
    pub(super) fn new(rotate: Rotate, time_ms: i64) -> Self {
        Self { rotate, end_ms: rotate.period_end(time_ms), again_ms: i64::MIN }
    }

    /// Whether what was received at `time_ms` belongs to the next file. After a clock that was ahead has been
    /// set right, the file goes on to the end of the period that it is now.
    pub(super) fn is_over(&mut self, time_ms: i64) -> bool {
        if time_ms < self.end_ms.saturating_sub(self.rotate.period_ms() + SET_BACK_MS) {
            self.end_ms = self.rotate.period_end(time_ms);
        }
        let wait_ms = self.again_ms.saturating_sub(time_ms);
        time_ms >= self.end_ms && !(1..=ROTATE_AGAIN_MS).contains(&wait_ms)
    }

    /// A file was begun at `now_ms`.
    pub(super) fn begin_next(&mut self, now_ms: i64) {
        self.end_ms = self.rotate.period_end(now_ms);
    }

    /// The rotation has failed; the next try comes later.
    pub(super) fn put_off(&mut self, now_ms: i64) {
        self.again_ms = now_ms + ROTATE_AGAIN_MS;
    }
}
