//! The times of a schedule, against a walk through the calendar that knows nothing of cron but its fields.
//!
//! The walk goes hour by hour, and minute by minute on the days before and after the clocks change. It covers a year,
//! but for frequent times only the days around the changes. The environment variable `BATCH_SCHEDULE_YEARS` sets a
//! number of years, and then the walk covers all days of these years.

use std::collections::{BTreeMap, BTreeSet};

use batch_runtime::Timestamp;
use batch_runtime::schedule::{ScheduledTime, Times};
use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};

/// Zones with all kinds of changes: an hour, half an hour, at midnight, during Ramadan, a permanent change of the
/// offset, and none.
const ZONES: [&str; 40] = [
    "UTC",
    "Asia/Seoul",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Chisinau",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Juba",
    "Africa/Lagos",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "America/Halifax",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Asuncion",
    "America/Sao_Paulo",
    "America/Nuuk",
    "America/Scoresbysund",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Almaty",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Antarctica/Troll",
];

const EXPRESSIONS: [&str; 60] = [
    "0 0 * * *",
    "30 0 * * *",
    "0 1 * * *",
    "30 1 * * *",
    "59 1 * * *",
    "0 2 * * *",
    "15 2 * * *",
    "30 2 * * *",
    "59 2 * * *",
    "0 3 * * *",
    "30 3 * * *",
    "45 2 * * *",
    "0 4 * * *",
    "59 23 * * *",
    "30 23 * * *",
    "0 23 * * SAT",
    "30 23 * * SAT",
    "30 0 * * SUN",
    "30 2 * * SUN",
    "0 3 * * MON",
    "0 3 * * MON-FRI",
    "0 3 * * SUN,SAT",
    "0 0 1 * *",
    "0 3 15 * *",
    "0 3 31 * *",
    "0 3 29 2 *",
    "0 3 1 1 *",
    "0 3 1,15 * *",
    "0 3 10-20 6-8 *",
    "0 3 L * *",
    "30 2 L * *",
    "0 3 * * FRI#L",
    "30 2 * * SUN#L",
    "30 2 * * SUN#2",
    "0 3 * * MON#1",
    "0 3 13 * FRI",
    "0 3 1-7 * +MON",
    "0 2,14 * * *",
    "0,30 2 * * *",
    "0,15,30,45 1,2,3 * * *",
    "30 2,3 * * *",
    "30 1-3 * * *",
    "0 0,12 1 * *",
    "0 6-18/4 * * *",
    "5,35 0-23 * * SUN",
    "0 2 * 3,4,9,10,11 *",
    "30 1 * 3,10 SUN",
    "0 * * * *",
    "30 * * * *",
    "0,30 * * * *",
    "*/15 * * * *",
    "*/20 1-3 * * *",
    "* 2 * * *",
    "*/30 * * * SUN",
    "0 */2 * * *",
    "30 */3 * * *",
    "15 */6 * * *",
    "0 * 1 * *",
    "0 */12 * * MON",
    "7 */4 * 3,10 *",
];

/// An expression, read without any library.
struct Fields {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: Option<Days>,
    months: BTreeSet<i8>,
    weekdays: Option<Weekdays>,
    both: bool,
    is_interval: bool,
}

enum Days {
    Of(BTreeSet<i8>),
    Last,
}

enum Weekdays {
    Of(BTreeSet<i8>),
    /// The nth one of the month.
    Nth(i8, i8),
    Last(i8),
}

fn weekday(text: &str) -> i8 {
    let names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    names.iter().position(|name| *name == text).unwrap().try_into().unwrap()
}

fn numbers(field: &str, all: std::ops::RangeInclusive<i8>, number: impl Fn(&str) -> i8) -> BTreeSet<i8> {
    let mut found = BTreeSet::new();
    for part in field.split(',') {
        let (range, step) =
            part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap()));
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => (*all.start(), *all.end()),
            (_, Some((first, last))) => (number(first), number(last)),
            (only, None) => (number(only), number(only)),
        };
        found.extend((first..=last).step_by(step));
    }
    found
}

