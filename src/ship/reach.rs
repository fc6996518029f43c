//! How far a file of the recording may be read: what a recorder has forced to the disk, or what is
//! there when nobody records.
//!
//! Main thread. Looks at locks for an instant each, and only where it has to.

use std::path::Path;

use super::error::ShipError;
use super::source::{Source, id_at};
use crate::recorder::read_synced;

/// How far the current file may be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reach {
    /// Up to here.
    pub(super) limit: u64,
    /// So much is there; [`u64::MAX`] when only reading to the end would tell.
    pub(super) length: u64,
    /// Nobody appends to it any more.
    pub(super) closed: bool,
    /// So much was forced to the disk by us, because nobody else did.
    forced: u64,
}

impl Reach {
    /// Looks again at `source`, a file of the recording `out`; `has_label` when it is known under
    /// the name of a closed one.
    ///
    /// # Errors
    /// When the file or the recorder's lock cannot be read, or the disk refuses to sync.
    pub(super) fn find(
        self,
        out: &Path,
        source: &Source,
        has_label: bool,
    ) -> Result<Reach, ShipError> {
        let failed = |error| ShipError::read(source.path())(error);
        if source.length().map_err(failed)?.is_none() {
            return Ok(Reach { limit: u64::MAX, length: u64::MAX, closed: true, ..self });
        }
        let live = id_at(out);
        let named = live == Some(source.id());
        // Who records the live file does not write here any more. Our file is not touched then: the
        // compressor wants its lock.
        let left = !named && Source::open(out).is_ok_and(|live| live.is_locked());
        let recorded = !left && source.is_locked();
        let closed = !named && !recorded && (live.is_some() || has_label);
        let synced = read_synced(out, source.file()).map_err(ShipError::read(out))?;
        let length = source.length().map_err(failed)?.unwrap_or_default();
        let mut forced = self.forced;
        let limit = match synced {
            _ if closed => length,
            Some(synced) if recorded && synced.goes_on => synced.bytes,
            // A recorder that has not said yet how far it has come.
            None if recorded => 0,
            _ => {
                if !recorded && length > forced {
                    // Nobody else does it, and a power cut must not take what was shipped.
                    let synced = source.file().sync_data();
                    synced.map_err(ShipError::io("force to the disk", source.path()))?;
                    forced = length;
                }
                length
            }
        };
        Ok(Reach { limit, length, closed, forced })
    }
}
