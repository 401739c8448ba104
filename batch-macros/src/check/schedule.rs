//! The rules for jobs with a schedule: the expression fires, and every run has its parameters.

use proc_macro2::Ident;
use syn::Type;

use crate::errors::Errors;
use crate::model::job::{Job, Parameter};
use crate::model::schedule::Schedule;
use crate::model::types::{is_named, only_argument, shown};
use crate::syntax::name::plain;

pub(crate) fn check(job: &Job, errors: &mut Errors) {
    let scheduled: Vec<(&Parameter, &Ident)> = job
        .parameters
        .iter()
        .filter_map(|parameter| parameter.scheduled.as_ref().map(|word| (parameter, word)))
        .collect();
    for &(parameter, word) in &scheduled {
        check_parameter(parameter, word, errors);
    }
    if let Some((_, second)) = scheduled.get(1) {
        errors.at(second, "a run has one scheduled time: leave `scheduled` out of one of the two parameters");
    }
    let Some(schedule) = &job.options.schedule else {
        if let Some((_, word)) = scheduled.first().filter(|_| job.options.complete) {
            errors.at(
                word,
                "this job has no schedule that could set the parameter: write `#[job(schedule(\"0 3 * * MON\"))]`, or leave `scheduled` out",
            );
        }
        return;
    };
    if !cfg!(feature = "schedule") {
        errors.at(
            &schedule.word,
            "a schedule needs the feature `schedule`: in `Cargo.toml`, write `features = [\"schedule\"]` for `batch-runtime`",
        );
        return;
    }
    for parameter in &job.parameters {
        let optional = parameter.ty.as_ref().is_none_or(|ty| only_argument(ty, "Option").is_some());
        let filled = optional || parameter.default.is_some() || parameter.scheduled.is_some();
        // A secret comes from the environment of the process that runs the job.
        if !filled && !parameter.secret {
            let name = plain(&parameter.name);
            errors.at(
                &parameter.name,
                format!("nobody passes `{name}` to a scheduled run: give it a default, take an `Option`, or put `#[param(scheduled)]` on it if it is the time of the run"),
            );
        }
    }
    if let (Some((word, 1..)), Some(false)) = (&schedule.restarts, job.options.restartable) {
        errors.at(word, "this job is not restartable: leave out `restarts` or `restartable = false`");
    }
    check_expression(schedule, scheduled.first().map(|(parameter, _)| *parameter), errors);
}

fn check_parameter(parameter: &Parameter, word: &Ident, errors: &mut Errors) {
    let is_time = |ty: &Type| is_named(ty, "Date") || is_named(ty, "DateTime");
    if let Some(ty) = parameter.ty.as_ref().filter(|ty| !is_time(ty)) {
        errors.at(
            ty,
            format!("a scheduled time is a `Date` or a `DateTime`, not a `{}`: write one of them", shown(ty)),
        );
    } else if !parameter.identifying {
        errors.at(
            word,
            "the scheduled time tells the runs of a job apart, so it must be identifying: leave out `identifying = false` or `secret`",
        );
    }
}

#[cfg(not(feature = "schedule"))]
fn check_expression(_: &Schedule, _: Option<&Parameter>, _: &mut Errors) {}

#[cfg(feature = "schedule")]
use of_expression::check_expression;

/// The rules for the expression and the zone.
#[cfg(feature = "schedule")]
mod of_expression {
    use croner::Cron;
    use croner::errors::CronError;
    use croner::parser::{CronParser, Seconds, Year};
    use jiff::civil::{DateTime, date};
    use jiff::tz::{TimeZone, TimeZoneDatabase};
    use syn::LitStr;

    use super::{Errors, Parameter, Schedule, is_named, plain};
    use crate::syntax::nearest::nearest;

    const FIELDS: [&str; 5] = ["minute", "hour", "day of the month", "month", "day of the week"];
    const MONTHS: [&str; 12] =
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

