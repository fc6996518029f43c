//! Where changes of the watch list come together: from the tickers file, the page and the table.
//!
//! Shared by their threads; the session gets the whole new list as a command.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{info, warn};

use crate::config::Settings;
use crate::config::tickers_file::{self, Watcher};
use crate::feed::{Change, ChangeWatchList, Changed, Command, CommandSender, FREE_PLAN_SYMBOLS};
use crate::market::spelling::spelling_warnings;
use crate::market::symbol::{
    check_count, check_symbol, is_simulated, simulated_name, without_repeats,
};
use crate::process::error::Error;
use crate::process::threads::{Repeating, spawn_every};
use crate::text::{counted, printable};

/// The watch list.
pub(super) struct WatchListController {
    lists: Mutex<Lists>,
    file: Option<PathBuf>,
    /// Whether every symbol is recorded with the demo's prefix.
    simulated: bool,
    commands: CommandSender,
}

/// The symbols by their source, without the prefix of the demo.
#[derive(Default)]
struct Lists {
    given: Vec<String>,
    in_file: Vec<String>,
    /// Whether the page took the last symbol out of the file: then an empty file is not reported.
    emptied: bool,
}

impl WatchListController {
    pub(super) fn new(settings: &Settings, commands: CommandSender) -> Self {
        let (file, in_file) = settings.tickers_file.clone().unzip();
        let in_file = in_file.unwrap_or_default();
        let lists = Lists { given: settings.tickers.clone(), in_file, emptied: false };
        let lists = Mutex::new(lists);
        Self { lists, file, simulated: settings.recorder.simulated, commands }
    }

    /// [`Self::add`] and [`Self::remove`], for the page and the table.
    pub(super) fn as_function(self: &Arc<Self>) -> Arc<ChangeWatchList> {
        let controller = Arc::clone(self);
        Arc::new(move |change: Change<'_>| match change {
            Change::Add(symbol) => controller
                .add(symbol)
                .map(|tickers| Changed { tickers, warnings: spelling_warnings([symbol.trim()]) }),
            Change::Remove(symbol) => {
                let removed = controller.remove(symbol);
                removed.map(|tickers| Changed { tickers, warnings: Vec::new() })
            }
        })
    }

    /// All symbols to be recorded, in order.
    pub(super) fn wanted(&self) -> Vec<String> {
        self.wanted_of(&self.lock())
    }

    fn wanted_of(&self, lists: &Lists) -> Vec<String> {
        let all = lists.given.iter().chain(&lists.in_file).map(|symbol| self.recorded_as(symbol));
        without_repeats(all)
    }

    fn recorded_as(&self, symbol: &str) -> String {
        if self.simulated { simulated_name(symbol).into_owned() } else { symbol.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the list to the session; gives it back.
    fn announce(&self, lists: &Lists) -> Vec<String> {
        let wanted = self.wanted_of(lists);
        warn_of_many(wanted.len());
        self.commands.send(Command::Watch(wanted.clone()));
        wanted
    }

    /// Adds a symbol to the list, and to the tickers file if there is one.
    ///
    /// # Errors
    /// When the text cannot be a symbol, is one of the other market, the list is full, or the tickers file
    /// cannot be written: one line for a person.
    pub(super) fn add(&self, symbol: &str) -> Result<Vec<String>, String> {
        let symbol = symbol.trim();
        check_symbol(symbol)?;
        if is_simulated(symbol) && !self.simulated {
            return Err("a simulated symbol cannot be in a recording of real ones".to_owned());
        }
        let mut lists = self.lock();
        let wanted = self.wanted_of(&lists);
        if wanted.contains(&self.recorded_as(symbol)) {
            return Ok(wanted);
        }
        check_count(wanted.len() + 1)?;
        if let Some(file) = &self.file {
            lists.emptied = !tickers_file::change(file, symbol, true, &lists.in_file)?;
            lists.in_file.push(symbol.to_owned());
        } else {
            lists.given.push(symbol.to_owned());
        }
        Ok(self.announce(&lists))
    }

    /// Takes a symbol off the list, and out of the tickers file if there is one.
    ///
    /// # Errors
    /// When it is not on the list or is the last one, or when the tickers file cannot be written: one
    /// line for a person.
    pub(super) fn remove(&self, symbol: &str) -> Result<Vec<String>, String> {
        let mut lists = self.lock();
        let recorded = self.recorded_as(symbol.trim());
        let wanted = self.wanted_of(&lists);
        if !wanted.contains(&recorded) {
            return Err(format!("{} is not on the list", printable(symbol, 100)));
        }
        if wanted.len() == 1 {
            return Err("the last symbol cannot be removed; add another one first".to_owned());
        }
        let is_it = |listed: &String| self.recorded_as(listed) == recorded;
        let mut emptied = lists.emptied;
        if let Some(file) = &self.file {
            for listed in lists.in_file.iter().filter(|listed| is_it(listed)) {
                emptied = !tickers_file::change(file, listed, false, &lists.in_file)?;
            }
        }
        lists.emptied = emptied;
        lists.in_file.retain(|listed| !is_it(listed));
        lists.given.retain(|listed| !is_it(listed));
        Ok(self.announce(&lists))
    }

    /// Starts the thread that looks at the tickers file, if there is one.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn follow_file(self: &Arc<Self>) -> Result<Option<Repeating>, Error> {
        let Some(path) = self.file.clone() else { return Ok(None) };
        let shown = path.display().to_string();
        let mut watcher = Watcher::new(path, self.lock().given.clone());
        let first = watcher.next_look();
        let mut reported: Option<String> = None;
        let controller = Arc::clone(self);
        let look = move || {
            // Locked before the file is read, so that a change by the page cannot come in between.
            let mut lists = controller.lock();
            match watcher.poll() {
                // An equal list is our own change, read back from the file.
                Some(Ok(list)) if list != lists.in_file => {
                    info!("{shown} has changed: {}", counted(list.len() as u64, "symbol"));
                    let is_new = |symbol: &&String| !lists.in_file.contains(symbol);
                    let new = list.iter().filter(is_new).map(String::as_str);
                    for warning in spelling_warnings(new) {
                        warn!("{warning}");
                    }
                    (lists.in_file, lists.emptied) = (list, false);
                    controller.announce(&lists);
                    reported = None;
                }
                Some(Ok(_)) if reported.take().is_some() => info!("{shown} can be read again"),
                Some(Err(_)) if lists.emptied && watcher.names_none() => {}
                Some(Err(fault)) if reported.as_ref() != Some(&fault) => {
                    warn!("{fault}; recording goes on with the symbols as they were");
                    reported = Some(fault);
                }
                _ => {}
            }
            watcher.next_look()
        };
        spawn_every("tickers-file", first, look).map(Some)
    }
}

