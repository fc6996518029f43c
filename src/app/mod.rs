//! One recording from start to end: which threads there are, in which order they begin and end, and
//! how the list of symbols is changed.

mod logger;
mod run;
mod shutdown;
// Without the page, only the tickers file changes the list.
#[cfg_attr(not(feature = "dashboard"), allow(dead_code))]
mod watch_list;

pub(crate) use run::record;
