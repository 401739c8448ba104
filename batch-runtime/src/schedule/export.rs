//! Writes schedules as units of other schedulers, which call `run JOB --due`. Even if a scheduler
//! fires twice or too often, the job does not run twice for the same time.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use croner::CronComponent;

use super::ScheduledJob;
use crate::definition::Overlap;

/// The scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Systemd,
    Crontab,
    Kubernetes,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Systemd, Self::Crontab, Self::Kubernetes];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Crontab => "crontab",
            Self::Kubernetes => "kubernetes",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// A file for the scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The command that the units call.
#[derive(Debug)]
pub(crate) struct Called<'a> {
    pub(crate) program: &'a Path,
    /// The repository's file; `None` for one on a server, whose URL may hold a password.
    pub(crate) repository: Option<&'a OsStr>,
}

/// The files for the schedules.
pub(crate) fn units(format: Format, jobs: &[ScheduledJob], called: &Called<'_>) -> Vec<Unit> {
    match format {
        Format::Systemd => jobs.iter().flat_map(|job| systemd(job, called)).collect(),
        Format::Crontab => vec![crontab(jobs, called)],
        Format::Kubernetes => jobs.iter().map(|job| kubernetes(job, called)).collect(),
    }
}

/// `batch-weekly-top-user`
fn name(job: &ScheduledJob) -> String {
    format!("batch-{}", job.job.name.replace('_', "-").to_lowercase())
}

/// The five fields, with names as numbers.
fn fields(job: &ScheduledJob) -> Vec<String> {
    job.times.cron().pattern.as_str().split_whitespace().map(|field| field.replace('?', "*")).collect()
}

/// Returns the part of the expression that other crons do not understand, if any.
fn not_in_cron(job: &ScheduledJob) -> Option<&'static str> {
    let pattern = &job.times.cron().pattern;
    if pattern.days.has_modifiers() {
        Some("`L` and `W` as the day of the month")
    } else if pattern.days_of_week.has_modifiers() {
        Some("`#` and `L` as the day of the week")
    } else if pattern.matches_dom_and_dow() {
        Some("a day of the month and of the week that must both match")
    } else {
        None
    }
}

/// Returns the part of the expression that systemd's calendar does not understand, if any.
fn not_in_systemd(job: &ScheduledJob) -> Option<&'static str> {
    let pattern = &job.times.cron().pattern;
    let either = !pattern.is_dom_wildcard() && !pattern.is_dow_wildcard() && !pattern.matches_dom_and_dow();
    match not_in_cron(job) {
        Some(_)
            if pattern.matches_dom_and_dow()
                && !pattern.days.has_modifiers()
                && !pattern.days_of_week.has_modifiers() =>
        {
            None
        }
        Some(what) => Some(what),
        None => either.then_some("a day of the month or of the week, either of which may match"),
    }
}

fn systemd(job: &ScheduledJob, called: &Called<'_>) -> [Unit; 2] {
    let (name, job_name, zone) = (name(job), job.job.name, job.schedule.zone);
    let expression = job.schedule.expression;
    let quoted =
        |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"));
    let environment = match called.repository {
        Some(path) => {
            format!("Environment={}\n", quoted(&format!("BATCH_REPOSITORY={}", path.to_string_lossy())))
        }
        None => format!("# BATCH_REPOSITORY=postgres://...\nEnvironmentFile=/etc/default/{name}\n"),
    };
    let program = quoted(&called.program.to_string_lossy());
    let service = format!(
        "[Unit]\nDescription=Runs the job {job_name} for each time that is due\n\n[Service]\nType=oneshot\n{environment}ExecStart={program} run {job_name} --due\n"
    );
    let note = match not_in_systemd(job) {
        Some(what) => {
            format!("# systemd does not know {what}, so it asks every hour whether the job is due.\n")
        }
        None => String::new(),
    };
    let calendar = calendar(job);
    let timer = format!(
        "[Unit]\nDescription=Schedule of the job {job_name}: {expression}\n\n[Timer]\n{note}OnCalendar={calendar} {zone}\nPersistent=true\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"
    );
    [
        Unit { name: format!("{name}.service"), text: service },
        Unit { name: format!("{name}.timer"), text: timer },
    ]
}

