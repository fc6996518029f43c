//! The settings of a run, checked once: the arguments of a recording, the settings made of them, where
//! the API key comes from, and the tickers file.

mod arguments;
mod dot_env;
mod key_source;
mod settings;
pub(crate) mod tickers_file;
pub(crate) mod values;

pub(crate) use arguments::{DEFAULT_LOG_FILE, FileArguments, NO_LOG_FILE, RecordArguments};
pub(crate) use key_source::{find_key, oddity_of};
pub(crate) use settings::{Settings, check_market, destination, symbols};
