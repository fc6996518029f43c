//! What a trade of a US share may move, by its conditions.
//!
//! Any thread. No I/O, no clock. The codes are Finnhub's
//! (<https://docs.google.com/spreadsheets/d/1PUxiSWPHSODbaTaoL2Vef6DgU-yFtlRGZf19oBb9Hp0>), the rules
//! those of the consolidated tapes: CTS Pillar 2.11b (2026-01-29) and UTP 4.1 (September 2026). A code
//! that is not in the table moves everything: 1 regular, 8 intermarket sweep, 41 trade-through exempt
//! and their like.

/// What a trade does not change in a bar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits(u8);

impl Limits {
    /// Moves high, low, open, close and volume.
    pub(crate) const NONE: Self = Self(0);
    /// Sets open and close only where no other trade of the bar does.
    const LATE: Self = Self(1);
    /// Sets no price.
    const NO_PRICES: Self = Self(2);
    /// Adds no volume.
    const NO_VOLUME: Self = Self(4);
    /// Sets prices outside the regular session only.
    const EXTENDED_HOURS: Self = Self(8);

    const NOTHING: Self = Self::NO_PRICES.and(Self::NO_VOLUME);

    /// Both limits together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The same for a trade of a US share, once it is known whether it has a volume, without which it is
    /// no trade, and whether it happened between 09:30 and 16:00 in New York.
    pub(crate) fn of_share(self, has_volume: bool, in_session: impl FnOnce() -> bool) -> Self {
        if !has_volume {
            Self::NOTHING
        } else if self.has(Self::EXTENDED_HOURS) && in_session() {
            self.and(Self::NO_PRICES)
        } else {
            self
        }
    }

    /// Whether it sets high and low, and may set open and close.
    pub(crate) const fn moves_prices(self) -> bool {
        !self.has(Self::NO_PRICES)
    }

    /// Whether it sets open and close only where no other trade of the bar does.
    pub(crate) const fn is_late(self) -> bool {
        self.has(Self::LATE)
    }

    /// Whether it moves anything at all.
    pub(crate) const fn moves_something(self) -> bool {
        !self.has(Self::NOTHING)
    }

    /// Whether it adds to the volume.
    pub(crate) const fn moves_volume(self) -> bool {
        !self.has(Self::NO_VOLUME)
    }
}

/// The codes that limit a trade, with the tapes' names.
const TABLE: [(u8, Limits); 20] = [
    (3, Limits::NO_PRICES),       // average price
    (5, Limits::NO_PRICES),       // cash
    (9, Limits::LATE),            // bunched sold
    (10, Limits::NO_PRICES),      // price variation
    (11, Limits::NO_PRICES),      // CAP election
    (12, Limits::NO_PRICES),      // odd lot
    (16, Limits::NOTHING),        // market center official close: repeats a trade
    (17, Limits::NO_PRICES),      // next day
    (20, Limits::NOTHING),        // market center official open: repeats a trade
    (21, Limits::LATE),           // prior reference price
    (22, Limits::NO_PRICES),      // seller
    (24, Limits::EXTENDED_HOURS), // form T
    (25, Limits::NO_PRICES),      // extended hours, sold out of sequence
    (26, Limits::NO_PRICES),      // contingent
    (27, Limits::NO_PRICES),      // stock-option, the name of contingent before July 2015
    (30, Limits::LATE),           // sold out of sequence
    (32, Limits::LATE),           // derivatively priced
    (37, Limits::NO_PRICES),      // qualified contingent
    (38, Limits::NOTHING),        // placeholder: not in use
    (39, Limits::NOTHING),        // corrected consolidated close: its volume is always zero
];

/// The same table by code.
const BY_CODE: [Limits; 64] = {
    let mut limits = [Limits::NONE; 64];
    let mut at = 0;
    while at < TABLE.len() {
        limits[TABLE[at].0 as usize] = TABLE[at].1;
        at += 1;
    }
    limits
};

/// The limits of a trade with these `conditions`, as a recording joins them: `1;12`.
pub(crate) fn limits(conditions: &[u8]) -> Limits {
    let mut all = Limits::NONE;
    for code in conditions.split(|byte| *byte == b';') {
        let number = match code {
            [one @ b'1'..=b'9'] => one - b'0',
            [tens @ b'1'..=b'6', ones @ b'0'..=b'9'] => (tens - b'0') * 10 + (ones - b'0'),
            _ => continue,
        };
        all = all.and(BY_CODE.get(usize::from(number)).copied().unwrap_or_default());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::limits;

    /// High and low, open and close, volume; `l` where others come first.
    fn shown(conditions: &str, in_session: bool) -> String {
        let limits = limits(conditions.as_bytes()).of_share(true, || in_session);
        let ends = match (limits.moves_prices(), limits.is_late()) {
            (true, false) => 'y',
            (true, true) => 'l',
            (false, _) => 'n',
        };
        let yes = |moves| if moves { 'y' } else { 'n' };
        [yes(limits.moves_prices()), ends, yes(limits.moves_volume())].into_iter().collect()
    }

    /// What the tapes say of each code, spelled out once more.
    fn expected(code: u32, in_session: bool) -> &'static str {
        match code {
            9 | 21 | 30 | 32 => "yly",
            3 | 5 | 10 | 11 | 12 | 17 | 22 | 25 | 26 | 27 | 37 => "nny",
            24 if in_session => "nny",
            16 | 20 | 38 | 39 => "nnn",
            _ => "yyy",
        }
    }

    #[test]
    fn each_code_alone_and_in_pairs_moves_what_the_tapes_say() {
        let stricter = |one: &str, other: &str| -> String {
            let order = "yln";
            let rank = |letter| order.find(letter);
            one.chars()
                .zip(other.chars())
                .map(|(a, b)| if rank(a) > rank(b) { a } else { b })
                .collect()
        };
        for in_session in [true, false] {
            for one in 0..=70 {
                assert_eq!(shown(&one.to_string(), in_session), expected(one, in_session), "{one}");
                for other in 1..=41 {
                    let both = format!("{one};{other}");
                    let expected = stricter(expected(one, in_session), expected(other, in_session));
                    assert_eq!(shown(&both, in_session), expected, "{both}");
                }
            }
        }
    }

    #[test]
    fn a_share_without_volume_moves_nothing() {
        assert!(!limits(b"1").of_share(false, || true).moves_something());
    }

    #[test]
    fn what_is_no_code_of_finnhubs_moves_everything() {
        for conditions in ["", ";", "x", "012", "1;;8", "-12", "112", "@"] {
            assert_eq!(shown(conditions, true), "yyy", "{conditions}");
        }
    }
}
