//! Dates and times as text: ISO 8601, as `jiff`, `chrono` and `time` read them.
//!
//! A year after 9999 or before 1, and infinity, are written as the server writes them: those crates refuse that form,
//! but a `String` can hold it.

use super::Written;

/// The days from 0000-03-01 to 2000-01-01, the server's own epoch.
const DAYS_TO_2000: i64 = 730_425;
const DAY: i64 = 86_400_000_000;

pub(super) fn date(days: i32) -> Written {
    let mut written = Written::default();
    match days {
        i32::MAX => written.text("infinity"),
        i32::MIN => written.text("-infinity"),
        _ => {
            let is_before_christ = push_date(&mut written, days.into());
            push_era(&mut written, is_before_christ);
        }
    }
    written
}

pub(super) fn time(microseconds: i64) -> Written {
    let mut written = Written::default();
    push_time(&mut written, microseconds);
    written
}

/// A time and the offset of its zone, in seconds west of Greenwich.
pub(super) fn time_with_zone(microseconds: i64, behind: i32) -> Written {
    let mut written = time(microseconds);
    written.push(if behind > 0 { b'-' } else { b'+' });
    let offset = behind.unsigned_abs();
    written.number(offset / 3600, 2);
    written.push(b':');
    written.number(offset / 60 % 60, 2);
    if !offset.is_multiple_of(60) {
        written.push(b':');
        written.number(offset % 60, 2);
    }
    written
}

/// The date-time that is this many microseconds after 2000-01-01, or that moment in UTC.
pub(super) fn timestamp(microseconds: i64, is_moment: bool) -> Written {
    let mut written = Written::default();
    match microseconds {
        i64::MAX => written.text("infinity"),
        i64::MIN => written.text("-infinity"),
        _ => {
            let is_before_christ = push_date(&mut written, microseconds.div_euclid(DAY));
            written.push(b'T');
            push_time(&mut written, microseconds.rem_euclid(DAY));
            if is_moment {
                written.push(b'Z');
            }
            push_era(&mut written, is_before_christ);
        }
    }
    written
}

/// An ISO 8601 duration. If its parts have different signs, each part has its own sign, which not every parser accepts.
pub(super) fn interval(months: i32, days: i32, microseconds: i64) -> Written {
    let mut written = Written::default();
    let are_all = |negative: bool| {
        let fits = |part: i64| part == 0 || (part < 0) == negative;
        fits(months.into()) && fits(days.into()) && fits(microseconds)
    };
    // An empty interval is not negative.
    let is_negative = !are_all(false) && are_all(true);
    if is_negative {
        written.push(b'-');
    }
    written.push(b'P');
    let part = |written: &mut Written, number: i64, unit: char| {
        if number != 0 {
            let sign = if number < 0 && !is_negative { "-" } else { "" };
            written.format(format_args!("{sign}{}{unit}", number.unsigned_abs()));
        }
    };
    part(&mut written, (months / 12).into(), 'Y');
    part(&mut written, (months % 12).into(), 'M');
    part(&mut written, days.into(), 'D');
    if microseconds == 0 && (months, days) != (0, 0) {
        return written;
    }
    written.push(b'T');
    part(&mut written, microseconds / 3_600_000_000, 'H');
    part(&mut written, microseconds / 60_000_000 % 60, 'M');
    let seconds = microseconds % 60_000_000;
    if seconds != 0 || microseconds == 0 {
        if seconds < 0 && !is_negative {
            written.push(b'-');
        }
        written.number(small(seconds.abs() / 1_000_000), 1);
        push_fraction(&mut written, small(seconds.abs() % 1_000_000));
        written.push(b'S');
    }
    written
}

/// Appends the date that is this many days after 2000-01-01, and returns whether its year is before Christ.
fn push_date(written: &mut Written, days: i64) -> bool {
    // Years begin in March here, so that a leap day is the last day of its year. All spans of 400 years have the same
    // number of days.
    let days = days + DAYS_TO_2000;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // There is no year 0: the year before 1 is 1 BC.
    written.number(small(if year > 0 { year } else { 1 - year }), 4);
    written.push(b'-');
    written.number(small(month), 2);
    written.push(b'-');
    written.number(small(day), 2);
    year <= 0
}

/// A number that is never negative, and far below the maximum of `u32`: a year, or a part of a day.
fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn push_era(written: &mut Written, is_before_christ: bool) {
    if is_before_christ {
        written.text(" BC");
    }
}

fn push_time(written: &mut Written, microseconds: i64) {
    let seconds = small(microseconds / 1_000_000);
    written.number(seconds / 3600, 2);
    written.push(b':');
    written.number(seconds / 60 % 60, 2);
    written.push(b':');
    written.number(seconds % 60, 2);
    push_fraction(written, small(microseconds % 1_000_000));
}

fn push_fraction(written: &mut Written, microseconds: u32) {
    if microseconds == 0 {
        return;
    }
    let (mut fraction, mut digits) = (microseconds, 6);
    while fraction.is_multiple_of(10) {
        (fraction, digits) = (fraction / 10, digits - 1);
    }
    written.push(b'.');
    written.number(fraction, digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_written_as_jiff_writes_it() {
        let epoch = jiff::civil::date(2000, 1, 1);
        // 1 January of the year 1 to 31 December 9999.
        for days in (-730_119..=2_921_939).step_by(17).chain([-730_119, 2_921_939, 58, 59, 60]) {
            let expected = epoch.checked_add(jiff::Span::new().days(days)).unwrap();
            assert_eq!(date(days).as_str(), expected.to_string());
        }
    }

    #[test]
    fn years_that_iso_8601_does_not_have_are_written_as_the_server_writes_them() {
        assert_eq!(date(2_921_940).as_str(), "10000-01-01");
        assert_eq!(date(-730_120).as_str(), "0001-12-31 BC");
        assert_eq!(date(i32::MAX).as_str(), "infinity");
        assert_eq!(timestamp(i64::MIN, true).as_str(), "-infinity");
        assert_eq!(timestamp(-730_120 * DAY + 1, true).as_str(), "0001-12-31T00:00:00.000001Z BC");
    }

    #[test]
    fn times_have_the_digits_that_they_need() {
        assert_eq!(time(0).as_str(), "00:00:00");
        assert_eq!(time(DAY).as_str(), "24:00:00");
        assert_eq!(time(1_500_000).as_str(), "00:00:01.5");
        assert_eq!(timestamp(-1, false).as_str(), "1999-12-31T23:59:59.999999");
        assert_eq!(time_with_zone(3_600_000_000, -7200).as_str(), "01:00:00+02:00");
        assert_eq!(time_with_zone(0, 12_601).as_str(), "00:00:00-03:30:01");
    }

    #[test]
    fn an_interval_is_a_duration_of_iso_8601() {
        for (interval_, text) in [
            (interval(0, 0, 0), "PT0S"),
            (interval(14, 3, 14_706_789_000), "P1Y2M3DT4H5M6.789S"),
            (interval(-14, 0, -1), "-P1Y2MT0.000001S"),
            (interval(1, -1, -60_000_000), "P1M-1DT-1M"),
            (interval(i32::MIN, i32::MIN, i64::MIN), "-P178956970Y8M2147483648DT2562047788H54.775808S"),
        ] {
            assert_eq!(interval_.as_str(), text);
        }
        let span: jiff::Span = interval(-14, 0, -1).as_str().parse().unwrap();
        assert_eq!(span.get_years(), -1);
    }
}
