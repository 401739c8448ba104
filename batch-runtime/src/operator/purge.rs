//! Deletes the records of old instances that no launch can continue.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{ExecutionDetails, JobOperator, OperatorError};
use crate::definition::{BoxError, ExecutionId, InstanceId};
use crate::repository::{
    BatchStatus, ExecutionFilter, InstanceFilter, OwnerState, PurgeFilter, PurgePage, Purgeable,
    SkippedFilter, SkippedOf, SkippedRow,
};

/// The number of instances that one transaction deletes.
const AT_ONCE: u32 = 500;
/// The number of skipped items that are read at once, before they are archived.
const SKIPPED_AT_ONCE: u32 = 500;
/// While a job is running, a purge pauses after each transaction for this many times as long as the transaction took.
/// While such a pause stays below `LONGEST_PAUSE_BESIDE_JOB`, even a job that every transaction blocks loses only a
/// twenty-fifth of its time.
const PAUSE_FACTOR: u32 = 24;
/// The longest pause while a job runs.
const LONGEST_PAUSE_BESIDE_JOB: Duration = Duration::from_secs(2);
/// The longest pause while no job runs.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Selects the instances to purge. Only whole instances that are COMPLETED or ABANDONED are purged, because no launch
/// can continue them.
///
/// A failed instance stays, because it can be restarted: [abandon](JobOperator::abandon) it first.
#[derive(Debug, Clone)]
pub struct Purge {
    ended_before: Timestamp,
    job: Option<String>,
    keep: u32,
    statuses: Vec<BatchStatus>,
}

impl Purge {
    /// The instances of all jobs whose last execution ended before that time.
    #[must_use]
    pub fn ended_before(time: Timestamp) -> Self {
        Self { ended_before: time, job: None, keep: 0, statuses: Vec::new() }
    }

    /// Purges only instances of this job.
    #[must_use]
    pub fn job(mut self, job: impl Into<String>) -> Self {
        self.job = Some(job.into());
        self
    }

    /// Keeps this many of the newest instances of each job, whatever their status and age.
    #[must_use]
    pub fn keep(mut self, newest: u32) -> Self {
        self.keep = newest;
        self
    }

    /// Purges only instances with one of these statuses. In any case, only COMPLETED and ABANDONED instances are
    /// purged.
    #[must_use]
    pub fn statuses(mut self, statuses: impl Into<Vec<BatchStatus>>) -> Self {
        self.statuses = statuses.into();
        self
    }
}

/// The instances that a purge deletes, or would delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// The instances of each job, by its name.
    pub jobs: BTreeMap<String, PurgedJob>,
}

impl Purged {
    /// The instances of all jobs.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.jobs.values().map(|job| job.instances).sum()
    }

    /// The executions of all jobs.
    #[must_use]
    pub fn executions(&self) -> u64 {
        self.jobs.values().map(|job| job.executions).sum()
    }

    fn add(&mut self, purged: &Purgeable) {
        let new = PurgedJob { instances: 0, executions: 0, oldest: purged.ended, newest: purged.ended };
        let job = self.jobs.entry(purged.instance.job.clone()).or_insert(new);
        job.instances += 1;
        job.executions += purged.executions;
        job.oldest = job.oldest.min(purged.ended);
        job.newest = job.newest.max(purged.ended);
    }
}

/// The instances of a job that a purge deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgedJob {
    /// The number of instances.
    pub instances: u64,
    /// The number of their executions.
    pub executions: u64,
    /// When the first of these instances ended.
    pub oldest: Timestamp,
    /// When the last of them ended.
    pub newest: Timestamp,
}