/// `Mon *-*-* 03:00:00`
fn calendar(job: &ScheduledJob) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let pattern = &job.times.cron().pattern;
    let minutes = listed(&pattern.minutes);
    if not_in_systemd(job).is_some() {
        return format!("*-*-* *:{minutes}:00");
    }
    let week = if pattern.is_dow_wildcard() {
        String::new()
    } else {
        let days = pattern.days_of_week.values();
        let days: Vec<&str> =
            days.into_iter().filter_map(|day| DAYS.get(usize::from(day)).copied()).collect();
        format!("{} ", days.join(","))
    };
    let days = if pattern.is_dom_wildcard() { "*".to_owned() } else { listed(&pattern.days) };
    format!("{week}*-{}-{days} {}:{minutes}:00", listed(&pattern.months), listed(&pattern.hours))
}

/// The values of a field: `01,15`, or `*` for all.
fn listed(field: &CronComponent) -> String {
    let values = field.values();
    if values.len() == usize::from(field.max - field.min) + 1 {
        return "*".to_owned();
    }
    values.iter().map(|value| format!("{value:02}")).collect::<Vec<_>>().join(",")
}

/// The fields for a cron, and the reason if they are not those of the schedule.
fn cron_fields(job: &ScheduledJob, of: &str) -> (String, Option<String>) {
    let fields = fields(job);
    match not_in_cron(job) {
        Some(what) => {
            let why = format!("{of} does not know {what}, so it asks every hour whether the job is due.");
            (format!("{} * * * *", fields.first().map_or("0", String::as_str)), Some(why))
        }
        None => (fields.join(" "), None),
    }
}

fn crontab(jobs: &[ScheduledJob], called: &Called<'_>) -> Unit {
    // `%` ends a command in a crontab.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''").replace('%', "\\%"));
    let mut text = String::from(
        "# cronie knows CRON_TZ. Other crons read the times in the zone of the machine: with those, use `0 * * * *`.\n",
    );
    for job in jobs {
        let (fields, why) = cron_fields(job, "cron");
        let environment = match called.repository {
            Some(path) => format!("BATCH_REPOSITORY={} ", quoted(&path.to_string_lossy())),
            None => String::new(),
        };
        let why = why.map(|why| format!("# {why}\n")).unwrap_or_default();
        let program = quoted(&called.program.to_string_lossy());
        let _ = write!(
            text,
            "\n# {}: {}\n{why}CRON_TZ={}\n{fields} {environment}{program} run {} --due\n",
            job.job.name, job.schedule.expression, job.schedule.zone, job.job.name
        );
    }
    Unit { name: "batch.crontab".to_owned(), text }
}