impl Fields {
    fn of(expression: &str) -> Self {
        let [minute, hour, day, month, week] = expression.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{expression}")
        };
        let plain = |text: &str| text.parse::<i8>().unwrap();
        let (both, week) = week.strip_prefix('+').map_or((false, week), |week| (true, week));
        Self {
            minutes: numbers(minute, 0..=59, plain),
            hours: numbers(hour, 0..=23, plain),
            days: match day {
                "*" => None,
                "L" => Some(Days::Last),
                days => Some(Days::Of(numbers(days, 1..=31, plain))),
            },
            months: numbers(month, 1..=12, plain),
            weekdays: match (week, week.split_once('#')) {
                ("*", _) => None,
                (_, Some((day, "L"))) => Some(Weekdays::Last(weekday(day))),
                (_, Some((day, nth))) => Some(Weekdays::Nth(weekday(day), plain(nth))),
                (days, None) => Some(Weekdays::Of(numbers(days, 0..=6, weekday))),
            },
            both,
            is_interval: minute.contains('*') || hour.contains('*'),
        }
    }

    fn fits_day(&self, day: Date) -> bool {
        if !self.months.contains(&day.month()) {
            return false;
        }
        let of_month = self.days.as_ref().map(|days| match days {
            Days::Of(days) => days.contains(&day.day()),
            Days::Last => day.day() == day.days_in_month(),
        });
        let weekday = day.weekday().to_sunday_zero_offset();
        let of_week = self.weekdays.as_ref().map(|days| match days {
            Weekdays::Of(days) => days.contains(&weekday),
            Weekdays::Nth(only, nth) => weekday == *only && (day.day() - 1) / 7 + 1 == *nth,
            Weekdays::Last(only) => weekday == *only && day.day() + 7 > day.days_in_month(),
        });
        match (of_month, of_week) {
            (None, None) => true,
            (Some(fits), None) | (None, Some(fits)) => fits,
            (Some(month), Some(week)) if self.both => month && week,
            (Some(month), Some(week)) => month || week,
        }
    }
}

/// A zone, and the days on which its clocks change, with those before and after: what the clocks show at each minute from the
/// day before to the day after.
struct Zone {
    zone: TimeZone,
    changing: BTreeMap<Date, BTreeMap<DateTime, Vec<Timestamp>>>,
}

/// Finds the times between two days: hour by hour on most days, minute by minute where the clocks change.
fn walked(fields: &Fields, zone: &Zone, first: Date, end: Date) -> BTreeSet<ScheduledTime> {
    let mut found = BTreeSet::new();
    let mut day = first;
    while day < end {
        if let Some(shown) = zone.changing.get(&day) {
            minutes(fields, shown, day, &mut found);
        } else if fields.fits_day(day) {
            let midnight = day.to_zoned(zone.zone.clone()).unwrap().timestamp();
            for hour in &fields.hours {
                for minute in &fields.minutes {
                    let passed = SignedDuration::from_mins(i64::from(*hour) * 60 + i64::from(*minute));
                    let local = day.at(*hour, *minute, 0, 0);
                    found.insert(ScheduledTime { instant: midnight + passed, local });
                }
            }
        }
        day = day.tomorrow().unwrap();
    }
    found
}

/// The instants of three days, by the time that the clocks show.
fn shown(zone: &TimeZone, day: Date) -> BTreeMap<DateTime, Vec<Timestamp>> {
    let noon = day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let begin = noon - SignedDuration::from_hours(36);
    let mut shown = BTreeMap::<_, Vec<_>>::new();
    for minute in 0..72 * 60 {
        let instant = begin + SignedDuration::from_mins(minute);
        shown.entry(zone.to_datetime(instant)).or_default().push(instant);
    }
    shown
}

/// Walks through the minutes of a day of the clock: each one exists once, twice, or not at all.
fn minutes(
    fields: &Fields,
    shown: &BTreeMap<DateTime, Vec<Timestamp>>,
    day: Date,
    found: &mut BTreeSet<ScheduledTime>,
) {
    if !fields.fits_day(day) {
        return;
    }
    for hour in &fields.hours {
        for minute in &fields.minutes {
            let local = day.at(*hour, *minute, 0, 0);
            let mut instants = shown.get(&local).into_iter().flatten().copied();
            match (instants.next(), fields.is_interval) {
                (Some(first), true) => {
                    found.insert(ScheduledTime { instant: first, local });
                    found.extend(instants.map(|instant| ScheduledTime { instant, local }));
                }
                (Some(first), false) => {
                    found.insert(ScheduledTime { instant: first, local });
                }
                // The clocks never show this time: the job runs when they first show a later one.
                (None, false) => {
                    let (_, instants) = shown.range(local..).next().unwrap();
                    found.insert(ScheduledTime { instant: instants[0], local });
                }
                (None, true) => {}
            }
        }
    }
}

