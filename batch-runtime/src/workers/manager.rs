//! Lets workers run the partitions of a job's steps.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::deploy::Deployer;
use super::fingerprint::{fingerprint, queue_of};
use super::fleet::{Fleet, Lines, Step};
use super::hints::Hints;
use super::orders::{Secrets, WorkerSettings};
use super::wake::Wake;
use crate::definition::{Failure, JobInfo};
use crate::engine::{PartitionHandler, PartitionWork, PartitionsError};
use crate::repository::work_queue::{Reconcile, Reconciled, WorkQueue};
use crate::repository::{OwnerState, PartitionExecution, RepositoryError};

/// The first wait between two polls of the partitions; it doubles each time while nothing changes.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest wait between two polls while partitions change their states.
const STEADY_PAUSE: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait between two polls while hints arrive.
const LONGEST_HINTED_PAUSE: Duration = Duration::from_secs(5);
/// The time after which a hint for partitions that nobody has taken is sent again.
const HINT_INTERVAL: Duration = Duration::from_secs(10);
/// The shortest time between the starts of two polls while workers wake the manager.
const MIN_SPACING: Duration = Duration::from_millis(2);
/// The time between the starts of two polls is at least this many times the duration of the first.
const SPACING_FACTOR: u32 = 5;
/// How long partitions may wait for a worker before the user is told why.
const TELL_AFTER: Duration = Duration::from_secs(10);

/// Offers the partitions of steps to workers, and waits until they have run them.
///
/// ```
/// use std::sync::Arc;
/// use batch_runtime::engine::RunOptions;
/// use batch_runtime::workers::Manager;
///
/// // Partitions are run by workers that somebody else has started.
/// let options = RunOptions { partitions: Arc::new(Manager::remote()), ..RunOptions::default() };
/// ```
pub struct Manager {
    /// The workers that it starts; `None` if others start them.
    fleet: Option<Arc<Mutex<Fleet>>>,
    token: Option<String>,
    /// How long partitions wait for a worker before the step fails.
    most_wait: Option<Duration>,
    hints: Option<Arc<dyn Hints>>,
    /// Whether hints also wake this manager.
    replies: bool,
    wake: Wake,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("fleet", &self.fleet).finish_non_exhaustive()
    }
}

impl Manager {
    /// Offers partitions to all workers of the same program on the same repository.
    #[must_use]
    pub fn remote() -> Self {
        Self { fleet: None, token: None, most_wait: None, hints: None, replies: true, wake: Wake::default() }
    }

    /// Starts up to `most` workers when partitions wait, each for one partition at a time, and ends them when the job
    /// ends. `repository` is a path or a URL.
    #[must_use]
    pub fn starting(repository: impl Into<String>, deployer: impl Deployer + 'static, most: u32) -> Self {
        let (token, wake) = (uuid::Uuid::new_v4().simple().to_string(), Wake::default());
        let settings = WorkerSettings {
            repository: repository.into(),
            identity: String::new(),
            token: token.clone(),
            slots: 1,
            number: 0,
            broker: None,
            trace: HashMap::new(),
        };
        let lines: Lines = Arc::new(|line| {
            // If standard error is closed, nobody can read the line.
            let _ = writeln!(std::io::stderr(), "{line}");
        });
        let fleet = Fleet::new(Box::new(deployer), most, settings, wake.clone(), lines);
        Self {
            fleet: Some(Arc::new(Mutex::new(fleet))),
            token: Some(token),
            most_wait: None,
            hints: None,
            replies: true,
            wake,
        }
    }

    /// Lets each worker that the manager starts run that many partitions at the same time.
    #[must_use]
    pub fn slots(self, slots: u32) -> Self {
        if let Some(fleet) = &self.fleet {
            fleet.lock().unwrap_or_else(PoisonError::into_inner).set_slots(slots);
        }
        self
    }

    /// Sets the receiver of the lines that the workers print (default: standard error).
    #[must_use]
    pub fn lines(self, lines: impl Fn(&str) + Send + Sync + 'static) -> Self {
        if let Some(fleet) = &self.fleet {
            fleet.lock().unwrap_or_else(PoisonError::into_inner).set_lines(Arc::new(lines));
        }
        self
    }

    /// Fails a step if no worker has run any of its partitions for that long (default: partitions wait as long as it
    /// takes).
    #[must_use]
    pub fn wait_at_most(mut self, most: Duration) -> Self {
        self.most_wait = Some(most);
        self
    }

