//! What is known of the market and of the feed, for people.

pub mod candles;
mod feed_status;
pub mod silence;
pub mod snapshot;
pub(crate) mod totals;
