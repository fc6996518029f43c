//! The days on which the New York exchanges do not trade, or only until 13:00, by rule.
//!
//! NYSE Rule 7.2 and its published calendars; Nasdaq keeps the same days. What the exchanges decide
//! at short notice (a day of mourning such as 9 January 2025, a hurricane) no rule can know: such a
//! day counts as open here.
//!
//! Pure, like its parent.

use jiff::civil::{Date, Weekday, date};

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
        (6, 19) => Some("Juneteenth"),
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

    /// The calendars that NYSE Group published on 21 December 2022 (2023 to 2025) and on
    /// 23 December 2025 (2026 to 2028).
    const PUBLISHED: [(i16, &[&str], &[&str]); 6] = [
        (
            2023,
            &[
                "01-02 New Year's Day",
                "01-16 Martin Luther King Jr. Day",
                "02-20 Washington's Birthday",
                "04-07 Good Friday",
                "05-29 Memorial Day",
                "06-19 Juneteenth",
                "07-04 Independence Day",
                "09-04 Labor Day",
                "11-23 Thanksgiving",
                "12-25 Christmas",
            ],
            &["07-03", "11-24"],
        ),
        (
            2024,
            &[
                "01-01 New Year's Day",
                "01-15 Martin Luther King Jr. Day",
                "02-19 Washington's Birthday",
                "03-29 Good Friday",
                "05-27 Memorial Day",
                "06-19 Juneteenth",
                "07-04 Independence Day",
                "09-02 Labor Day",
                "11-28 Thanksgiving",
                "12-25 Christmas",
            ],
            &["07-03", "11-29", "12-24"],
        ),
        (
            2025,
            &[
                "01-01 New Year's Day",
                "01-20 Martin Luther King Jr. Day",
                "02-17 Washington's Birthday",
                "04-18 Good Friday",
                "05-26 Memorial Day",
                "06-19 Juneteenth",
                "07-04 Independence Day",
                "09-01 Labor Day",
                "11-27 Thanksgiving",
                "12-25 Christmas",
            ],
            &["07-03", "11-28", "12-24"],
        ),
        (
            2026,
            &[
                "01-01 New Year's Day",
                "01-19 Martin Luther King Jr. Day",
                "02-16 Washington's Birthday",
                "04-03 Good Friday",
                "05-25 Memorial Day",
                "06-19 Juneteenth",
                "07-03 Independence Day",
                "09-07 Labor Day",
                "11-26 Thanksgiving",
                "12-25 Christmas",
            ],
            &["11-27", "12-24"],
        ),
        (
            2027,
            &[
                "01-01 New Year's Day",
                "01-18 Martin Luther King Jr. Day",
                "02-15 Washington's Birthday",
                "03-26 Good Friday",
                "05-31 Memorial Day",
                "06-18 Juneteenth",
                "07-05 Independence Day",
                "09-06 Labor Day",
                "11-25 Thanksgiving",
                "12-24 Christmas",
            ],
            &["11-26"],
        ),
        (
            // New Year's Day is a Saturday, and not observed.
            2028,
            &[
                "01-17 Martin Luther King Jr. Day",
                "02-21 Washington's Birthday",
                "04-14 Good Friday",
                "05-29 Memorial Day",
                "06-19 Juneteenth",
                "07-04 Independence Day",
                "09-04 Labor Day",
                "11-23 Thanksgiving",
                "12-25 Christmas",
            ],
            &["07-03", "11-24"],
        ),
    ];

    #[test]
    fn the_rules_give_the_published_calendars() {
        for (year, holidays, early_closes) in PUBLISHED {
            let days = date(year, 1, 1).series(1.day()).take_while(|day| day.year() == year);
            let (mut closed, mut early) = (Vec::new(), Vec::new());
            for day in days {
                match closed_all_day(day) {
                    Some("weekend") => {}
                    Some(name) => closed.push(format!("{} {name}", day.strftime("%m-%d"))),
                    None if closes_early(day) => early.push(day.strftime("%m-%d").to_string()),
                    None => {}
                }
            }
            assert_eq!(closed, holidays, "{year}");
            assert_eq!(early, early_closes, "{year}");
        }
    }

    #[test]
    fn easter_can_be_early_and_late() {
        for good_friday in [date(2008, 3, 21), date(2038, 4, 23)] {
            assert_eq!(closed_all_day(good_friday), Some("Good Friday"));
        }
    }

    #[test]
    fn the_last_friday_of_a_year_is_a_trading_day() {
        // 1 January 2022 was a Saturday.
        assert_eq!(closed_all_day(date(2021, 12, 31)), None);
    }
}