    pub(super) fn check_expression(schedule: &Schedule, scheduled: Option<&Parameter>, errors: &mut Errors) {
        let zone = match &schedule.zone {
            Some(name) => zone(name, errors),
            None => Some(TimeZone::UTC),
        };
        let text = schedule.expression.value();
        let cron = match parsed(&text) {
            Ok(cron) => cron,
            Err(what) => {
                let fields = "minute, hour, day of the month, month, day of the week";
                errors.at(
                    &schedule.expression,
                    format!("`{text}` is not a cron expression: {what}; the five fields are {fields}"),
                );
                return;
            }
        };
        if cron.find_next_occurrence(&first_day(), true).is_err() {
            errors.at(&schedule.expression, format!("`{text}` never fires: no day of any year fits it"));
            return;
        }
        let Some(parameter) = scheduled else { return };
        let (name, Some(ty)) = (plain(&parameter.name), &parameter.ty) else { return };
        let a_day = cron.pattern.minutes.values().len() * cron.pattern.hours.values().len();
        if is_named(ty, "Date") && a_day > 1 {
            errors.at(
                ty,
                format!("`{name}` is a date, and the schedule fires {a_day} times a day: take a `DateTime`, or name one minute and one hour in the expression"),
            );
        }
        if is_named(ty, "DateTime") && is_interval(&cron) && zone.is_some_and(|zone| goes_back(&zone)) {
            let zone = schedule.zone.as_ref().map(LitStr::value).unwrap_or_default();
            errors.at(
                &schedule.expression,
                format!("the clocks of {zone} repeat an hour, and this expression fires in it both times, with the same `{name}`: use UTC, which is the zone if none is named"),
            );
        }
    }

    /// The expression of five fields, or what is wrong with it.
    fn parsed(text: &str) -> Result<Cron, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let upper = text.to_uppercase();
        if !upper.trim().starts_with('@') {
            let fields: Vec<&str> = upper.split_whitespace().collect();
            if fields.len() != FIELDS.len() {
                return Err(format!("it has {} fields", fields.len()));
            }
            misplaced(&fields)?;
        }
        parser.parse(text).map_err(|error| match error {
            CronError::InvalidPattern(what)
            | CronError::IllegalCharacters(what)
            | CronError::ComponentError(what) => what.trim_end_matches('.').to_owned(),
            other => other.to_string().trim_end_matches('.').to_owned(),
        })
    }

    /// Refuses the name of a month or day in another field, where the parser would read it as a number.
    fn misplaced(fields: &[&str]) -> Result<(), String> {
        for (at, field) in fields.iter().enumerate() {
            for word in field.split(|letter: char| !letter.is_ascii_alphabetic()) {
                let is = |names: &[&str]| names.iter().any(|name| word.starts_with(name));
                let what = match at {
                    0..=3 if is(&DAYS) => "a day of the week",
                    0..=2 | 4 if is(&MONTHS) => "a month",
                    _ => continue,
                };
                return Err(format!("`{word}` is {what}, but is in the field of the {}", FIELDS[at]));
            }
        }
        Ok(())
    }

    /// A schedule with `*` in its minute or hour fires at intervals; any other fires at times of the clock.
    fn is_interval(cron: &Cron) -> bool {
        let mut fields = cron.pattern.as_str().split_whitespace();
        fields.by_ref().take(2).any(|field| field.contains('*'))
    }

    fn first_day() -> DateTime {
        date(2000, 1, 1).at(0, 0, 0, 0)
    }

    fn zone(name: &LitStr, errors: &mut Errors) -> Option<TimeZone> {
        let zones = TimeZoneDatabase::bundled();
        let text = name.value();
        let known: Vec<String> = zones.available().map(|zone| zone.as_str().to_owned()).collect();
        // The time zone database ignores case, but operating systems do not.
        if known.contains(&text) {
            return zones.get(&text).ok();
        }
        let lower = text.to_lowercase().replace(' ', "_");
        let same = known.iter().find(|known| known.to_lowercase() == lower);
        let city = || known.iter().find(|known| known.to_lowercase().ends_with(&format!("/{lower}")));
        let near = same.or_else(city).map(String::as_str);
        let near = near.or_else(|| nearest(&text, known.iter().map(String::as_str)));
        errors.at(
            name,
            match near {
                Some(near) => format!("there is no time zone `{text}`; did you mean `{near}`?"),
                None => format!("there is no time zone `{text}`: write an IANA name, such as `Asia/Seoul`"),
            },
        );
        None
    }

    /// Returns whether the clocks of the zone are put back regularly.
    fn goes_back(zone: &TimeZone) -> bool {
        let Ok(from) = date(2030, 1, 1).at(0, 0, 0, 0).to_zoned(TimeZone::UTC) else { return false };
        let mut before = zone.to_offset(from.timestamp());
        zone.following(from.timestamp()).take(4).any(|change| {
            let back = change.offset() < before;
            before = change.offset();
            back
        })
    }
}
