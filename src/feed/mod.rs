//! Finnhub's side: one connection, and the policy around it.

pub mod api_key;
pub mod backoff;
mod backpressure;
pub mod connection;
pub mod session;
pub mod subscriptions;
pub mod watchdog;
