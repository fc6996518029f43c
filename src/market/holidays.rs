//! The days on which the New York exchanges do not trade, or only until 13:00, by rule.
//!
//! NYSE Rule 7.2 and its published calendars; Nasdaq keeps the same days. No rule
//! knows what the exchanges decide at short notice (a day of mourning such as 9 January 2025, a hurricane):
//! such a day counts as open here.
//!
//! Pure, like its parent.

use jiff::civil::{Date, Weekday, date};

/// The exchanges have kept Juneteenth since this year.
const FIRST_JUNETEENTH: i16 = 2022;

/// Why the market is closed all `day`; `None` when it trades.
pub(super) fn closed_all_day(day: Date) -> Option<&'static str> {
    match day.weekday() {
        Weekday::Saturday | Weekday::Sunday => Some("weekend"),
        _ => holiday(day),
    }
}

/// Whether trading ends at 13:00: the day after Thanksgiving, and the days before Independence Day
/// and Christmas when both the day and the holiday itself are trading days of the week.
pub(super) fn closes_early(day: Date) -> bool {
    let until_thursday = matches!(
        day.weekday(),
        Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday
    );
    match (day.month(), day.day()) {
        (7, 3) | (12, 24) => until_thursday,
        (11, _) => day.yesterday().is_ok_and(is_thanksgiving),
        _ => false,
    }
}

fn holiday(day: Date) -> Option<&'static str> {
    let name = match (day.month(), day.weekday()) {
        (1, Weekday::Monday) if is_nth_week(day, 3) => "Martin Luther King Jr. Day",
        (2, Weekday::Monday) if is_nth_week(day, 3) => "Washington's Birthday",
        (5, Weekday::Monday) if day.day() > 31 - 7 => "Memorial Day",
        (9, Weekday::Monday) if is_nth_week(day, 1) => "Labor Day",
        _ if is_thanksgiving(day) => "Thanksgiving",
        (3 | 4, Weekday::Friday) if is_good_friday(day) => "Good Friday",
        _ => return fixed_holiday(day),
    };
    Some(name)
}

/// The holidays with a date of their own. One on a Sunday is kept on the Monday after it, one on a
/// Saturday on the Friday before it, but not New Year's Day: that Friday ends the year's accounts.
fn fixed_holiday(day: Date) -> Option<&'static str> {
    let name_of = |day: Date| match (day.month(), day.day()) {
        (1, 1) => Some("New Year's Day"),
        (6, 19) if day.year() >= FIRST_JUNETEENTH => Some("Juneteenth"),
        (7, 4) => Some("Independence Day"),
        (12, 25) => Some("Christmas"),
        _ => None,
    };
    let moved_here = match day.weekday() {
        Weekday::Monday => day.yesterday().ok(),
        Weekday::Friday => day.tomorrow().ok().filter(|saturday| saturday.month() != 1),
        _ => None,
    };
    name_of(day).or_else(|| name_of(moved_here?))
}

/// The fourth Thursday of November.
fn is_thanksgiving(day: Date) -> bool {
    day.month() == 11 && day.weekday() == Weekday::Thursday && is_nth_week(day, 4)
}

/// Whether `day` is the `nth` of its weekday in the month.
fn is_nth_week(day: Date, nth: i8) -> bool {
    (day.day() - 1) / 7 + 1 == nth
}

/// The Friday before Easter Sunday, which is found with the Gregorian computus in the form given
/// anonymously in Nature, 20 April 1876.
fn is_good_friday(day: Date) -> bool {
    let year = i32::from(day.year());
    let (golden, century, of_century) = (year % 19, year / 100, year % 100);
    let skipped = century - century / 4 - (century - (century + 8) / 25 + 1) / 3;
    let full_moon = (19 * golden + skipped + 15) % 30;
    let sunday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - full_moon - of_century % 4) % 7;
    let late = (golden + 11 * full_moon + 22 * sunday) / 451;
    let from_march = full_moon + sunday - 7 * late + 114;
    let (month, of_month) = (from_march / 31, from_march % 31 + 1);
    let (Ok(month), Ok(of_month)) = (i8::try_from(month), i8::try_from(of_month)) else {
        return false;
    };
    // The formula gives days from 22 March to 25 April.
    date(day.year(), month, of_month)
        .checked_sub(jiff::Span::new().days(2))
        .is_ok_and(|it| it == day)
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};

    use super::{closed_all_day, closes_early};

    /// The holidays in the order of the year.
    const NAMES: [&str; 10] = [
        "New Year's Day",
        "Martin Luther King Jr. Day",
        "Washington's Birthday",
        "Good Friday",
        "Memorial Day",
        "Juneteenth",
        "Independence Day",
        "Labor Day",
        "Thanksgiving",
        "Christmas",
    ];

    /// The calendars that NYSE Group published on 21 December 2022 (2023 to 2025) and on
    /// 23 December 2025 (2026 to 2028): a day for each of [`NAMES`], and the early closes.
    const PUBLISHED: [(i16, &str, &str); 6] = [
        (2023, "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25", "07-03 11-24"),
        (2024, "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25", "07-03 11-29 12-24"),
        (2025, "01-01 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25", "07-03 11-28 12-24"),
        (2026, "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25", "11-27 12-24"),
        (2027, "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24", "11-26"),
        // New Year's Day is a Saturday, and not observed.
        (2028, "- 01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25", "07-03 11-24"),
    ];

    #[test]
    fn the_rules_give_the_published_calendars() {
        for (year, holidays, early_closes) in PUBLISHED {
            let (mut closed, mut early) = (Vec::new(), Vec::new());
            for day in date(year, 1, 1).series(1.day()).take_while(|day| day.year() == year) {
                let shown = day.strftime("%m-%d").to_string();
                match closed_all_day(day) {
                    Some("weekend") => {}
                    Some(name) => closed.push((shown, name)),
                    None if closes_early(day) => early.push(shown),
                    None => {}
                }
            }
            let expected = holidays.split(' ').map(str::to_owned).zip(NAMES);
            let expected: Vec<_> = expected.filter(|(day, _)| day != "-").collect();
            assert_eq!(closed, expected, "{year}");
            assert_eq!(early.join(" "), early_closes, "{year}");
        }
    }

    #[test]
    fn juneteenth_is_a_holiday_since_2022() {
        assert_eq!(closed_all_day(date(2019, 6, 19)), None);
        assert_eq!(closed_all_day(date(2020, 6, 19)), None);
        // The 19th was a Saturday, and then a Sunday.
        assert_eq!(closed_all_day(date(2021, 6, 18)), None);
        assert_eq!(closed_all_day(date(2022, 6, 20)), Some("Juneteenth"));
        assert_eq!(closed_all_day(date(2023, 6, 19)), Some("Juneteenth"));
    }

    #[test]
    fn easter_can_be_early_and_late_and_the_last_friday_of_a_year_is_a_trading_day() {
        for good_friday in [date(2008, 3, 21), date(2038, 4, 23)] {
            assert_eq!(closed_all_day(good_friday), Some("Good Friday"));
        }
        // 1 January 2022 was a Saturday.
        assert_eq!(closed_all_day(date(2021, 12, 31)), None);
    }
}