    /// Lets hints wake workers when partitions wait, and this manager when partitions have ended. Without hints, both
    /// poll the rows every second or two.
    #[must_use]
    pub fn hints(mut self, hints: Arc<dyn Hints>) -> Self {
        self.hints = Some(hints);
        self
    }

    /// Sets whether hints also wake this manager when partitions have ended (default: yes). If not, it only polls.
    #[must_use]
    pub fn replies(mut self, replies: bool) -> Self {
        self.replies = replies;
        self
    }

    /// Lets the workers that the manager starts also take chunks of steps with `remote`, over the broker at a URL.
    #[cfg(feature = "amqp")]
    #[must_use]
    pub fn broker(self, url: impl Into<String>) -> Self {
        if let Some(fleet) = &self.fleet {
            fleet.lock().unwrap_or_else(PoisonError::into_inner).set_broker(url.into());
        }
        self
    }

    /// The workers that it starts; `None` if others start them.
    #[cfg(feature = "remote-chunks")]
    pub(super) fn fleet(&self) -> Option<Arc<Mutex<Fleet>>> {
        self.fleet.clone()
    }

    /// How long a step waits for a worker; `None` means as long as it takes.
    #[cfg(feature = "remote-chunks")]
    pub(super) fn most_wait(&self) -> Option<Duration> {
        self.most_wait
    }

    /// The number of partitions of a step that may be offered or held at the same time. `None` if all may be
    /// offered together: a worker that has ended one then takes the next immediately, and does not wait for an offer.
    fn limit_of(&self, work: &PartitionWork<'_>) -> Option<usize> {
        let limit = work.limit()?;
        // Others may have started any number of workers. But if this manager starts workers, only those have its token.
        let fleet = self.fleet.as_ref();
        let slots = fleet.map(|fleet| fleet.lock().unwrap_or_else(PoisonError::into_inner).slots());
        slots.is_none_or(|slots| slots > limit as u64).then_some(limit)
    }

    /// The queues in which the manager offers the partitions of a job, without the queues of nested jobs.
    #[must_use]
    pub fn queues(&self, job: &JobInfo) -> Vec<String> {
        vec![queue_of(self.token.as_deref(), job)]
    }
}

impl PartitionHandler for Manager {
    fn handle(
        &self,
        work: &PartitionWork<'_>,
        _partitions: &[PartitionExecution],
    ) -> Result<(), PartitionsError> {
        let repository = work.repository();
        let queue = repository.work_queue().ok_or_else(|| RepositoryError::Unusable {
            place: repository.url(),
            what: "has no queue for workers: use SQLite or PostgreSQL, or run without `--workers`".to_owned(),
        })?;
        let before = queue.job_context(work.ownership())?;
        let name = queue_of(self.token.as_deref(), work.job());
        let managed = ManagedStep { manager: self, work, queue, name, limit: self.limit_of(work) };
        let done = managed.run();
        if let Some(fleet) = &self.fleet {
            fleet.lock().unwrap_or_else(PoisonError::into_inner).release(&managed.step());
        }
        done?;
        work.take_over_context(&before, queue.job_context(work.ownership())?);
        Ok(())
    }
}

/// A step whose partitions the manager offers.
struct ManagedStep<'m> {
    manager: &'m Manager,
    work: &'m PartitionWork<'m>,
    queue: &'m dyn WorkQueue,
    /// The name of the queue in which the partitions are offered.
    name: String,
    /// The number of partitions that may be offered or held at the same time.
    limit: Option<usize>,
}

/// Whether no partition has changed its state between two polls.
fn is_same(now: &Reconciled, before: &Reconciled) -> bool {
    now.waiting == before.waiting && now.held == before.held && now.completed == before.completed
}