/// Keeps what a purge deletes. [`purge_archiving`](JobOperator::purge_archiving) passes everything to the archive
/// before deleting it.
///
/// ```
/// # use std::sync::Arc;
/// # use batch_runtime::repository::sqlite::SqliteRepository;
/// use batch_runtime::operator::{Archive, ExecutionDetails, JobOperator, OperatorError, Purge};
/// use batch_runtime::repository::SkippedRow;
/// use batch_runtime::{BoxError, ExecutionId, Timestamp};
///
/// /// Keeps only the numbers of executions and the errors of skipped items.
/// #[derive(Default)]
/// struct Excerpt {
///     executions: Vec<ExecutionId>,
///     errors: Vec<String>,
/// }
///
/// impl Archive for Excerpt {
///     fn execution(&mut self, execution: &ExecutionDetails) -> Result<(), BoxError> {
///         self.executions.push(execution.execution.id);
///         Ok(())
///     }
///
///     fn skipped(&mut self, item: &SkippedRow) -> Result<(), BoxError> {
///         self.errors.push(item.item.error.clone());
///         Ok(())
///     }
///
///     fn sync(&mut self) -> Result<(), BoxError> {
///         Ok(())
///     }
/// }
///
/// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?));
/// let mut excerpt = Excerpt::default();
/// operator.purge_archiving(&Purge::ended_before(Timestamp::MAX), &mut excerpt)?;
/// assert_eq!(excerpt.executions, []);
/// # Ok::<(), OperatorError>(())
/// ```
pub trait Archive {
    /// Takes an execution. The executions of an instance come one after the other, the oldest first.
    ///
    /// # Errors
    /// If it cannot be archived. Then it is not deleted.
    fn execution(&mut self, execution: &ExecutionDetails) -> Result<(), BoxError>;

    /// Takes an item skipped by the execution that was passed last. The items of an execution come in the order of
    /// [`JobOperator::skipped`].
    ///
    /// # Errors
    /// If it cannot be archived. Then neither it nor its execution is deleted.
    fn skipped(&mut self, item: &SkippedRow) -> Result<(), BoxError>;

    /// Makes durable everything that it has taken: the purge deletes some of it next.
    ///
    /// # Errors
    /// If that fails. Then nothing more is deleted.
    fn sync(&mut self) -> Result<(), BoxError>;
}

impl JobOperator {
    /// Says what [`purge`](Self::purge) would delete, and deletes nothing.
    ///
    /// # Errors
    /// If the job is unknown, or the repository cannot be read.
    pub fn purgeable(&self, purge: &Purge) -> Result<Purged, OperatorError> {
        let mut found = Purged::default();
        self.pages(purge, |page| {
            page.instances.iter().for_each(|instance| found.add(instance));
            Ok(())
        })?;
        Ok(found)
    }

    /// Deletes the records of old instances, 500 in each transaction. After each transaction it pauses, so that
    /// others can write: while a job runs, 24 times as long as the transaction took, but two seconds at most. Returns what
    /// was deleted.
    ///
    /// The identity of each instance is kept: a launch with the same parameters is still refused because the instance
    /// is already complete. The totals of [`metrics`](crate::observe::metrics) are kept too.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// # use batch_runtime::{JobInfo, JobOptions, Launch, Parameters};
    /// # const NOTHING: &JobInfo = &JobInfo {
    /// #     id: "demo::nothing", name: "nothing", doc: "", parameters: &[], flow: &[], options: JobOptions::DEFAULT,
    /// # };
    /// use batch_runtime::Timestamp;
    /// use batch_runtime::operator::{JobOperator, Purge};
    ///
    /// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?)).with_jobs(&[NOTHING]);
    /// operator.start(Launch { job: NOTHING, parameters: Parameters::new() })?;
    ///
    /// let old = Purge::ended_before(Timestamp::MAX);
    /// assert_eq!(operator.purgeable(&old)?.instances(), 1);
    /// assert_eq!(operator.purge(&old)?.executions(), 1);
    /// let again = operator.start(Launch { job: NOTHING, parameters: Parameters::new() });
    /// assert!(again.unwrap_err().to_string().contains("already COMPLETED"));
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// If the job is unknown, or the repository cannot be read or written. What was deleted before stays deleted.
    pub fn purge(&self, purge: &Purge) -> Result<Purged, OperatorError> {
        self.purge_pages(purge, |_| Ok(()))
    }

