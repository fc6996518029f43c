//! Which file of the recording comes next, and in which one we are after a restart.
//!
//! Main thread. A file is known by what is in it: its name changes when it is closed, compressed or
//! copied. None is passed over: one that is missing is an error, unless that was allowed.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;

use log::warn;

use super::ShipOptions;
use super::closed_files::{self, ClosedFiles, Label};
use super::error::ShipError;
use super::follow::Stopping;
use super::position::{Mark, Position};
use super::source::{FileId, Found, Source, id_at};

/// The files that are there.
pub(super) struct Files<'o> {
    options: &'o ShipOptions,
    closed: ClosedFiles,
    /// Closed files that are waiting, current or done.
    known: BTreeSet<Label>,
    /// What had the recording's name at the last look at the folder.
    live: Option<FileId>,
}

impl<'o> Files<'o> {
    /// Looks for the first time.
    ///
    /// # Errors
    /// When there is no file of such a recording.
    pub(super) fn of(options: &'o ShipOptions) -> Result<Files<'o>, ShipError> {
        let closed = closed_files::list(&options.file).map_err(ShipError::read(&options.file))?;
        let live = id_at(&options.file);
        if live.is_none() && closed.is_empty() {
            return Err(ShipError::NoRecording(options.file.clone()));
        }
        Ok(Files { options, known: closed.keys().cloned().collect(), closed, live })
    }

    /// At the very first start: everything is to be shipped, or nothing that is there.
    pub(super) fn begin(&self, position: &mut Position, from_now: bool) {
        if from_now {
            position.passed = self.known.last().cloned();
        } else {
            position.waiting = self.known.iter().cloned().collect();
        }
    }

    /// Opens the file in which `position` is; `None` when it is gone and that is allowed.
    ///
    /// # Errors
    /// When it is nowhere, or shorter than the position.
    pub(super) fn find(
        &mut self,
        position: &mut Position,
        stopping: Stopping<'_>,
    ) -> Result<Option<Source>, ShipError> {
        let current = position.file.clone();
        let mark = position.known_by();
        let (found, newer) = loop {
            // The live file may have been closed since; then it is the oldest of the newer ones. An
            // older one can only be it when a clock was set back.
            let others = self.closed.keys().filter(|label| Some(*label) != current.as_ref());
            let (newer, older): (Vec<_>, Vec<_>) =
                others.cloned().partition(|label| Some(label) > position.passed.as_ref());
            let mut places: Vec<Option<Label>> = current.iter().cloned().map(Some).collect();
            // Of which nothing was read is known by its name alone.
            let is_marked = mark.offset > 0;
            if is_marked || current.is_none() {
                places.extend(newer.iter().cloned().map(Some));
                places.push(None);
            }
            if is_marked {
                places.extend(older.into_iter().rev().map(Some));
            }
            let found = self.open_marked(&places, &mark, stopping)?;
            // A file that was closed meanwhile may be the one.
            if !self.look()? {
                break (found, newer);
            }
        };
        let mut waiting: BTreeSet<Label> = position.waiting.drain(..).chain(newer).collect();
        self.known.extend(waiting.iter().cloned());
        let source = if let Some((place, source)) = found {
            waiting.retain(|label| Some(label) != place.as_ref());
            position.passed = position.passed.take().max(place.clone());
            position.file = place;
            Some(source)
        } else {
            self.allow_missing(position)?;
            None
        };
        position.waiting = waiting.into_iter().collect();
        Ok(source)
    }

    /// The first of these places (`None` is the live file) whose file has the mark.
    fn open_marked(
        &self,
        places: &[Option<Label>],
        mark: &Mark,
        stopping: Stopping<'_>,
    ) -> Result<Option<(Option<Label>, Source)>, ShipError> {
        let mut shorter = None;
        for place in places {
            let file = self.path(place.as_ref());
            let mut source = match Source::open(&file) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                source => source.map_err(ShipError::read(&file))?,
            };
            match source.has(mark, stopping).map_err(ShipError::read(&file))? {
                Found::Same => return Ok(Some((place.clone(), source))),
                Found::OtherFile => {}
                Found::Shorter(length) => {
                    let offset = mark.offset;
                    shorter.get_or_insert(ShipError::Shorter { file, length, offset });
                }
            }
        }
        shorter.map_or(Ok(None), Err)
    }

