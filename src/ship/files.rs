//! Finds the file of the recording that comes next, and the current one after a restart.
//!
//! Main thread. A file is recognised by its content: its name changes when it is closed, compressed or copied. No
//! file is skipped: a missing one is an error, unless that was allowed.

use std::collections::BTreeSet;
use std::path::Path;

use log::warn;

use super::error::ShipError;
use super::options::ShipOptions;
use super::position::Position;
use super::signals::Signals;
use super::source::Source;
use crate::recording::closed::{self, Label};
use crate::recording::names::compressed_name;
use crate::recording::paths::behind_links;
use crate::recording::source::{FileId, id_at};

/// A file, and its label if it is a closed one.
type Found<'o> = (Option<Label>, Source<'o>);

/// The files of the recording.
pub(super) struct Files<'o> {
    options: &'o ShipOptions,
    signals: &'o Signals,
    /// Closed files that were seen since the start: they are waiting, current or done.
    pub(super) known: BTreeSet<Label>,
    /// The file with the recording's name when the folder was last read.
    live: Option<FileId>,
}

impl<'o> Files<'o> {
    /// Reads the folder for the first time.
    ///
    /// # Errors
    /// When there is no file of such a recording, or the folder cannot be read.
    pub(super) fn of(options: &'o ShipOptions, signals: &'o Signals) -> Result<Self, ShipError> {
        let out = &options.file;
        let live = id_at(out);
        let known = closed_files(out)?;
        if live.is_none() && known.is_empty() {
            return Err(ShipError::NoRecording(out.clone()));
        }
        Ok(Self { options, signals, known, live })
    }

