//! Words, numbers and times as people and JSON write them.
//!
//! Any thread.

pub mod clock;
mod digits;
mod hash;
pub(crate) mod log_limit;
mod people;

pub(crate) use digits::{
    NumberForm, SURELY_FIT, digit_values, is_json_number, leading_digits, leading_integer,
    number_form, parse_integer,
};
pub(crate) use hash::fnv1a;
pub(crate) use people::{
    counted, file_size, grouped, human_duration, in_words, is_hidden, per_second, printable,
};