/// Warns when a list is longer than the free plan allows.
pub(super) fn warn_of_many(count: usize) {
    if count > FREE_PLAN_SYMBOLS {
        warn!(
            "{count} symbols: Finnhub's free plan delivers {FREE_PLAN_SYMBOLS}; the others may be refused"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::{Lists, WatchListController};
    use crate::feed::{Command, Commands, commands};

    fn controller(
        given: &[&str],
        file: Option<PathBuf>,
        simulated: bool,
    ) -> (WatchListController, Commands) {
        let (commands, sent) = commands().unwrap();
        let given = given.iter().map(|symbol| (*symbol).to_owned()).collect();
        let lists = Mutex::new(Lists { given, ..Lists::default() });
        (WatchListController { lists, file, simulated, commands }, sent)
    }

    #[test]
    fn a_change_gives_the_new_list_and_sends_it_to_the_session() {
        let (controller, sent) = controller(&["A"], None, false);
        assert_eq!(controller.add(" B ").unwrap(), ["A", "B"]);
        assert_eq!(sent.next().unwrap(), Command::Watch(vec!["A".into(), "B".into()]));
        assert_eq!(controller.add("B").unwrap(), ["A", "B"]);
        assert!(sent.next().is_none(), "nothing has changed");
        assert_eq!(controller.remove("A").unwrap(), ["B"]);
        assert!(controller.remove("A").is_err());
        assert!(controller.remove("B").unwrap_err().contains("last symbol"));
        for wrong in ["DEMO:A", "", " ", "A,B", "#A", "A\nB", "A;B", "%zz"] {
            assert!(controller.add(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_demo_names_its_symbols_so() {
        let (controller, _sent) = controller(&["A", "DEMO:B"], None, true);
        assert_eq!(controller.wanted(), ["DEMO:A", "DEMO:B"]);
        assert_eq!(controller.add("C").unwrap(), ["DEMO:A", "DEMO:B", "DEMO:C"]);
        assert_eq!(controller.remove("DEMO:A").unwrap(), ["DEMO:B", "DEMO:C"]);
    }

    #[test]
    fn the_tickers_file_follows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tickers");
        std::fs::write(&path, "# mine\n").unwrap();
        let (controller, _sent) = controller(&["A"], Some(path.clone()), false);
        controller.add("B").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\nB\n");
        controller.remove("B").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
        std::fs::remove_dir_all(directory.path()).unwrap();
        assert!(controller.add("C").unwrap_err().contains("cannot write the tickers file"));
        assert_eq!(controller.wanted(), ["A"], "a change that failed is none");
    }
}
