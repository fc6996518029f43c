//! What is known of the market and of the feed, for people.

mod feed;
pub mod market_hours;
pub mod silence;
pub mod snapshot;
pub(crate) mod totals;
