//! The columns of a recording and the spelling of their names.
//!
//! Any thread may use it; it does no I/O.

use crate::text::printable;
use std::{fmt, str::FromStr};

/// One column of the CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// Finnhub's `s`, the symbol.
    Ticker,
    /// Finnhub's `p`, the very digits received, in the quote currency.
    Price,
    /// Finnhub's `v`, the very digits received, in shares or units; `0` is a price update.
    Volume,
    /// Finnhub's `t`: the exchange's clock, UNIX milliseconds.
    TimestampMs,
    /// When the message was read from the socket: this machine's clock, UNIX milliseconds.
    ReceivedMs,
    /// Finnhub's `c`, joined with `;`; may be empty.
    Conditions,
}

impl Column {
    /// Every column, in the order of a recording made without `--columns`.
    pub const ALL: [Self; 6] = [
        Self::Ticker,
        Self::Price,
        Self::Volume,
        Self::TimestampMs,
        Self::ReceivedMs,
        Self::Conditions,
    ];

    /// The name in the header and in `--columns`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Price => "price",
            Self::Volume => "volume",
            Self::TimestampMs => "timestamp_ms",
            Self::ReceivedMs => "received_ms",
            Self::Conditions => "conditions",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Column {
    /// A message that lists the known names.
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|column| column.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown column \"{}\"; the columns are {names}", printable(name, 100))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_own_column() {
        for column in Column::ALL {
            assert_eq!(column.name().parse(), Ok(column));
            assert_eq!(column.to_string(), column.name());
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_valid_ones() {
        let fault = "Price".parse::<Column>().unwrap_err();
        assert_eq!(
            fault,
            "unknown column \"Price\"; the columns are ticker, price, volume, timestamp_ms, \
             received_ms, conditions"
        );
    }
}
