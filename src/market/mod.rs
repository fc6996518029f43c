//! What is known of the markets: what a symbol is; the hours and holidays of the US stock market; what
//! the conditions of a trade mean, and so which trade sets which price of a bar.
//!
//! Any thread. No I/O, no clock.

pub(crate) mod conditions;
mod holidays;
pub mod hours;
pub(crate) mod prices;
pub(crate) mod spelling;
pub(crate) mod symbol;
