//! The times that a cron expression names in a time zone.
//!
//! croner finds the wall-clock times that fit an expression, without a zone. This module handles clock changes itself,
//! because croner moves a fixed time only within the same day and by at most two hours, and takes `0 2,14 * * *` for an
//! interval, which it leaves out when the clocks go forward.

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::ScheduleError;

/// The times that a cron expression names in a time zone.
///
/// When the clocks go forward, a wall-clock time that does not exist is due at the end of the gap. When they go back, a
/// time that exists twice is due the first time. An interval, which has `*` in its minute or hour, follows the elapsed
/// time: it leaves out the gap, and it is due in both of two equal hours.
///
/// ```
/// use batch_runtime::schedule::Times;
///
/// let times = Times::of("0 3 * * MON", "Asia/Seoul")?;
/// let next = times.after("2026-11-21T00:00:00Z".parse()?).next().unwrap();
/// assert_eq!(next.local.to_string(), "2026-11-23T03:00:00");
/// assert_eq!(next.instant.to_string(), "2026-11-22T18:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Times {
    cron: Cron,
    zone: TimeZone,
    is_interval: bool,
}

/// A time of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduledTime {
    /// The instant.
    pub instant: Timestamp,
    /// The wall-clock time that the expression names. It may not exist on a day when the clocks went forward.
    pub local: DateTime,
}

impl Times {
    /// The times of an expression with five fields, in the zone with that IANA name.
    ///
    /// # Errors
    /// If the expression or the zone is invalid.
    pub fn of(expression: &str, zone: &str) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| {
            let what = match error {
                CronError::InvalidPattern(what)
                | CronError::IllegalCharacters(what)
                | CronError::ComponentError(what) => what,
                other => other.to_string(),
            };
            ScheduleError::Expression {
                expression: expression.to_owned(),
                what: what.trim_end_matches('.').to_owned(),
            }
        })?;
        let is_interval = cron.pattern.as_str().split_whitespace().take(2).any(|field| field.contains('*'));
        Ok(Self { cron, zone: zone_named(zone)?, is_interval })
    }

    /// The times after an instant, in their order.
    pub fn after(&self, instant: Timestamp) -> impl Iterator<Item = ScheduledTime> + '_ {
        After::new(self, instant)
    }

    /// The last time at or before an instant and after another.
    #[must_use]
    pub fn last_between(&self, after: Timestamp, until: Timestamp) -> Option<ScheduledTime> {
        self.after(after).take_while(|time| time.instant <= until).last()
    }

    /// The times of a range of wall-clock dates, from the first moment of `first` to the last one of `last`.
    ///
    /// # Errors
    /// If a date is out of the range of instants.
    pub fn between_dates(
        &self,
        first: jiff::civil::Date,
        last: jiff::civil::Date,
    ) -> Result<impl Iterator<Item = ScheduledTime> + '_, jiff::Error> {
        let from = first.to_zoned(self.zone.clone())?.timestamp();
        // A time in a gap belongs to the date that it names, and is due at the end of the gap.
        let begin = from.checked_sub(SignedDuration::from_hours(48))?;
        Ok(self
            .after(begin)
            .skip_while(move |time| time.local.date() < first)
            .take_while(move |time| time.local.date() <= last))
    }

    /// The expression in English.
    #[must_use]
    pub fn words(&self) -> String {
        let words = self.cron.describe();
        let words = words.trim_end_matches('.');
        let mut letters = words.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(crate) fn cron(&self) -> &Cron {
        &self.cron
    }

    /// The first wall-clock time at or after another.
    fn matching(&self, from: DateTime) -> Option<DateTime> {
        self.cron.find_next_occurrence(&from, true).ok()
    }
}

/// The zone as the system defines it. If the system does not know the zone, as in a container image without time zones,
/// the program's own definition is used.
fn zone_named(name: &str) -> Result<TimeZone, ScheduleError> {
    let zone = jiff::tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
    zone.map_err(|_| ScheduleError::Zone(name.to_owned()))
}

/// Walks from one clock change to the next: in between, wall-clock times and instants differ by a fixed offset.
struct After<'t> {
    times: &'t Times,
    /// The offset since the last change.
    offset: Offset,
    /// The next change: its instant, and the offset from then on.
    change: Option<(Timestamp, Offset)>,
    /// The first wall-clock time that is still unchecked. `None` after the last one.
    from: Option<DateTime>,
}

impl<'t> After<'t> {
    fn new(times: &'t Times, instant: Timestamp) -> Self {
        let offset = times.zone.to_offset(instant);
        let now = offset.to_datetime(instant);
        let whole = now.with().subsec_nanosecond(0).build().unwrap_or(now);
        let mut from = second_after(whole);
        if !times.is_interval {
            // Wall-clock times before the last change are over, even those that the change repeats.
            let soon = instant.checked_add(SignedDuration::from_nanos(1)).unwrap_or(instant);
            if let Some(change) = times.zone.preceding(soon).next() {
                let before = change.timestamp().checked_sub(SignedDuration::from_nanos(1));
                let before = before.map_or(offset, |before| times.zone.to_offset(before));
                from = from.max(Some(before.to_datetime(change.timestamp())));
            }
        }
        Self { times, offset, change: change_after(&times.zone, instant), from }
    }

    /// Continues after a change.
    fn pass(&mut self, (instant, offset): (Timestamp, Offset), from: DateTime) {
        self.offset = offset;
        self.change = change_after(&self.times.zone, instant);
        self.from = Some(from);
    }
}

fn change_after(zone: &TimeZone, instant: Timestamp) -> Option<(Timestamp, Offset)> {
    zone.following(instant).next().map(|change| (change.timestamp(), change.offset()))
}

fn second_after(time: DateTime) -> Option<DateTime> {
    time.checked_add(SignedDuration::from_secs(1)).ok()
}

impl Iterator for After<'_> {
    type Item = ScheduledTime;

    fn next(&mut self) -> Option<ScheduledTime> {
        loop {
            let local = self.times.matching(self.from?)?;
            let Some(change) = self.change else {
                self.from = second_after(local);
                return Some(ScheduledTime { instant: self.offset.to_timestamp(local).ok()?, local });
            };
            let (instant, offset) = change;
            let (stops, goes_on) = (self.offset.to_datetime(instant), offset.to_datetime(instant));
            if local < stops {
                self.from = second_after(local);
                return Some(ScheduledTime { instant: self.offset.to_timestamp(local).ok()?, local });
            }
            if self.times.is_interval {
                self.pass(change, goes_on);
            } else if local < goes_on {
                // The time is in the gap.
                self.from = second_after(local);
                return Some(ScheduledTime { instant, local });
            } else {
                let from = self.from?.max(stops).max(goes_on);
                self.pass(change, from);
            }
        }
    }
}
