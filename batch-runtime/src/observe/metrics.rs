//! Writes the totals of a repository in the text format of Prometheus.
//!
//! The metrics of Spring Batch have the names under which Micrometer exports them, each with its own prefix for its labels,
//! so that dashboards find them. The names of all other metrics begin with `batch_`.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use jiff::Timestamp;

use crate::repository::{
    Counters, ExecutionFilter, JobStatistics, OwnerState, Profile, Repository, RepositoryError, Statistics,
    StepStatistics, Times,
};

/// Returns the totals of all executions of a repository in the text format of Prometheus, as the command `metrics` prints
/// them. Times are in seconds.
///
/// ```
/// use batch_runtime::observe;
/// use batch_runtime::repository::sqlite::SqliteRepository;
///
/// let repository = SqliteRepository::temporary()?;
/// let metrics = observe::metrics(&repository)?;
/// assert!(metrics.contains("\nspring_batch_job_launch_count_total 0\n"));
/// # Ok::<(), batch_runtime::repository::RepositoryError>(())
/// ```
///
/// # Errors
/// If the repository cannot be read.
pub fn metrics(repository: &dyn Repository) -> Result<String, RepositoryError> {
    let running = ExecutionFilter { running: true, ..ExecutionFilter::default() };
    let now = repository.now()?;
    let mut active: BTreeMap<String, Active> = BTreeMap::new();
    for execution in repository.executions(&running)? {
        let owner = repository.owner_state(&execution)?;
        let began = execution.started.unwrap_or(execution.created);
        let of_job = active.entry(execution.instance.job).or_default();
        of_job.count += 1;
        of_job.time += Duration::try_from(now.duration_since(began)).unwrap_or_default();
        of_job.dead += u64::from(owner == OwnerState::Dead);
    }
    let statistics = repository.statistics()?;
    let mut page = Page(String::new());
    page.jobs(&statistics);
    page.active(&active);
    page.steps(&statistics);
    page.work(&statistics);
    Ok(page.0)
}

/// The running executions of a job.
#[derive(Default)]
struct Active {
    count: u64,
    time: Duration,
    /// How many have a dead owner.
    dead: u64,
}

/// A kind of work of chunk steps: its name, its help text, and a function that returns how often it succeeded, how
/// often it failed, and its time in nanoseconds.
type Phase = (&'static str, &'static str, fn(&Counters, &Profile) -> (u64, u64, u64));

const PHASES: [Phase; 3] = [
    ("spring_batch_item_read", "Items read", |counters, profile| {
        (counters.read, counters.read_skip, profile.read)
    }),
    ("spring_batch_item_process", "Items processed", |counters, profile| {
        let failed = counters.process_skip;
        (counters.read.saturating_sub(failed), failed, profile.process)
    }),
    ("spring_batch_chunk_write", "Chunks written", |counters, profile| {
        (counters.commit, counters.rollback, profile.write)
    }),
];

/// The lines so far.
struct Page(String);

impl Page {
    /// Begins a metric. All its samples follow.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0 += name;
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, Escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    fn jobs(&mut self, all: &Statistics) {
        let launches = "spring_batch_job_launch_count_total";
        self.metric(launches, "counter", "Launches of all jobs");
        self.sample(launches, &[], all.launches);
        let mut times: BTreeMap<(&str, &str), Times> = BTreeMap::new();
        for JobStatistics { job, exit_code, times: took, .. } in &all.jobs {
            // A count that begins with 1 does not increase, so the first failure would be overlooked.
            times.entry((job, "FAILED")).or_default();
            times.insert((job, exit_code), *took);
        }
        let times: Vec<_> = times
            .into_iter()
            .map(|((job, exit_code), took)| {
                ([("spring_batch_job_name", job), ("spring_batch_job_status", exit_code)], took)
            })
            .collect();
        self.timer("spring_batch_job_seconds", "Ended executions of jobs, by exit code", &times);
        let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for job in &all.jobs {
            if let Some(completed) = job.last_completed {
                let last = last.entry(&job.job).or_insert(completed);
                *last = completed.max(*last);
            }
        }
        let name = "batch_job_last_success_timestamp_seconds";
        self.metric(name, "gauge", "End of the last execution of the job that completed");
        for (job, completed) in last {
            let since_epoch = completed.duration_since(Timestamp::UNIX_EPOCH);
            self.sample(name, &[("job", job)], since_epoch.as_secs_f64());
        }
    }

