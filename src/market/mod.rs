//! What is known of the US stock market: its hours, its holidays, what the conditions of a trade mean,
//! and so which trade sets which price of a bar.
//!
//! Any thread. No I/O, no clock.

pub(crate) mod conditions;
mod holidays;
pub mod hours;
pub(crate) mod prices;
