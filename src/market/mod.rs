//! What is known of the US stock market: its hours and its holidays.
//!
//! Any thread. No I/O, no clock.

mod holidays;
pub mod hours;
