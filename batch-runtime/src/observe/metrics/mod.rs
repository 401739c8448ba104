//! Computes metrics from the totals of a repository.
//!
//! The metrics that Spring Batch has, too, keep the names under which Micrometer exports them, and each metric has its
//! own prefix for its labels, so existing dashboards find them. The names of all other metrics begin with `batch_`.

mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::repository::{
    BatchStatus, Counters, ExecutionFilter, JobStatistics, OwnerState, Profile, Repository, RepositoryError,
    Statistics, StepStatistics, Times,
};

#[cfg(feature = "schedule")]
use crate::schedule::{self, due_since};

/// Returns the totals of all executions of a repository in the text format of Prometheus, as the command `metrics`
/// prints them. Times are in seconds.
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
    Ok(text::text(&of(repository)?))
}

/// Returns the totals of all executions of a repository.
pub(super) fn of(repository: &dyn Repository) -> Result<Vec<Metric>, RepositoryError> {
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
    let mut page = Page::default();
    page.jobs(&statistics);
    page.memory(repository, &statistics)?;
    #[cfg(feature = "schedule")]
    page.schedules(repository, now)?;
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
    /// How many of them have a dead owner.
    dead: u64,
}

/// A kind of work of chunk steps: the name of the metric, its help text, and a function that returns how often the
/// work succeeded, how often it failed, and how long it took in nanoseconds.
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

/// A metric with all its samples.
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) help: String,
    pub(super) samples: Vec<(Labels, Value)>,
}

/// The kind of a metric's values.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Values that only grow.
    Counter,
    Gauge,
    /// Values that tell how often something was done, and how long it took in all.
    Summary,
}