    /// Opens the file in which `position` is; `None` when nothing of it has been read, or when it is
    /// gone and that is allowed.
    ///
    /// # Errors
    /// When it is nowhere and that is not allowed, when two files could be it, when it is shorter than
    /// the position, or cannot be read; when a stop comes.
    pub(super) fn find(
        &mut self,
        position: &mut Position,
    ) -> Result<Option<Source<'o>>, ShipError> {
        let out = &self.options.file;
        loop {
            let closed = closed_files(out)?;
            for label in closed.iter().filter(|label| Some(*label) > position.passed.as_ref()) {
                self.known.insert(label.clone());
                position.waiting.insert(label.clone());
            }
            if position.end_mark().offset == 0 {
                position.waiting.extend(position.file.take());
                return Ok(None);
            }
            let shorter = match self.find_by_content(position) {
                Ok(Some((place, source))) => {
                    position.set_current(place);
                    return Ok(Some(source));
                }
                Ok(None) => None,
                Err(error @ ShipError::Shorter { .. }) => Some(error),
                Err(error) => return Err(error),
            };
            // It may be a file that was closed meanwhile.
            if closed == closed_files(out)? {
                return shorter.map_or_else(|| self.allow_missing(position), Err);
            }
        }
    }

    /// The file in which `position` is: the one of the same name, else one that is not shipped yet.
    /// Files without times may be so alike that two fit; then none is guessed.
    fn find_by_content(&self, position: &Position) -> Result<Option<Found<'o>>, ShipError> {
        let mark = position.end_mark();
        let (mut found, mut shorter) = (None::<Found<'o>>, None);
        // A closed file keeps its name; the live one may be closed by now.
        let same_name = position.file.iter().cloned().map(Some);
        let not_shipped = position.waiting.iter().cloned().map(Some);
        for place in same_name.chain([None]).chain(not_shipped) {
            let Some(mut source) = self.open(place.as_ref())? else { continue };
            match source.matches(&mark) {
                Ok(true) if place.is_some() && place == position.file => {
                    return Ok(Some((place, source)));
                }
                Ok(true) => match &found {
                    Some((_, first)) if first.id != source.id => {
                        return Err(ShipError::TwoFit {
                            position: self.options.position_path(),
                            files: [first.path.clone(), source.path],
                        });
                    }
                    Some(_) => {}
                    None => found = Some((place, source)),
                },
                Ok(false) => {}
                Err(error @ ShipError::Shorter { .. }) => {
                    shorter.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match (found, shorter) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    /// Handles that the file of `position` was not found.
    fn allow_missing(&self, position: &mut Position) -> Result<Option<Source<'o>>, ShipError> {
        let out = &self.options.file;
        let file = position.file.as_ref().map_or_else(|| out.clone(), |label| label.path(out));
        if self.options.skip_missing {
            let offset = position.mark.offset;
            warn!("{} was removed; its rows after byte {offset} are left out", file.display());
            position.batch = None;
            return Ok(None);
        }
        if position.file.is_some() && self.open(position.file.as_ref())?.is_none() {
            return Err(ShipError::Removed(file));
        }
        Err(ShipError::Lost { out: out.clone(), position: self.options.position_path() })
    }

    /// Opens a closed file, compressed or not, or the live one; `None` when it is not there.
    fn open(&self, place: Option<&Label>) -> Result<Option<Source<'o>>, ShipError> {
        let out = &self.options.file;
        let paths = place.map_or_else(
            || vec![out.clone()],
            // In this order: while it is being compressed, one of both is there.
            |label| vec![label.path(out), compressed_name(&label.path(out))],
        );
        for path in paths {
            if let Some(source) = Source::open(&path, self.signals)? {
                return Ok(Some(source));
            }
        }
        Ok(None)
    }

    /// Whether the live file is another one than at the last look: something was closed.
    pub(super) fn have_changed(&self) -> bool {
        id_at(&self.options.file) != self.live
    }

    /// Notes files that were closed since the last look, `current` among them perhaps.
    ///
    /// # Errors
    /// When the folder or a file cannot be read, or a stop comes.
    pub(super) fn note_new(
        &mut self,
        position: &mut Position,
        mut current: Option<&mut Source<'o>>,
    ) -> Result<(), ShipError> {
        let out = &self.options.file;
        self.live = id_at(out);
        for label in closed_files(out)? {
            if !self.known.insert(label.clone()) {
                continue;
            }
            let is_current = match (&mut current, self.open(Some(&label))?) {
                (Some(current), Some(mut closed))
                    if position.file.is_none() && self.live != Some(current.id) =>
                {
                    current.is_same_as(&mut closed)?
                }
                _ => false,
            };
            if is_current {
                position.set_current(Some(label));
            } else {
                position.waiting.insert(label);
            }
        }
        Ok(())
    }

    /// Opens the file that comes behind `current`, or that was put in its place; `None` when there is
    /// none yet.
    ///
    /// # Errors
    /// When it was removed, unless that is allowed; when what was put in its place is no copy of it;
    /// when a file cannot be read, or a stop comes.
    pub(super) fn open_next(
        &mut self,
        position: &mut Position,
        mut current: Option<&mut Source<'o>>,
    ) -> Result<Option<Source<'o>>, ShipError> {
        loop {
            // Opened first: what was closed before it began is found after it.
            let live = self.open(None)?;
            self.note_new(position, current.as_deref_mut())?;
            let Some(label) = position.waiting.first().cloned() else {
                let another =
                    live.filter(|live| current.as_ref().is_none_or(|it| it.id != live.id));
                let Some(mut next) = another else { return Ok(None) };
                let goes_on = match &mut current {
                    Some(current) if position.file.is_none() => {
                        next.replaces(current, &position.mark)?
                    }
                    _ => false,
                };
                if !goes_on {
                    position.begin_file(None);
                }
                return Ok(Some(next));
            };
            if let Some(source) = self.open(Some(&label))? {
                position.begin_file(Some(label));
                return Ok(Some(source));
            }
            let path = label.path(&self.options.file);
            if !self.options.skip_missing {
                return Err(ShipError::Removed(path));
            }
            warn!("{} was removed before it was shipped; its rows are left out", path.display());
            position.waiting.remove(&label);
        }
    }
}

/// The closed files of `out`, oldest first.
fn closed_files(out: &Path) -> Result<BTreeSet<Label>, ShipError> {
    closed::closed_files(out).map_err(ShipError::read(&behind_links(out)))
}