    fn active(&mut self, active: &BTreeMap<String, Active>) {
        let name = "spring_batch_job_active_seconds_active_count";
        self.metric(name, "gauge", "Executions that are running, or whose owner has died");
        for (job, of_job) in active {
            self.sample(name, &[("spring_batch_job_active_name", job)], of_job.count);
        }
        let name = "spring_batch_job_active_seconds_duration_sum";
        self.metric(name, "gauge", "Sum of the times since these executions started");
        for (job, of_job) in active {
            self.sample(name, &[("spring_batch_job_active_name", job)], of_job.time.as_secs_f64());
        }
        let name = "batch_owner_dead";
        self.metric(name, "gauge", "Executions whose owner died, and that wait for a restart or `recover`");
        for (job, of_job) in active {
            self.sample(name, &[("job", job)], of_job.dead);
        }
    }

    fn steps(&mut self, all: &Statistics) {
        let times: Vec<_> = all
            .steps
            .iter()
            .map(|StepStatistics { job, step, exit_code, times }| {
                let labels = [
                    ("spring_batch_step_name", &**step),
                    ("spring_batch_step_job_name", &**job),
                    ("spring_batch_step_status", &**exit_code),
                ];
                (labels, *times)
            })
            .collect();
        self.timer("spring_batch_step_seconds", "Ended executions of steps, by exit code", &times);
    }

    fn timer<const N: usize>(&mut self, name: &str, help: &str, all: &[([(&str, &str); N], Times)]) {
        self.metric(name, "summary", help);
        for (labels, times) in all {
            self.sample(&format!("{name}_count"), labels, times.count);
            self.sample(&format!("{name}_sum"), labels, times.sum.as_secs_f64());
        }
        let longest = format!("{name}_max");
        self.metric(&longest, "gauge", &format!("{help}: the longest of all"));
        for (labels, times) in all {
            self.sample(&longest, labels, times.longest.as_secs_f64());
        }
    }

    /// The work of chunk steps, and the items of all steps.
    fn work(&mut self, all: &Statistics) {
        for (prefix, what, of) in PHASES {
            let name = format!("{prefix}_seconds");
            let help = format!(
                "{what}; the time is an estimate from measured chunks, and that of SUCCESS includes failed calls"
            );
            self.metric(&name, "summary", &help);
            for (work, profile) in all.work.iter().filter_map(|work| Some((work, work.profile.as_ref()?))) {
                let (succeeded, failed, nanos) = of(&work.counters, profile);
                let of_success = ("SUCCESS", succeeded, Duration::from_nanos(nanos));
                for (status, count, time) in [of_success, ("FAILURE", failed, Duration::ZERO)] {
                    if count == 0 && status == "FAILURE" {
                        continue;
                    }
                    let labels = [
                        (&*format!("{prefix}_job_name"), &*work.job),
                        (&*format!("{prefix}_step_name"), &*work.step),
                        (&*format!("{prefix}_status"), status),
                    ];
                    self.sample(&format!("{name}_count"), &labels, count);
                    self.sample(&format!("{name}_sum"), &labels, time.as_secs_f64());
                }
            }
        }
        let name = "batch_step_items_total";
        self.metric(
            name,
            "counter",
            "Items of steps, by what became of them, including steps that still run",
        );
        for work in &all.work {
            let Counters { read, filter, write, read_skip, process_skip, write_skip, .. } = work.counters;
            let kinds = [
                ("read", read),
                ("filter", filter),
                ("write", write),
                ("read_skip", read_skip),
                ("process_skip", process_skip),
                ("write_skip", write_skip),
            ];
            for (kind, count) in kinds {
                self.sample(name, &[("job", &work.job), ("step", &work.step), ("kind", kind)], count);
            }
        }
    }
}

/// The value of a label.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_label_is_escaped() {
        assert_eq!(Escaped("a \"b\"\n\\c").to_string(), r#"a \"b\"\n\\c"#);
    }
}
