//! Follows the schedules of several jobs, and runs each job as a child process.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::definition::{JobInfo, Overlap, StopSignal};
use crate::operator::{JobOperator, OperatorError};

/// The longest wait. The clock is read again after it, because somebody may have set the clock.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How often the daemon checks whether a child has ended.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// The first wait after a child that has changed nothing. Each further wait is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Runs jobs when they are due.
pub(crate) struct Daemon<'a> {
    pub(crate) operator: JobOperator,
    pub(crate) jobs: Vec<&'static JobInfo>,
    /// The largest number of children.
    pub(crate) most: usize,
    /// The command that runs a job for its due times.
    pub(crate) command: &'a dyn Fn(&JobInfo) -> Command,
    pub(crate) say: &'a dyn Fn(&str),
    /// Makes the message that a job was followed with another expression and zone, which are the second argument.
    pub(crate) changed: &'a dyn Fn(&JobInfo, &(String, String)) -> String,
    /// Ends the daemon.
    pub(crate) stop: StopSignal,
}

/// A child that runs a job.
struct Running {
    job: &'static str,
    child: Child,
}

/// A job whose children change nothing: perhaps its program does not start.
struct Idle {
    /// The first time that was due.
    scheduled: String,
    wait: Duration,
    until: Instant,
}

impl Daemon<'_> {
    /// Follows the schedules until it is stopped and its children have ended.
    ///
    /// # Errors
    /// If the repository cannot be used at the beginning. Later failures are retried.
    pub(crate) fn follow(&self) -> Result<(), OperatorError> {
        let mut children: Vec<Running> = Vec::new();
        let mut idle: BTreeMap<&'static str, Idle> = BTreeMap::new();
        // Tell of each change once. While an old and a new program run side by side, each keeps finding a changed
        // schedule.
        let mut told = BTreeSet::new();
        let mut is_first = true;
        while !self.stop.is_raised() {
            let wait = match self.start_due(&mut children, &mut idle, &mut told) {
                Ok(wait) => wait,
                Err(error) if is_first => return Err(error),
                Err(error) => {
                    (self.say)(&format!("schedule: {error}; retrying in a minute"));
                    LONGEST_WAIT
                }
            };
            if std::mem::take(&mut is_first) {
                (self.say)(&format!("schedule: following {}", self.names()));
            }
            self.wait(wait, &mut children);
        }
        self.end(children);
        Ok(())
    }

    fn names(&self) -> String {
        self.jobs.iter().map(|job| job.name).collect::<Vec<_>>().join(", ")
    }

    /// Starts what is due. Returns how long to wait before anything else can be due.
    fn start_due(
        &self,
        children: &mut Vec<Running>,
        idle: &mut BTreeMap<&'static str, Idle>,
        told: &mut BTreeSet<String>,
    ) -> Result<Duration, OperatorError> {
        let mut wait = LONGEST_WAIT;
        for job in &self.jobs {
            let due = self.operator.due(job)?;
            if let Some(other) = &due.instead_of {
                let what = (self.changed)(job, other);
                if !told.contains(&what) {
                    (self.say)(&format!("schedule: {what}"));
                    told.insert(what);
                }
            }
            let now = self.operator.repository.now()?;
            if let Some(next) = due.next {
                wait = wait.min(Duration::try_from(next.duration_since(now)).unwrap_or_default());
            }
            let here = children.iter().filter(|running| running.job == job.name).count();
            let wanted = match job.options.schedule.map(|schedule| schedule.overlap) {
                Some(Overlap::Allow) => due.start.len(),
                _ => due.start.len().min(1),
            };
            let Some(first) = due.start.first().filter(|_| wanted > here) else {
                if due.start.is_empty() {
                    idle.remove(job.name);
                }
                continue;
            };
            if let Some(left) = resting(idle, job.name, &first.scheduled) {
                wait = wait.min(left);
                continue;
            }
            let room = self.most.saturating_sub(children.len());
            for _ in 0..(wanted - here).min(room) {
                match (self.command)(job).process_group(0).spawn() {
                    Ok(child) => children.push(Running { job: job.name, child }),
                    Err(error) => (self.say)(&format!("schedule: {} cannot be started: {error}", job.name)),
                }
            }
        }
        Ok(wait)
    }

    /// Waits until a child ends, for at most `wait`.
    fn wait(&self, wait: Duration, children: &mut Vec<Running>) {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let step = if children.is_empty() { left } else { left.min(CHECK_INTERVAL) };
            if self.stop.pause(step).is_err() || left.is_zero() || self.reap(children) {
                return;
            }
        }
    }

    /// Removes the children that have ended, and returns whether there were any.
    fn reap(&self, children: &mut Vec<Running>) -> bool {
        let before = children.len();
        children.retain_mut(|running| match running.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                if !status.success() {
                    (self.say)(&format!("schedule: {} ended with {status}", running.job));
                }
                false
            }
            Err(error) => {
                (self.say)(&format!("schedule: {} cannot be waited for: {error}", running.job));
                false
            }
        });
        children.len() < before
    }

    /// Asks the children to stop, and waits for them.
    fn end(&self, mut children: Vec<Running>) {
        for running in &children {
            if let Ok(pid) = i32::try_from(running.child.id()) {
                // A child that has just ended cannot receive the signal.
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
        if !children.is_empty() {
            (self.say)("schedule: waiting for the running jobs to stop after their current chunks");
        }
        while !children.is_empty() {
            std::thread::sleep(CHECK_INTERVAL);
            self.reap(&mut children);
        }
    }
}

/// How long a job still has to wait before its next child, because the last child has not run this scheduled time.
fn resting(idle: &mut BTreeMap<&'static str, Idle>, job: &'static str, scheduled: &str) -> Option<Duration> {
    let now = Instant::now();
    let wait = match idle.get(job).filter(|idle| idle.scheduled == scheduled) {
        // This time has not been tried yet.
        None => Duration::ZERO,
        Some(idle) if now < idle.until => return Some(idle.until - now),
        Some(idle) => (idle.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT),
    };
    let next = wait.max(FIRST_WAIT);
    idle.insert(job, Idle { scheduled: scheduled.to_owned(), wait: next, until: now + next });
    None
}
