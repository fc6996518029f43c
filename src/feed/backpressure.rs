//! Who may wait in memory for a slow or full disk, and what happens to the rest.
//!
//! Main thread; no I/O and no clock. A trade is dropped only when the room is full, the newest
//! first, and then everything until there is room again, so that a loss is one span of time.

/// Bytes of trade messages that may wait: hours of a busy free plan, minutes of the worst burst.
pub const ROOM_BYTES: usize = 64 << 20;

/// After dropping, trades are taken in again below this: a room that is let to empty a little
/// first makes one gap of what would otherwise be hundreds.
const REOPEN_BYTES: usize = ROOM_BYTES / 4 * 3;

/// Above this the socket is read no faster than the disk takes rows, as long as the disk takes
/// any: the server's own buffers are the better place for a burst than ours.
pub const PACE_BYTES: usize = 512 << 10;

/// What to do with a batch of trades.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Hand it over.
    Keep,
    /// Hand it over, after telling of the trades that were dropped since `after_ms`.
    KeepAfterLoss {
        /// When the last kept trade was received, UNIX milliseconds of this machine.
        after_ms: i64,
        /// How many were dropped.
        trades: u64,
    },
    /// Count its trades and tell [`WaitingRoom::dropped`].
    Drop,
}

/// The state of the room's door.
#[derive(Debug, Default)]
pub struct WaitingRoom {
    last_kept_ms: i64,
    loss: Option<u64>,
}

impl WaitingRoom {
    /// Decides over a batch of `bytes` received at `received_ms`, with `waiting` bytes inside.
    pub fn admit(&mut self, waiting: usize, bytes: usize, received_ms: i64) -> Admission {
        let limit = if self.loss.is_some() { REOPEN_BYTES } else { ROOM_BYTES };
        if waiting > 0 && waiting + bytes > limit {
            self.loss.get_or_insert(0);
            return Admission::Drop;
        }
        let after_ms = std::mem::replace(&mut self.last_kept_ms, received_ms);
        match self.loss.take() {
            None => Admission::Keep,
            Some(trades) => Admission::KeepAfterLoss { after_ms, trades },
        }
    }

    /// Counts trades that were not admitted.
    pub fn dropped(&mut self, trades: u64) {
        self.loss = Some(self.loss.unwrap_or(0) + trades);
    }

    /// Whether nothing has been dropped since the last loss was told.
    pub fn is_open(&self) -> bool {
        self.loss.is_none()
    }

    /// The loss that has not been told yet, at the end of a connection or of the run.
    pub fn close(&mut self) -> Option<(i64, u64)> {
        self.loss.take().map(|trades| (self.last_kept_ms, trades))
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, REOPEN_BYTES, ROOM_BYTES, WaitingRoom};

    #[test]
    fn a_full_room_drops_the_newest_until_a_quarter_is_free_again() {
        let mut room = WaitingRoom::default();
        assert_eq!(room.admit(0, ROOM_BYTES, 1), Admission::Keep);
        assert_eq!(room.admit(ROOM_BYTES - 10, 10, 2), Admission::Keep);
        assert_eq!(room.admit(ROOM_BYTES - 10, 11, 3), Admission::Drop);
        room.dropped(4);
        assert!(!room.is_open());
        assert_eq!(room.admit(ROOM_BYTES - 10, 1, 4), Admission::Drop);
        room.dropped(2);
        let kept = room.admit(REOPEN_BYTES - 1, 1, 5);
        assert_eq!(kept, Admission::KeepAfterLoss { after_ms: 2, trades: 6 });
        assert_eq!(room.admit(ROOM_BYTES - 10, 10, 6), Admission::Keep);
        assert_eq!(room.close(), None);
    }

    #[test]
    fn an_untold_loss_is_told_at_the_end() {
        let mut room = WaitingRoom::default();
        room.admit(0, 1, 9);
        room.admit(ROOM_BYTES, 1, 10);
        room.dropped(3);
        assert_eq!(room.close(), Some((9, 3)));
        assert_eq!(room.close(), None);
    }
}
