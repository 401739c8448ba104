//! This process as the owner of executions: its row in `BATCH_PROCESS`, and its lease, which a thread renews.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::error::InnerError;
use super::rows::{get, int};
use super::shared::{Shared, Statements, Tx, guard};
use crate::definition::{ExecutionId, StopSignal};
use crate::postgres::{Bound, Lease, Postgres, Row, Session};
use crate::repository::work_queue::WorkerId;
use crate::repository::{HeldLock, OWNER_LOST, Owner, owner};

/// A renewal may take a third of this time to connect, or a third of the lease if the lease is shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to try to record that this process no longer runs an execution or a worker.
pub(super) const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// This process, as one repository knows it.
pub(super) struct Process {
    /// Its name in `BATCH_PROCESS`.
    pub(super) name: String,
    owner: Owner,
    pid_space: String,
    database: Postgres,
    lease: Lease,
    /// The thread that renews the lease, from the first launch on.
    keeper: Mutex<Option<LeaseThread>>,
    /// The stop signals of executions and workers, raised if the lease is lost.
    stops: Stops,
}

type Stops = Arc<Mutex<BTreeMap<Run, StopSignal>>>;

/// An execution or a worker in this process, which stops if the lease is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Run {
    Execution(ExecutionId),
    /// A worker, with all its partitions.
    Worker(WorkerId),
}

struct LeaseThread {
    /// Closed at the end, which wakes the thread.
    alive: Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// The state of the process that owns an execution, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Liveness {
    /// It has released the execution, or ended, or was seen to be dead.
    Dead,
    /// Its lease ran out, or was declared lost: it may be dead, or paused, or cut off.
    LeaseOver,
    /// Its lease runs for that many more seconds.
    Alive(i64),
    /// Nothing is known about the owner.
    Unknown,
}

impl Liveness {
    /// Returns whether the process may be lost, so that a takeover has to examine it.
    pub(super) fn may_be_lost(&self) -> bool {
        matches!(self, Self::Dead | Self::LeaseOver)
    }
}

/// The columns that [`Process::seen`] reads, of a process `p`.
macro_rules! lease_columns {
    () => {
        "p.LOST IS NOT NULL, COALESCE(p.LOST_TO = p.PROCESS, FALSE), p.HOST, p.PID, p.START_TICKS, p.BOOT_ID, p.PID_SPACE,
         ceil(extract(epoch FROM greatest(p.RENEWED, pg_postmaster_start_time()) + p.LEASE - clock_timestamp()))::bigint"
    };
}
/// The columns that [`Process::liveness`] reads, of an owner `o` and its process `p`.
macro_rules! process_columns {
    () => {
        concat!("o.OWNER IS NOT NULL, o.PROCESS, ", crate::repository::postgres::process::lease_columns!())
    };
}
pub(super) use {lease_columns, process_columns};

impl Process {
    pub(super) fn this(database: Postgres, lease: Duration) -> Self {
        Self {
            name: uuid::Uuid::new_v4().to_string(),
            owner: owner::this_process(),
            pid_space: pid_space(),
            database,
            lease: Lease::new(lease),
            keeper: Mutex::default(),
            stops: Arc::default(),
        }
    }

    /// The name of its connections, by which a takeover finds them.
    pub(super) fn application_name(&self) -> String {
        application_name(&self.name)
    }