    /// As [`purge`](Self::purge), but first passes every execution and the items that it skipped to an archive. After a
    /// crash, the next purge may pass some of them again.
    ///
    /// # Errors
    /// As for [`purge`](Self::purge), and if the archive fails. After that, nothing more is deleted.
    pub fn purge_archiving(&self, purge: &Purge, archive: &mut dyn Archive) -> Result<Purged, OperatorError> {
        self.purge_pages(purge, |instances| {
            for instance in instances {
                let filter = ExecutionFilter { instance: Some(*instance), ..ExecutionFilter::default() };
                for execution in self.repository.executions(&filter)?.iter().rev() {
                    self.archive(execution.id, archive)?;
                }
            }
            archive.sync().map_err(OperatorError::Archive)
        })
    }

    /// Passes an execution to an archive, and then the items that it skipped, page by page.
    fn archive(&self, execution: ExecutionId, archive: &mut dyn Archive) -> Result<(), OperatorError> {
        let details = ExecutionDetails::of(&*self.repository, execution)?;
        archive.execution(&details).map_err(OperatorError::Archive)?;
        let of_execution = SkippedFilter::of(SkippedOf::Execution(execution));
        let mut page = SkippedFilter { limit: Some(SKIPPED_AT_ONCE), ..of_execution };
        loop {
            let items = self.repository.skipped_page(&page)?;
            for item in &items {
                archive.skipped(item).map_err(OperatorError::Archive)?;
            }
            if items.len() < SKIPPED_AT_ONCE as usize {
                return Ok(());
            }
            page.after = items.last().map(SkippedRow::key);
        }
    }

    /// Deletes the instances page by page, and calls `before` with each page first.
    fn purge_pages(
        &self,
        purge: &Purge,
        mut before: impl FnMut(&[InstanceId]) -> Result<(), OperatorError>,
    ) -> Result<Purged, OperatorError> {
        let mut purged = Purged::default();
        self.pages(purge, |page| {
            let ids: Vec<InstanceId> = page.instances.iter().map(|instance| instance.instance.id).collect();
            if ids.is_empty() {
                return Ok(());
            }
            before(&ids)?;
            let began = Instant::now();
            // An instance that is being launched is kept, so it is not among the deleted ones.
            let gone = self.repository.purge(&ids)?;
            let is_gone = |instance: &&Purgeable| gone.contains(&instance.instance.id);
            page.instances.iter().filter(is_gone).for_each(|instance| purged.add(instance));
            std::thread::sleep(self.pause_after(began.elapsed())?);
            Ok(())
        })?;
        Ok(purged)
    }

    /// How long to pause after a transaction, so that others can write.
    fn pause_after(&self, took: Duration) -> Result<Duration, OperatorError> {
        let running = ExecutionFilter { running: true, ..ExecutionFilter::default() };
        for execution in self.repository.executions(&running)? {
            if self.repository.owner_state(&execution)? != OwnerState::Dead {
                return Ok((took * PAUSE_FACTOR).min(LONGEST_PAUSE_BESIDE_JOB));
            }
        }
        Ok(took.min(LONGEST_PAUSE))
    }

    /// Frees the space of deleted records. A `SQLite` file becomes smaller, and a server can use the space again.
    ///
    /// # Errors
    /// If the repository cannot be written, or another connection uses the `SQLite` file.
    pub fn vacuum(&self) -> Result<(), OperatorError> {
        Ok(self.repository.vacuum()?)
    }

    /// Calls `each` with every page of the selected instances.
    fn pages(
        &self,
        purge: &Purge,
        mut each: impl FnMut(&PurgePage) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let known = self.repository.job_names()?;
        let jobs = match &purge.job {
            Some(job) => {
                self.check_known(Some(job))?;
                vec![job.clone()]
            }
            None => known,
        };
        for job in jobs {
            let before = match purge.keep {
                0 => None,
                keep => {
                    let newest = InstanceFilter { job: Some(job.clone()), limit: Some(keep), offset: 0 };
                    match self.repository.instances(&newest)?.last() {
                        Some(oldest_kept) => Some(oldest_kept.id),
                        None => continue,
                    }
                }
            };
            let mut filter = PurgeFilter {
                job,
                statuses: purge.statuses.clone(),
                ended_before: purge.ended_before,
                after: None,
                before,
                limit: AT_ONCE,
            };
            loop {
                let page = self.repository.purgeable(&filter)?;
                each(&page)?;
                if page.next.is_none() {
                    break;
                }
                filter.after = page.next;
            }
        }
        Ok(())
    }
}
