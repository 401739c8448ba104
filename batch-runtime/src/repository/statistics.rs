//! The totals of all executions of a repository.

use std::time::Duration;

use jiff::Timestamp;

use super::Profile;
use super::model::Counters;

/// The length to which the exit codes of totals are cut, because they are part of a key.
pub(super) const TOTAL_EXIT_CODE: usize = 500;

/// The totals of all executions of a repository, as [`Repository::statistics`](super::Repository::statistics) returns
/// them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// The number of executions, including those that are running. Here as in all sums, purged executions count
    /// as well.
    pub launches: u64,
    /// The ended executions, by job and exit code.
    pub jobs: Vec<JobStatistics>,
    /// The ended step executions, by job, step and exit code. Partitions are part of their step.
    pub steps: Vec<StepStatistics>,
    /// The committed work of steps, by job and step, including what running ones have done so far.
    pub work: Vec<WorkStatistics>,
}

/// How long a number of executions took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// The number of executions.
    pub count: u64,
    /// The sum of their times.
    pub sum: Duration,
    /// The longest time.
    pub longest: Duration,
}

/// The ended executions of a job that have an exit code in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatistics {
    /// The name of the job.
    pub job: String,
    /// The exit code.
    pub exit_code: String,
    /// Their times.
    pub times: Times,
    /// The end of the last one that completed.
    pub last_completed: Option<Timestamp>,
}

/// The ended executions of a step that have an exit code in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepStatistics {
    /// The name of the job.
    pub job: String,
    /// The name of the step. All iterations of a loop have the same one.
    pub step: String,
    /// The exit code.
    pub exit_code: String,
    /// Their times.
    pub times: Times,
}

/// The work of all executions of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkStatistics {
    /// The name of the job.
    pub job: String,
    /// The name of the step. All iterations of a loop have the same one.
    pub step: String,
    /// The committed work.
    pub counters: Counters,
    /// The time per activity, in nanoseconds, of the executions that have ended; `None` for steps without chunks.
    pub profile: Option<Profile>,
}

impl Times {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.longest = self.longest.max(other.longest);
    }
}

impl Statistics {
    /// Adds ended executions of a job.
    pub(super) fn add_job(&mut self, more: JobStatistics) {
        let is_it =
            |known: &&mut JobStatistics| (&*known.job, &*known.exit_code) == (&*more.job, &*more.exit_code);
        match self.jobs.iter_mut().find(is_it) {
            Some(known) => {
                known.times.add(more.times);
                known.last_completed = known.last_completed.max(more.last_completed);
            }
            None => self.jobs.push(more),
        }
    }

    /// Puts everything in order, after the totals of purged executions were added.
    pub(super) fn sort(&mut self) {
        self.jobs.sort_by(|a, b| (&a.job, &a.exit_code).cmp(&(&b.job, &b.exit_code)));
        self.steps.sort_by(|a, b| (&a.job, &a.step, &a.exit_code).cmp(&(&b.job, &b.step, &b.exit_code)));
        self.work.sort_by(|a, b| (&a.job, &a.step).cmp(&(&b.job, &b.step)));
    }

    /// Adds step executions whose names may contain the iteration of a loop.
    pub(super) fn add_step(&mut self, job: String, path: &str, exit_code: String, times: Times) {
        let step = step_of(path);
        let is_it = |known: &&mut StepStatistics| {
            (&*known.job, &*known.step, &*known.exit_code) == (&*job, &*step, &*exit_code)
        };
        match self.steps.iter_mut().find(is_it) {
            Some(known) => known.times.add(times),
            None => self.steps.push(StepStatistics { job, step, exit_code, times }),
        }
    }

    /// Adds the work of step executions whose names may contain the iteration of a loop and the partition.
    pub(super) fn add_work(&mut self, job: String, path: &str, counters: Counters, profile: Option<Profile>) {
        let step = step_of(path);
        let known = self.work.iter_mut().find(|known| (&*known.job, &*known.step) == (&*job, &*step));
        let Some(known) = known else {
            self.work.push(WorkStatistics { job, step, counters, profile });
            return;
        };
        known.counters += counters;
        if let Some(more) = profile {
            let sum = known.profile.get_or_insert_default();
            sum.read += more.read;
            sum.process += more.process;
            sum.write += more.write;
            sum.commit += more.commit;
        }
    }
}

/// The name of the step without the iteration of a loop and the partition: `page` of `page[3]:partition7`.
fn step_of(path: &str) -> String {
    let path = path.rsplit_once(":partition").map_or(path, |(step, _)| step);
    let mut name = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        name.push_str(before);
        rest = after.split_once(']').map_or("", |(_, after)| after);
    }
    name + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_iterations_of_a_loop_and_the_partitions_are_one_step() {
        for path in ["load", "load[3]", "load:partition12", "load[3]:partition12"] {
            assert_eq!(step_of(path), "load");
        }
        assert_eq!(step_of("outer[1]/page[22]/load"), "outer/page/load");
    }
}