    /// Inserts the row of the process, in the transaction of its first launch.
    pub(super) fn register(&self, tx: &Tx<'_>) -> Result<(), InnerError> {
        // An earlier lease that was declared lost no longer bounds any wait.
        if guard(&self.keeper).as_ref().is_some_and(|keeper| keeper.thread.is_finished()) {
            self.lease.forget();
        }
        let Owner { host, pid, start_ticks, boot_id, .. } = &self.owner;
        tx.execute(
            "INSERT INTO @BATCH_PROCESS (PROCESS, HOST, PID, START_TICKS, BOOT_ID, PID_SPACE, STARTED, RENEWED, LEASE)
             VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), clock_timestamp(), make_interval(secs => $7))
             ON CONFLICT (PROCESS) DO UPDATE SET RENEWED = clock_timestamp(), LOST = NULL, LOST_TO = NULL",
            &[
                &self.name,
                host,
                &i64::from(*pid),
                &int(*start_ticks),
                boot_id,
                &self.pid_space,
                &self.lease.duration().as_secs_f64(),
            ],
        )?;
        Ok(())
    }

    /// Renews the lease from now on, in a thread of its own.
    pub(super) fn keep(&self) -> Result<(), InnerError> {
        let mut keeper = guard(&self.keeper);
        if keeper.as_ref().is_some_and(|keeper| !keeper.thread.is_finished()) {
            return Ok(());
        }
        self.lease.renewed_at(Instant::now());
        let (alive, ended) = mpsc::channel();
        let renewal = Renewal {
            database: self.database.clone(),
            statements: Arc::new(Statements::in_schema(&self.database.schema())),
            name: self.name.clone(),
            lease: self.lease.clone(),
            stops: Arc::clone(&self.stops),
        };
        let thread = thread::Builder::new()
            .name("batch-lease".to_owned())
            .spawn(move || renewal.run(|wait| ended.recv_timeout(wait)))
            .map_err(|error| {
                InnerError::Corrupt(format!("the thread that renews the lease cannot start: {error}"))
            })?;
        *keeper = Some(LeaseThread { alive, thread });
        Ok(())
    }

    /// The lease by this process's clock.
    pub(super) fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Registers a signal that is raised if the lease is lost.
    pub(super) fn stops(&self, run: Run, stop: &StopSignal) {
        guard(&self.stops).entry(run).or_insert_with(|| stop.clone());
    }

    /// The signal that is raised if the lease is lost.
    pub(super) fn stop_of(&self, run: Run) -> Option<StopSignal> {
        guard(&self.stops).get(&run).cloned()
    }

    pub(super) fn ended(&self, run: Run) {
        guard(&self.stops).remove(&run);
    }

    /// The state of an owner, from the [`process_columns`] that begin at `first`.
    pub(super) fn liveness(&self, row: &Row, first: usize) -> Result<Liveness, InnerError> {
        if !get::<bool>(row, first)? {
            return Ok(Liveness::Unknown);
        }
        let Some(name) = get::<Option<String>>(row, first + 1)? else { return Ok(Liveness::Dead) };
        Ok(self.seen(&name, row, first + 2)?.unwrap_or(Liveness::Unknown))
    }

    /// The state of a process, from the [`lease_columns`] that begin at `first`; `None` if it has no row.
    pub(super) fn seen(&self, name: &str, row: &Row, first: usize) -> Result<Option<Liveness>, InnerError> {
        let (is_lost, has_ended): (bool, bool) = (get(row, first)?, get(row, first + 1)?);
        let Some(host) = get::<Option<String>>(row, first + 2)? else { return Ok(None) };
        if is_lost && has_ended {
            return Ok(Some(Liveness::Dead));
        }
        let pid = u32::try_from(get::<i64>(row, first + 3)?).unwrap_or_default();
        let start_ticks = u64::try_from(get::<i64>(row, first + 4)?).unwrap_or_default();
        let (boot_id, space): (String, String) = (get(row, first + 5)?, get(row, first + 6)?);
        let is_here = host == self.owner.host
            && space == self.pid_space
            && boot_id == self.owner.boot_id
            && !boot_id.is_empty()
            && !space.is_empty();
        if is_here && name != self.name && owner::start_of(pid) != Some(start_ticks) {
            return Ok(Some(Liveness::Dead));
        }
        if is_lost {
            return Ok(Some(Liveness::LeaseOver));
        }
        Ok(Some(match get::<i64>(row, first + 7)? {
            ..=0 => Liveness::LeaseOver,
            left => Liveness::Alive(left),
        }))
    }
}

/// Declares the process lost if `is_gone`, or if its lease is over. Returns whether it is lost. The statement itself
/// checks the lease, because the process may have renewed it meanwhile.
pub(super) fn declare_lost(
    shared: &Shared,
    tx: &Tx<'_>,
    process: &str,
    is_gone: bool,
) -> Result<bool, InnerError> {
    let declared = tx.execute(
        "UPDATE @BATCH_PROCESS SET LOST = clock_timestamp(), LOST_TO = $2
         WHERE PROCESS = $1 AND LOST IS NULL
           AND ($3 OR greatest(RENEWED, pg_postmaster_start_time()) + LEASE < clock_timestamp())",
        &[&process, &shared.process.name, &is_gone],
    )?;
    if declared > 0 {
        return Ok(true);
    }
    let lost = tx.query_opt("SELECT LOST IS NOT NULL FROM @BATCH_PROCESS WHERE PROCESS = $1", &[&process])?;
    Ok(lost.map(|row| get::<bool>(&row, 0)).transpose()?.unwrap_or(false))
}

/// Ends the connections of another process. If that process is paused in a transaction, it holds locks on rows that
/// this process writes next.
pub(super) fn end_connections(shared: &Shared, tx: &Tx<'_>, process: &str) -> Result<(), InnerError> {
    if process != shared.process.name {
        tx.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = $1 AND pid <> pg_backend_pid() AND pg_has_role(usesysid, 'USAGE')",
            &[&application_name(process)],
        )?;
    }
    Ok(())
}

/// The name of the connections of a process.
pub(super) fn application_name(process: &str) -> String {
    format!("batch {process}")
}

