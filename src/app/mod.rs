//! One recording from start to end: which threads there are, in which order they begin and end, and
//! how the list of symbols is changed.

mod logger;
mod run;
mod shutdown;
// Without page and table, only the tickers file changes the list.
#[cfg_attr(not(any(feature = "dashboard", feature = "table")), allow(dead_code))]
mod watch_list;

pub(crate) use run::record;