fn kubernetes(job: &ScheduledJob, called: &Called<'_>) -> Unit {
    let name = name(job);
    let (fields, why) = cron_fields(job, "Kubernetes");
    let why = why.map(|why| format!("  # {why}\n")).unwrap_or_default();
    let policy = if job.schedule.overlap == Overlap::Allow { "Allow" } else { "Forbid" };
    let program = serde_json::Value::from(called.program.to_string_lossy()).to_string();
    let text = format!(
        "apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
{why}  schedule: \"{fields}\"
  timeZone: {zone}
  concurrencyPolicy: {policy}
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: {name}
              image: IMAGE # the image of this program
              command: [{program}]
              args: [run, {job}, --due]
              env:
                - name: BATCH_REPOSITORY
                  valueFrom:
                    secretKeyRef:
                      name: batch
                      key: repository
",
        zone = job.schedule.zone,
        job = job.job.name,
    );
    Unit { name: format!("{name}.yaml"), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{JobInfo, JobOptions, Schedule};

    fn text(format: Format, expression: &'static str) -> String {
        let options = JobOptions::DEFAULT.schedule(Schedule::new(expression, "Asia/Seoul"));
        let job: &'static JobInfo = Box::leak(Box::new(JobInfo {
            id: "t::weekly_top",
            name: "weekly_top",
            doc: "",
            parameters: &[],
            flow: &[],
            options,
        }));
        let called = Called {
            program: Path::new("/opt/my jobs/etl"),
            repository: Some(OsStr::new("/var/lib/100%.db")),
        };
        let units = units(format, &[ScheduledJob::of(job).unwrap()], &called);
        units.into_iter().flat_map(|unit| ["== ".to_owned(), unit.name, "\n".to_owned(), unit.text]).collect()
    }

    #[test]
    fn systemd_gets_a_service_and_a_timer() {
        assert_eq!(
            text(Format::Systemd, "0 3 * * MON"),
            "== batch-weekly-top.service
[Unit]
Description=Runs the job weekly_top for each time that is due

[Service]
Type=oneshot
Environment=\"BATCH_REPOSITORY=/var/lib/100%%.db\"
ExecStart=\"/opt/my jobs/etl\" run weekly_top --due
== batch-weekly-top.timer
[Unit]
Description=Schedule of the job weekly_top: 0 3 * * MON

[Timer]
OnCalendar=Mon *-*-* 03:00:00 Asia/Seoul
Persistent=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"
        );
    }

    #[test]
    fn the_calendar_of_systemd_says_what_the_expression_says() {
        for (expression, expected) in [
            ("*/15 * * * *", "*-*-* *:00,15,30,45:00"),
            ("30 6,18 1,15 * *", "*-*-01,15 06,18:30:00"),
            ("0 0 1 JAN-MAR *", "*-01,02,03-01 00:00:00"),
            ("0 3 1-7 * +MON", "Mon *-*-01,02,03,04,05,06,07 03:00:00"),
            ("@daily", "*-*-* 00:00:00"),
        ] {
            let all = text(Format::Systemd, expression);
            assert!(all.contains(&format!("\nOnCalendar={expected} Asia/Seoul\n")), "{expression}: {all}");
        }
    }

    #[test]
    fn a_scheduler_that_cannot_express_it_asks_every_hour_and_says_why() {
        for (format, expression, call) in [
            (Format::Systemd, "15 3 L * *", "OnCalendar=*-*-* *:15:00"),
            (Format::Systemd, "15 3 1 * MON", "OnCalendar=*-*-* *:15:00"),
            (Format::Crontab, "15 3 * * MON#2", "\n15 * * * * "),
            (Format::Kubernetes, "15 3 1-7 * +MON", "schedule: \"15 * * * *\""),
        ] {
            let all = text(format, expression);
            assert!(all.contains(call) && all.contains("asks every hour whether"), "{expression}: {all}");
        }
    }

    #[test]
    fn a_crontab_names_the_zone_and_quotes_what_a_shell_would_read() {
        let all = text(Format::Crontab, "0 3 * * MON");
        let line = "CRON_TZ=Asia/Seoul\n0 3 * * 1 BATCH_REPOSITORY='/var/lib/100\\%.db' '/opt/my jobs/etl' run weekly_top --due\n";
        assert!(all.ends_with(line), "{all}");
    }

    #[test]
    fn kubernetes_gets_the_zone_and_runs_one_at_a_time() {
        let all = text(Format::Kubernetes, "0 3 * * MON");
        for part in [
            "  schedule: \"0 3 * * 1\"\n  timeZone: Asia/Seoul\n  concurrencyPolicy: Forbid\n",
            "args: [run, weekly_top, --due]",
        ] {
            assert!(all.contains(part), "{all}");
        }
    }
}
