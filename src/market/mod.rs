//! What is known of the US stock market: its hours, its holidays, and what the conditions of a trade
//! mean.
//!
//! Any thread. No I/O, no clock.

pub(crate) mod conditions;
mod holidays;
pub mod hours;