/// The names and values of the labels of a sample.
pub(super) type Labels = Vec<(Cow<'static, str>, String)>;

/// The value of a sample.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Count(u64),
    Number(f64),
    /// The value of a summary.
    Times {
        count: u64,
        sum: Duration,
    },
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// The metrics so far.
#[derive(Default)]
struct Page(Vec<Metric>);

impl Page {
    /// Begins a metric, whose samples are added next.
    fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        self.0.push(Metric { name: name.to_owned(), kind, help: help.to_owned(), samples: Vec::new() });
    }

    /// Adds a sample to the metric that was begun last.
    fn sample(&mut self, labels: &[(&'static str, &str)], value: impl Into<Value>) {
        let labels = labels.iter().map(|(name, text)| (Cow::Borrowed(*name), (*text).to_owned())).collect();
        self.labelled(labels, value);
    }

    fn labelled(&mut self, labels: Labels, value: impl Into<Value>) {
        let metric = self.0.last_mut().expect("a metric is begun before its samples");
        metric.samples.push((labels, value.into()));
    }

    fn jobs(&mut self, all: &Statistics) {
        let launches = "spring_batch_job_launch_count_total";
        self.metric(launches, Kind::Counter, "Launches of all jobs");
        self.sample(&[], all.launches);
        let mut times: BTreeMap<(&str, &str), Times> = BTreeMap::new();
        for JobStatistics { job, exit_code, times: took, .. } in &all.jobs {
            // A series that begins at 1 does not increase, so an alert would overlook the first failure. Begin at 0.
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
        self.metric(name, Kind::Gauge, "End of the last execution of the job that completed");
        for (job, completed) in last {
            let since_epoch = completed.duration_since(Timestamp::UNIX_EPOCH);
            self.sample(&[("job", job)], since_epoch.as_secs_f64());
        }
    }

    /// The memory of the last execution of each job that completed.
    fn memory(&mut self, repository: &dyn Repository, all: &Statistics) -> Result<(), RepositoryError> {
        let name = "batch_job_peak_memory_bytes";
        self.metric(
            name,
            Kind::Gauge,
            "Peak resident memory of the last execution of the job that completed",
        );
        let jobs: BTreeSet<&str> = all.jobs.iter().map(|job| &*job.job).collect();
        for job in jobs {
            let last = ExecutionFilter {
                job: Some(job.to_owned()),
                statuses: vec![BatchStatus::Completed],
                limit: Some(1),
                ..ExecutionFilter::default()
            };
            let Some(last) = repository.executions(&last)?.pop() else { continue };
            let steps = repository.steps(last.id)?;
            let peaks = steps.iter().filter_map(|step| step.profile.as_ref()?.usage.as_ref()?.peak_memory);
            if let Some(peak) = peaks.max() {
                self.sample(&[("job", job)], peak);
            }
        }
        Ok(())
    }

    #[cfg(feature = "schedule")]
    fn schedules(&mut self, repository: &dyn Repository, now: Timestamp) -> Result<(), RepositoryError> {
        let name = "batch_schedule_overdue_seconds";
        self.metric(
            name,
            Kind::Gauge,
            "How long the job has been due without a run; 0 if it is on time or its schedule is paused",
        );
        for row in repository.schedules()? {
            // A later version of the program may know expressions that this one does not.
            let Ok(times) = schedule::Times::of(&row.expression, &row.zone) else { continue };
            let since = due_since(repository, &row, &times, now)?.unwrap_or(now);
            self.sample(&[("job", &row.job)], now.duration_since(since).as_secs_f64());
        }
        Ok(())
    }

    fn active(&mut self, active: &BTreeMap<String, Active>) {
        let name = "spring_batch_job_active_seconds_active_count";
        self.metric(name, Kind::Gauge, "Executions that are running, or whose owner has died");
        for (job, of_job) in active {
            self.sample(&[("spring_batch_job_active_name", job)], of_job.count);
        }
        let name = "spring_batch_job_active_seconds_duration_sum";
        self.metric(name, Kind::Gauge, "Sum of the times since these executions started");
        for (job, of_job) in active {
            self.sample(&[("spring_batch_job_active_name", job)], of_job.time.as_secs_f64());
        }
        let name = "batch_owner_dead";
        self.metric(
            name,
            Kind::Gauge,
            "Executions whose owner died, and that wait for a restart or `recover`",
        );
        for (job, of_job) in active {
            self.sample(&[("job", job)], of_job.dead);
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

    fn timer<const N: usize>(&mut self, name: &str, help: &str, all: &[([(&'static str, &str); N], Times)]) {
        self.metric(name, Kind::Summary, help);
        for (labels, times) in all {
            self.sample(labels, Value::Times { count: times.count, sum: times.sum });
        }
        self.metric(&format!("{name}_max"), Kind::Gauge, &format!("{help}: the longest of all"));
        for (labels, times) in all {
            self.sample(labels, times.longest.as_secs_f64());
        }
    }

    /// The work of chunk steps, and the items of all steps.
    fn work(&mut self, all: &Statistics) {
        for (prefix, what, of) in PHASES {
            let name = format!("{prefix}_seconds");
            let help = format!(
                "{what}; the time is an estimate from measured chunks, and that of SUCCESS includes failed calls"
            );
            self.metric(&name, Kind::Summary, &help);
            for (work, profile) in all.work.iter().filter_map(|work| Some((work, work.profile.as_ref()?))) {
                let (succeeded, failed, nanos) = of(&work.counters, profile);
                let of_success = ("SUCCESS", succeeded, Duration::from_nanos(nanos));
                for (status, count, time) in [of_success, ("FAILURE", failed, Duration::ZERO)] {
                    if count == 0 && status == "FAILURE" {
                        continue;
                    }
                    let labels = [("job_name", &*work.job), ("step_name", &work.step), ("status", status)];
                    let labels = labels
                        .map(|(label, text)| (Cow::Owned(format!("{prefix}_{label}")), text.to_owned()));
                    self.labelled(labels.into(), Value::Times { count, sum: time });
                }
            }
        }
        let name = "batch_step_items_total";
        self.metric(name, Kind::Counter, "Items of steps by outcome, including running steps");
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
                self.sample(&[("job", &work.job), ("step", &work.step), ("kind", kind)], count);
            }
        }
    }
}