/// The days before and after the changes of a zone's clocks.
fn changing(zone: &TimeZone, first: Date, end: Date) -> BTreeSet<Date> {
    let begin = first.yesterday().unwrap().to_zoned(zone.clone()).unwrap().timestamp();
    let changes = zone.following(begin).map(|change| zone.to_datetime(change.timestamp()).date());
    changes
        .take_while(|day| *day <= end.tomorrow().unwrap())
        .flat_map(|day| (-2..=2).map(move |days| day + days.days()))
        .collect()
}

/// Compares the times from one day to another with those of the walk, and returns how many there are.
fn compare(expression: &str, fields: &Fields, name: &str, zone: &Zone, first: Date, end: Date) -> usize {
    let times = Times::of(expression, name).unwrap();
    let found: BTreeSet<ScheduledTime> =
        times.between_dates(first, end.yesterday().unwrap()).unwrap().collect();
    let expected = walked(fields, zone, first, end);
    if found != expected {
        let missing: Vec<_> = expected.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&expected).collect();
        panic!("{expression} in {name}: missing {missing:?}, surplus {surplus:?}");
    }
    expected.len()
}

#[test]
fn the_times_are_those_of_a_walk_through_the_calendar_in_every_zone() {
    let years: Option<i16> = std::env::var("BATCH_SCHEDULE_YEARS").ok().map(|years| years.parse().unwrap());
    let (first, end) = (date(2023, 1, 1), date(2023 + years.unwrap_or(1), 1, 1));
    let mut compared = 0;
    for name in ZONES {
        let zone = Times::of("0 0 * * *", name).unwrap().zone().clone();
        let changing = changing(&zone, first, end);
        let changing = changing.into_iter().map(|day| (day, shown(&zone, day))).collect();
        let zone = Zone { zone, changing };
        for expression in EXPRESSIONS {
            let fields = Fields::of(expression);
            if years.is_some() || fields.minutes.len() * fields.hours.len() <= 2 {
                compared += compare(expression, &fields, name, &zone, first, end);
                continue;
            }
            let around =
                zone.changing.keys().filter(|day| !zone.changing.contains_key(&day.yesterday().unwrap()));
            for day in around.copied().chain([date(2023, 7, 1)]) {
                compared += compare(expression, &fields, name, &zone, day, day + 5.days());
            }
        }
    }
    println!("{} zones, {} expressions: {compared} times", ZONES.len(), EXPRESSIONS.len());
}

#[test]
fn the_times_after_any_instant_are_the_rest_of_all_times() {
    // Around the changes of a zone, from each quarter of an hour on.
    for (name, day) in [
        ("Europe/Berlin", date(2026, 3, 29)),
        ("Europe/Berlin", date(2026, 10, 25)),
        ("America/Nuuk", date(2026, 3, 28)),
        ("Australia/Lord_Howe", date(2026, 4, 5)),
        ("Australia/Lord_Howe", date(2026, 10, 4)),
        ("Africa/Cairo", date(2026, 10, 29)),
    ] {
        for expression in ["0,30 1,2,3 * * *", "30 2 * * *", "30 23 * * SAT", "*/20 * * * *"] {
            let times = Times::of(expression, name).unwrap();
            let begin = day.yesterday().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
            let all: Vec<ScheduledTime> = times
                .after(begin)
                .take_while(|time| time.instant < begin + SignedDuration::from_hours(96))
                .collect();
            for quarter in 0..72 * 4 {
                let from = begin + SignedDuration::from_mins(quarter * 15);
                let rest: Vec<_> = all.iter().filter(|time| time.instant > from).copied().collect();
                let after: Vec<_> = times.after(from).take(rest.len()).collect();
                assert_eq!(after, rest, "{expression} in {name} after {from}");
            }
        }
    }
}

#[test]
fn a_weekly_time_in_a_gap_before_midnight_runs_at_its_end_on_the_next_day() {
    // In Greenland the clocks go from Saturday, 22:59, to midnight.
    let times = Times::of("30 23 * * SAT", "America/Nuuk").unwrap();
    let time = times.after("2026-03-25T00:00:00Z".parse().unwrap()).next().unwrap();
    assert_eq!(time.local.to_string(), "2026-03-28T23:30:00");
    assert_eq!(time.local.date().weekday(), Weekday::Saturday);
    assert_eq!(time.instant.to_string(), "2026-03-29T01:00:00Z");
}