impl Drop for Process {
    /// Records the end of the process, so that nobody waits for its lease.
    fn drop(&mut self) {
        let Some(LeaseThread { alive, thread }) = guard(&self.keeper).take() else { return };
        drop(alive);
        // The thread writes that the process has ended, and gives up if the server is unreachable.
        let _ = thread.join();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The work of the thread that renews the lease.
#[derive(Clone)]
struct Renewal {
    database: Postgres,
    statements: Arc<Statements>,
    name: String,
    lease: Lease,
    stops: Stops,
}

impl Renewal {
    fn run(self, wait: impl Fn(Duration) -> Result<(), RecvTimeoutError>) {
        let mut session = None;
        let mut pause = self.lease.duration() / 3;
        while matches!(wait(pause), Err(RecvTimeoutError::Timeout)) {
            let sent = Instant::now();
            match self.renew(&mut session) {
                Ok(true) => {
                    self.lease.renewed_at(sent);
                    pause = self.lease.duration() / 3;
                }
                Ok(false) => {
                    tracing::error!(
                        "another process has declared the lease of this process lost, and takes over its executions and partitions: this process stops them"
                    );
                    return self.stop_all();
                }
                Err(error) => {
                    session = None;
                    pause = (self.lease.duration() / 30).max(Duration::from_millis(50));
                    tracing::warn!(%error, "the lease of this process cannot be renewed for now");
                    self.stop_all_if_over();
                }
            }
        }
        let ended = self.session(&mut session).and_then(|session| {
            session.execute(
                &self.statements.filled(
                    "UPDATE @BATCH_PROCESS SET LOST = clock_timestamp(), LOST_TO = PROCESS WHERE PROCESS = $1 AND LOST IS NULL",
                ),
                &[&self.name],
            )
        });
        if let Err(error) = ended {
            tracing::debug!(%error, "the end of this process could not be recorded");
        }
    }

    fn session<'s>(&self, session: &'s mut Option<Session>) -> Result<&'s Session, crate::postgres::PgError> {
        if let Some(connected) = session.take() {
            return Ok(session.insert(connected));
        }
        let name = format!("{} lease", application_name(&self.name));
        let connected =
            Session::connect_within(&self.database, &name, self.lease.duration().min(CONNECT_TIMEOUT) / 3)?;
        // The connection may be dead although the server can be reached by another one. After this wait, enough of the
        // lease is left to renew it on another one.
        connected.wait_at_most(Some(self.lease.duration() / 3));
        // A server that does not answer at all must not keep the lease alive.
        let renewal = self.clone();
        connected.set_watch(Some(Box::new(move || renewal.stop_all_if_over())));
        connected.bound_by(Bound::Of(self.lease.clone()));
        Ok(session.insert(connected))
    }

    fn renew(&self, session: &mut Option<Session>) -> Result<bool, crate::postgres::PgError> {
        let renewed = self.session(session)?.execute(
            &self.statements.filled(
                "UPDATE @BATCH_PROCESS SET RENEWED = clock_timestamp() WHERE PROCESS = $1 AND LOST IS NULL",
            ),
            &[&self.name],
        )?;
        Ok(renewed > 0)
    }

    /// Stops all executions and workers if the lease is over. Returns whether it is.
    fn stop_all_if_over(&self) -> bool {
        let is_over = self.lease.is_over();
        let is_running = guard(&self.stops).values().any(|stop| !stop.is_raised());
        if is_over && is_running {
            tracing::error!(
                "the lease of this process ran out, because the server does not answer: this process stops what it runs"
            );
            self.stop_all();
        }
        is_over
    }

    fn stop_all(&self) {
        for stop in guard(&self.stops).values() {
            stop.raise();
        }
    }
}

/// Holds an execution. Dropping this releases the execution.
pub(super) struct Hold {
    pub(super) shared: Weak<Shared>,
    pub(super) execution: ExecutionId,
}

impl HeldLock for Hold {}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        shared.process.ended(Run::Execution(self.execution));
        // If the execution still counts as running, no process runs it any more, so a launch may take it over at once.
        // If the execution was taken over already, the release says that this process no longer holds the files of its
        // steps.
        let released = shared.lend().and_then(|lent| {
            let until = Instant::now() + RELEASE_TIMEOUT;
            lent.set_watch(Some(Box::new(move || Instant::now() >= until)));
            shared.tx(&lent).execute(
                "UPDATE @BATCH_JOB_OWNER o SET PROCESS = NULL
                 FROM @BATCH_JOB_EXECUTION e
                 WHERE o.JOB_EXECUTION_ID = $1 AND o.PROCESS = $2 AND e.JOB_EXECUTION_ID = $1
                   AND (e.STATUS IN ('STARTING', 'STARTED', 'STOPPING') OR e.EXIT_CODE = $3)",
                &[&self.execution.0, &shared.process.name, &OWNER_LOST],
            )
        });
        if let Err(error) = released {
            tracing::debug!(?error, "the execution could not be released");
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("execution", &self.execution).finish_non_exhaustive()
    }
}

/// The PID namespace of this process; empty if the system does not tell.
fn pid_space() -> String {
    std::fs::read_link("/proc/self/ns/pid")
        .map_or_else(|_| String::new(), |space| space.display().to_string())
}