    /// The file that `position` is in is nowhere.
    fn allow_missing(&self, position: &mut Position) -> Result<(), ShipError> {
        let file = self.path(position.file.as_ref());
        let offset = position.mark.offset;
        if self.options.skip_missing {
            warn!("{} is gone; what came behind its byte {offset} is left out", file.display());
            position.batch = None;
            return Ok(());
        }
        if position.file.is_some() && !file.exists() {
            return Err(ShipError::Removed(file));
        }
        let (out, position) = (self.options.file.clone(), self.options.position_path());
        Err(ShipError::Lost { out, position })
    }

    fn path(&self, place: Option<&Label>) -> PathBuf {
        let out = &self.options.file;
        place.map_or_else(
            || out.clone(),
            |label| self.closed.get(label).cloned().unwrap_or_else(|| label.path(out)),
        )
    }

    /// Reads the folder again. Whether other closed files are there than before.
    fn look(&mut self) -> Result<bool, ShipError> {
        let out = &self.options.file;
        self.live = id_at(out);
        let closed = closed_files::list(out).map_err(ShipError::read(out))?;
        let others = !closed.keys().eq(self.closed.keys());
        self.closed = closed;
        Ok(others)
    }

    /// Notes files that were closed since the last look, `current` among them perhaps. Whether
    /// anything is new.
    pub(super) fn note_new(
        &mut self,
        position: &mut Position,
        mut current: Option<&mut Source>,
    ) -> Result<bool, ShipError> {
        self.look()?;
        let new = self.closed.iter().filter(|(label, _)| !self.known.contains(label));
        let new: Vec<(Label, PathBuf)> = new.map(|(l, p)| (l.clone(), p.clone())).collect();
        for (label, path) in &new {
            let current = current.as_mut().filter(|_| position.file.is_none());
            // Renamed by now, it will be looked at again under that name.
            let is_current = current.is_some_and(|it| it.is_now_at(path).unwrap_or(false));
            if is_current {
                position.passed = position.passed.take().max(Some(label.clone()));
                position.file = Some(label.clone());
            } else {
                position.waiting.push(label.clone());
            }
            self.known.insert(label.clone());
        }
        position.waiting.sort();
        Ok(!new.is_empty())
    }

    /// Whether the live file is another one than at the last look: something was closed.
    pub(super) fn have_changed(&self) -> bool {
        id_at(&self.options.file) != self.live
    }

    /// Opens the file that comes behind `current`; `None` when there is none yet.
    ///
    /// # Errors
    /// When it was removed, unless that is allowed.
    pub(super) fn open_next(
        &mut self,
        position: &mut Position,
        mut current: Option<&mut Source>,
    ) -> Result<Option<Source>, ShipError> {
        loop {
            self.note_new(position, current.as_deref_mut())?;
            if let Some(label) = position.waiting.first().cloned() {
                let path = self.path(Some(&label));
                match Source::open(&path) {
                    Ok(source) => {
                        position.waiting.remove(0);
                        position.passed = position.passed.take().max(Some(label.clone()));
                        position.file = Some(label);
                        return Ok(Some(source));
                    }
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(ShipError::read(&path)(error));
                    }
                    // Compressed in this moment: it is there under its other name.
                    Err(_) if self.look()? || self.closed.contains_key(&label) => {}
                    Err(_) if self.options.skip_missing => {
                        warn!("{} was removed before it was shipped; left out", path.display());
                        position.waiting.remove(0);
                    }
                    Err(_) => return Err(ShipError::Removed(path)),
                }
                continue;
            }
            let out = &self.options.file;
            if current.as_ref().map(|it| it.id()) == self.live {
                return Ok(None);
            }
            let source = match Source::open(out) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                source => source.map_err(ShipError::read(out))?,
            };
            // Otherwise something was closed while we looked, and comes first.
            if !self.look()? && self.live == Some(source.id()) {
                position.file = None;
                return Ok(Some(source));
            }
        }
    }
}