impl ManagedStep<'_> {
    fn run(&self) -> Result<(), PartitionsError> {
        let Self { work, .. } = self;
        self.share_secrets();
        let wake = self.manager.wake.clone();
        let _woken = self
            .manager
            .hints
            .as_ref()
            .filter(|_| self.manager.replies)
            .map(|hints| hints.on_ended(work.ownership(), Box::new(move || wake.wake())));
        let mut last_hint = None;
        let mut pause = FIRST_PAUSE;
        let mut last = Reconciled::default();
        let mut ends = false;
        let mut stop_passed_on = false;
        // The reason why the step fails although no partition has failed.
        let mut failure = None;
        // The time since which no worker has held a partition.
        let mut alone_since = Some(Instant::now());
        let mut told = false;
        loop {
            let moment = self.manager.wake.now();
            if work.is_stopping() && !stop_passed_on {
                stop_passed_on = self.pass_stop_on()?;
            }
            ends |= work.is_stopping();
            let (at_once, contested) = (self.limit, work.owner_may_live());
            let reconcile = Reconcile { queue: &self.name, at_once, contested, ends };
            let began = Instant::now();
            let mut reconciled = self.queue.reconcile(work.ownership(), work.step(), &reconcile)?;
            let took = began.elapsed();
            let is_new = self.is_new(&reconciled, &last);
            for event in std::mem::take(&mut reconciled.events) {
                work.tell(&event);
            }
            work.show(&reconciled.counters, reconciled.completed);
            if reconciled.stop_requested && !work.is_stopping() {
                work.request_stop();
                continue;
            }
            if reconciled.has_failed() && !ends {
                // Withdraw the partitions that nobody has taken yet.
                ends = true;
                continue;
            }
            if reconciled.held() == 0 && (ends || reconciled.waiting == 0) {
                return failure.map_or(Ok(()), |failure| Err(PartitionsError::Failed(failure)));
            }
            if !ends {
                self.hint(&reconciled, is_new, &mut last_hint);
            }
            let next_start = if ends { Ok(None) } else { self.start_workers(&reconciled, is_new) };
            let next_start = match next_start {
                Ok(next_start) => next_start,
                Err(failed) => {
                    // The remaining workers finish the partitions that they hold, as after a failed partition.
                    (failure, ends) = (Some(failed), true);
                    continue;
                }
            };
            let has_moved =
                reconciled.completed > last.completed || reconciled.counters.commit > last.counters.commit;
            if has_moved || (reconciled.held() > 0 && last.held() > 0) {
                (alone_since, told) = (None, false);
            } else if reconciled.held() == 0 && !ends {
                let since = *alone_since.get_or_insert_with(Instant::now);
                let most = self.manager.most_wait.filter(|most| since.elapsed() >= *most);
                if most.is_some() || (since.elapsed() >= TELL_AFTER && !told) {
                    let why = self.why_alone().unwrap_or_else(|error| error.to_string());
                    if most.is_some() {
                        (failure, ends) = (Some(Failure::new(why)), true);
                        continue;
                    }
                    told = true;
                    work.tell(&why);
                }
            }
            let woken = self.wait_after(moment, next_start.map_or(pause, |start| start.min(pause)));
            // Limit how often the manager polls: workers may wake it all the time, and polling thousands of
            // partitions is work for the database.
            let spacing = (took * SPACING_FACTOR).clamp(MIN_SPACING, LONGEST_PAUSE);
            std::thread::sleep(spacing.saturating_sub(began.elapsed()));
            pause = match (woken, is_same(&reconciled, &last)) {
                (true, _) => FIRST_PAUSE,
                (false, false) => pause.min(STEADY_PAUSE),
                (false, true) => (pause * 2).min(self.longest()),
            };
            last = reconciled;
        }
    }

    /// Waits for at most `most`. Returns early if it was woken after `moment`, or if the job was asked to stop.
    /// Returns whether it was woken.
    fn wait_after(&self, moment: u64, most: Duration) -> bool {
        let until = Instant::now() + most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.manager.wake.wait_after(moment, left.min(LONGEST_PAUSE)) {
                return true;
            }
            if left <= LONGEST_PAUSE || self.work.is_stopping() {
                return false;
            }
        }
    }

    fn longest(&self) -> Duration {
        let arrive = self.manager.hints.as_ref().is_some_and(|hints| hints.arrive());
        if arrive && self.manager.replies { LONGEST_HINTED_PAUSE } else { LONGEST_PAUSE }
    }

    /// Returns whether partitions were offered since the last poll, as far as the manager can tell.
    fn is_new(&self, now: &Reconciled, before: &Reconciled) -> bool {
        // An event is a partition that has come back. With a limit, a further partition is offered only when another
        // one ends.
        let is_offered_one_by_one = self.limit.is_some();
        now.waiting > before.waiting
            || !now.events.is_empty()
            || (is_offered_one_by_one && !is_same(now, before))
    }

    /// Wakes idle workers if there is something new to take, or if nobody has taken anything for a while.
    fn hint(&self, now: &Reconciled, is_new: bool, last_hint: &mut Option<Instant>) {
        let Some(hints) = &self.manager.hints else { return };
        let room = self.limit.map_or(u64::MAX, |most| (most as u64).saturating_sub(now.held()));
        let open = now.waiting.min(room);
        let is_due = last_hint.is_none_or(|last| last.elapsed() >= HINT_INTERVAL);
        if open > 0 && (is_new || is_due) {
            // Nobody has taken the last offers, probably because all workers are busy, so one more is enough.
            hints.offer(&self.name, if is_new { open } else { 1 });
            *last_hint = Some(Instant::now());
        }
    }

    /// Records a stop that only this process knows of, so that the workers see it. Returns whether the stop is
    /// recorded; if it is not, the next poll tries again.
    fn pass_stop_on(&self) -> Result<bool, RepositoryError> {
        match self.work.repository().request_stop(self.work.ownership().execution) {
            Err(RepositoryError::NotRunning { .. }) | Ok(()) => Ok(true),
            Err(error @ RepositoryError::Fenced { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the stop cannot be recorded yet");
                Ok(false)
            }
        }
    }

    fn step(&self) -> Step {
        (self.work.ownership().execution, self.work.step().to_owned())
    }

    /// Sends the job's secrets, which no repository stores, to the workers that this manager starts.
    fn share_secrets(&self) {
        if let Some(fleet) = &self.manager.fleet {
            let secrets = Secrets { execution: self.work.ownership().execution, values: self.work.secrets() };
            let mut fleet = fleet.lock().unwrap_or_else(PoisonError::into_inner);
            fleet.set_identity(self.work.repository().identity());
            fleet.share(secrets);
        }
    }

    /// Starts workers, and wakes them if there is something new to take. If a start has failed, returns the time until
    /// the next one.
    fn start_workers(&self, reconciled: &Reconciled, is_new: bool) -> Result<Option<Duration>, Failure> {
        let Some(fleet) = &self.manager.fleet else { return Ok(None) };
        let mut fleet = fleet.lock().unwrap_or_else(PoisonError::into_inner);
        reconciled.lost.iter().for_each(|worker| fleet.kill_lost(*worker));
        let most = self.limit.map_or(u64::MAX, |most| most as u64);
        let partitions = (reconciled.held() + reconciled.waiting).min(most);
        fleet.ensure_workers(&self.step(), partitions, is_new && partitions > reconciled.held())?;
        Ok(fleet.pause())
    }

    /// Explains why no worker takes a partition, as far as the repository shows.
    fn why_alone(&self) -> Result<String, RepositoryError> {
        let mut workers = self.queue.workers()?;
        workers.retain(|worker| worker.state == OwnerState::Alive && !worker.drains);
        let of_ours: Vec<_> = workers.iter().filter(|worker| worker.queues.contains(&self.name)).collect();
        let job = self.work.job();
        let of_this_job = format!("`{}`", job.name);
        let complaints =
            of_ours.iter().filter_map(|worker| worker.declined.as_ref().map(|why| (worker.id, why)));
        if let Some((worker, why)) = complaints.into_iter().find(|(_, why)| why.contains(&of_this_job)) {
            return Ok(format!("no worker runs its partitions; worker {worker} says: {why}"));
        }
        Ok(match (of_ours.len(), workers.len()) {
            (0, 0) if self.manager.fleet.is_some() => {
                "none of the workers that were started has joined the repository yet".to_owned()
            }
            (0, 0) => {
                "there is no worker to run its partitions: start one with the command `worker`".to_owned()
            }
            (0, others) => {
                let hosts: BTreeSet<_> = workers.iter().map(|worker| worker.owner.host.as_str()).collect();
                let hosts: Vec<_> = hosts.into_iter().collect();
                format!(
                    "no worker runs this build of job `{}` ({}): {} another build or program (on {})",
                    job.name,
                    fingerprint(job),
                    if others == 1 { "1 worker runs".to_owned() } else { format!("{others} workers run") },
                    hosts.join(", ")
                )
            }
            (1, _) => "its only worker is busy with other partitions".to_owned(),
            (ours, _) => format!("all {ours} workers are busy with other partitions"),
        })
    }
}
