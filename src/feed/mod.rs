//! Finnhub's side: one connection, and the policy around it.

mod api_key;
mod backoff;
mod backpressure;
mod commands;
mod connection;
mod session;
mod subscriptions;
mod watchdog;

pub(crate) use api_key::GET_A_KEY;
pub use api_key::{ApiKey, KeySource};
pub use backoff::{Backoff, BackoffConfig, Outcome};
pub use commands::{Change, ChangeWatchList, Changed, Command, CommandSender, Commands, commands};
pub(crate) use connection::{
    Connection, ConnectionLost, DIAL_TIMEOUT, Incoming, Wait, connect, resolve, start_tls, upgrade,
};
pub use connection::{DialError, Endpoint};
pub use session::Session;
pub(crate) use subscriptions::FREE_PLAN_SYMBOLS;
pub use subscriptions::WatchList;
pub use watchdog::Timeouts;
