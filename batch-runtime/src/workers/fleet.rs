//! Starts a manager's worker processes, listens to them, and notices when they end.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::deploy::Deployer;
use super::orders::{CLAIMED, ENDED, JOINED, Order, Secrets, WorkerSettings};
use super::wake::Wake;
use serde::Serialize;

use crate::definition::{ExecutionId, Failure};
use crate::observe::spans;
use crate::repository::work_queue::WorkerId;

/// A worker that ends within this time and has taken no partition has failed to start.
const STARTUP_TIME: Duration = Duration::from_secs(10);
/// The number of failed starts in a row after which no worker is started any more.
const MAX_FAILED_STARTS: u32 = 5;
/// The longest wait after a failed start. The first wait is one second, and it doubles each time.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The number of a worker's last lines that a failure shows.
const KEPT_LINES: usize = 5;
/// How long the manager waits for the last lines of a worker that has ended. A process that the worker has left behind
/// may keep its outputs open for ever.
const LAST_LINES_TIME: Duration = Duration::from_secs(5);
/// How long workers may take to end by themselves once they are no longer needed.
const GRACE: Duration = Duration::from_secs(10);

/// A step, by the execution of its job and its name in that job.
pub(crate) type Step = (ExecutionId, String);

/// Receives each line that a worker prints, prefixed with the worker's number.
pub(super) type Lines = Arc<dyn Fn(&str) + Send + Sync>;

/// The worker processes of a manager.
pub(crate) struct Fleet {
    deployer: Box<dyn Deployer>,
    /// The maximum number of workers.
    most: u32,
    /// The settings of each worker, apart from its number.
    settings: WorkerSettings,
    /// The secrets of the executions so far, as orders for workers that start later.
    secrets: BTreeMap<ExecutionId, Vec<u8>>,
    wake: Wake,
    lines: Lines,
    running: Vec<Running>,
    /// The number of partitions that each step has left.
    wanted: BTreeMap<Step, u64>,
    /// The number of the latest worker.
    number: u32,
    failed: u32,
    not_before: Option<Instant>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("deployer", &self.deployer)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// A worker process.
struct Running {
    number: u32,
    /// The lowest number that no other running worker has.
    place: usize,
    child: Child,
    /// The orders for the worker; `None` once it is no longer needed.
    orders: Option<Orders>,
    began: Instant,
    status: Arc<WorkerStatus>,
    /// Whether the manager knows that the worker has taken a partition.
    has_worked: bool,
    /// When the manager noticed that the process had ended.
    ended: Option<Instant>,
}

impl Running {
    /// Returns whether to wait for the remaining lines of a worker whose process has ended. One of them may say that
    /// the worker has taken a partition. If none does, the last lines say why the worker could not run.
    fn may_say_more(&mut self) -> bool {
        let ended = *self.ended.get_or_insert_with(Instant::now);
        let is_open = self.status.open_outputs.load(Ordering::Acquire) > 0;
        is_open && !self.status.has_claimed.load(Ordering::Relaxed) && ended.elapsed() < LAST_LINES_TIME
    }

    /// How long the process has run, or ran until it ended.
    fn lived(&self) -> Duration {
        self.ended.map_or_else(|| self.began.elapsed(), |ended| ended.duration_since(self.began))
    }
}

/// Writes to the standard input of a worker, in a thread, because a worker may not read for a while.
struct Orders {
    lines: Sender<Vec<u8>>,
    /// Whether an order to look for work waits in the channel.
    look_pending: Arc<AtomicBool>,
}

impl Orders {
    fn to(mut input: ChildStdin) -> io::Result<Self> {
        let (lines, told) = mpsc::channel::<Vec<u8>>();
        let look_pending = Arc::new(AtomicBool::new(false));
        let pending = Arc::clone(&look_pending);
        thread::Builder::new().name("orders".to_owned()).spawn(move || {
            // The input closes when `Orders` is dropped or the worker ends.
            for line in told {
                pending.store(false, Ordering::Relaxed);
                if input.write_all(&line).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { lines, look_pending })
    }

    /// Sends a line to the worker. If the worker has ended, the line is dropped.
    fn tell(&self, line: Vec<u8>) {
        let _ = self.lines.send(line);
    }

    /// Tells the worker to look for work at once, without waiting for its next poll.
    fn look(&self) {
        if !self.look_pending.swap(true, Ordering::Relaxed) {
            self.tell(line_of(&Order::default()));
        }
    }
}

/// The state of a worker, from the lines that it has printed.
#[derive(Default)]
struct WorkerStatus {
    /// Its number in the repository, once it has joined.
    id: AtomicI64,
    has_claimed: AtomicBool,
    last_lines: Mutex<VecDeque<String>>,
    /// The number of its outputs that are still being read.
    open_outputs: AtomicU32,
}

impl WorkerStatus {
    fn output_opened(&self) {
        self.open_outputs.fetch_add(1, Ordering::Relaxed);
    }

    fn output_ended(&self) {
        self.open_outputs.fetch_sub(1, Ordering::Release);
    }
}

impl Fleet {
    pub(super) fn new(
        deployer: Box<dyn Deployer>,
        most: u32,
        settings: WorkerSettings,
        wake: Wake,
        lines: Lines,
    ) -> Self {
        Self {
            deployer,
            most,
            settings,
            secrets: BTreeMap::new(),
            wake,
            lines,
            running: Vec::new(),
            wanted: BTreeMap::new(),
            number: 0,
            failed: 0,
            not_before: None,
        }
    }

    /// Sets the number of partitions that each worker runs at the same time.
    pub(super) fn set_slots(&mut self, slots: u32) {
        self.settings.slots = slots.max(1);
    }

    /// The number of partitions that all workers together can run at the same time.
    pub(super) fn slots(&self) -> u64 {
        u64::from(self.most) * u64::from(self.settings.slots)
    }

    /// Sets the server that carries chunks to the workers.
    #[cfg(feature = "amqp")]
    pub(super) fn set_broker(&mut self, url: String) {
        self.settings.broker = Some(url);
    }

    /// Sets the receiver of the lines that workers print.
    pub(super) fn set_lines(&mut self, lines: Lines) {
        self.lines = lines;
    }

    /// Tells all workers the secret parameters of an execution.
    pub(super) fn share(&mut self, secrets: Secrets) {
        let execution = secrets.execution;
        if !secrets.values.is_empty() && !self.secrets.contains_key(&execution) {
            let line = line_of(&Order { secrets: Some(secrets) });
            self.orders().for_each(|orders| orders.tell(line.clone()));
            self.secrets.insert(execution, line);
        }
    }

    /// Sets the identity of the repository, which workers compare with the identity of the repository that they open.
    pub(super) fn set_identity(&mut self, identity: String) {
        self.settings.identity = identity;
    }

    /// Kills a worker that was declared lost, so that another one takes its place. The process may still be alive but
    /// cut off from the repository.
    pub(super) fn kill_lost(&mut self, worker: WorkerId) {
        let lost = self.running.iter().position(|one| one.status.id.load(Ordering::Relaxed) == worker.0);
        if let Some(mut lost) = lost.map(|at| self.running.swap_remove(at)) {
            let _ = lost.child.kill();
            let _ = lost.child.wait();
        }
    }

    fn orders(&self) -> impl Iterator<Item = &Orders> {
        self.running.iter().filter_map(|worker| worker.orders.as_ref())
    }

    /// Starts workers until there are enough for the partitions of all steps. `step` needs workers for that many
    /// `partitions`. If `look` is true, tells all workers to look for work.
    ///
    /// # Errors
    /// If workers end again and again before they have taken a partition.
    pub(super) fn ensure_workers(&mut self, step: &Step, partitions: u64, look: bool) -> Result<(), Failure> {
        self.wanted.insert(step.clone(), partitions);
        self.reap()?;
        let partitions: u64 = self.wanted.values().sum();
        let wanted = partitions.div_ceil(u64::from(self.settings.slots)).min(u64::from(self.most));
        let now = Instant::now();
        while (self.running.len() as u64) < wanted && self.not_before.is_none_or(|pause| now >= pause) {
            let started = self.start();
            if let Err(error) = started {
                self.note_failed_start(&format!("it cannot be started: {error}"), &[])?;
            }
        }
        if look {
            self.orders().for_each(Orders::look);
        }
        Ok(())
    }

    /// Starts as many workers as allowed, for a step with `remote`.
    ///
    /// # Errors
    /// As for [`ensure_workers`](Self::ensure_workers).
    #[cfg(feature = "remote-chunks")]
    pub(super) fn ensure_workers_for_chunks(&mut self, step: &Step) -> Result<(), Failure> {
        self.ensure_workers(step, self.slots(), false)
    }

    /// Notes that a step needs no more workers.
    pub(super) fn release(&mut self, step: &Step) {
        self.wanted.remove(step);
    }

    /// The time until the next start, after a failed one.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.not_before.map(|pause| pause.saturating_duration_since(Instant::now()))
    }

    fn start(&mut self) -> io::Result<()> {
        self.number += 1;
        let number = self.number;
        let is_free = |place: &usize| self.running.iter().all(|worker| worker.place != *place);
        let place = (0..=self.running.len()).find(is_free).expect("each worker has one place");
        let mut command = self.deployer.command(number, place);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let status = Arc::new(WorkerStatus::default());
        let orders = child.stdin.take().map(Orders::to).transpose()?;
        if let Some(output) = child.stdout.take() {
            let (status, wake, lines) = (Arc::clone(&status), self.wake.clone(), Arc::clone(&self.lines));
            status.output_opened();
            listen("hints", output, move |line| {
                match line {
                    // The manager has nothing to do yet, so it is not woken.
                    CLAIMED => return status.has_claimed.store(true, Ordering::Relaxed),
                    ENDED => {}
                    "" => status.output_ended(),
                    joined if joined.starts_with(JOINED) => {
                        let id = joined[JOINED.len()..].parse().unwrap_or_default();
                        status.id.store(id, Ordering::Relaxed);
                    }
                    printed => return lines(&format!("[worker {number}] {printed}")),
                }
                wake.wake();
            })?;
        }
        if let Some(errors) = child.stderr.take() {
            let (status, lines, wake) = (Arc::clone(&status), Arc::clone(&self.lines), self.wake.clone());
            status.output_opened();
            listen("lines of a worker", errors, move |line| {
                if line.is_empty() {
                    status.output_ended();
                    return wake.wake();
                }
                lines(&format!("[worker {number}] {line}"));
                let mut last = status.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
                if last.len() == KEPT_LINES {
                    last.pop_front();
                }
                last.push_back(line.to_owned());
            })?;
        }
        if let Some(orders) = &orders {
            let trace = spans::headers();
            orders.tell(line_of(&WorkerSettings { number, trace, ..self.settings.clone() }));
            self.secrets.values().for_each(|secrets| orders.tell(secrets.clone()));
        }
        let began = Instant::now();
        self.running.push(Running {
            number,
            place,
            child,
            orders,
            began,
            status,
            has_worked: false,
            ended: None,
        });
        Ok(())
    }

    /// Removes workers that have ended, and counts failed starts.
    fn reap(&mut self) -> Result<(), Failure> {
        let mut at = 0;
        while at < self.running.len() {
            let worker = &mut self.running[at];
            match worker.child.try_wait() {
                Ok(None) => {
                    if !worker.has_worked && worker.status.has_claimed.load(Ordering::Relaxed) {
                        worker.has_worked = true;
                        (self.failed, self.not_before) = (0, None);
                    }
                    at += 1;
                }
                Ok(Some(_)) if worker.may_say_more() => at += 1,
                Ok(Some(status)) => {
                    let ended = self.running.swap_remove(at);
                    self.note_end(&ended, status)?;
                }
                Err(error) => {
                    tracing::warn!(worker = worker.number, %error, "a worker process cannot be waited for");
                    at += 1;
                }
            }
        }
        Ok(())
    }

    fn note_end(&mut self, worker: &Running, status: ExitStatus) -> Result<(), Failure> {
        let has_claimed = worker.status.has_claimed.load(Ordering::Relaxed);
        if has_claimed || worker.lived() >= STARTUP_TIME {
            (self.failed, self.not_before) = (0, None);
            return Ok(());
        }
        let last = worker.status.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        let last: Vec<String> = last.iter().cloned().collect();
        self.note_failed_start(&format!("it ended at once ({status})"), &last)
    }

    fn note_failed_start(&mut self, why: &str, lines: &[String]) -> Result<(), Failure> {
        if self.not_before.is_some_and(|pause| Instant::now() < pause) {
            // Workers that were started together count as one failure.
            return Ok(());
        }
        self.failed += 1;
        let runs = self.running.iter().any(|worker| worker.has_worked);
        if self.failed >= MAX_FAILED_STARTS && !runs {
            let said =
                if lines.is_empty() { String::new() } else { format!("; it said: {}", lines.join(" / ")) };
            return Err(Failure::new(format!(
                "{} workers in a row could not run; the last one: {why}{said}",
                self.failed
            )));
        }
        let pause = Duration::from_secs(1 << (self.failed - 1).min(6)).min(LONGEST_PAUSE);
        self.not_before = Some(Instant::now() + pause);
        (self.lines)(&format!("a worker could not run: {why}; the next one starts in {} s", pause.as_secs()));
        Ok(())
    }
}

fn line_of(order: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(order).expect("orders are plain JSON");
    line.push(b'\n');
    line
}

/// Starts a thread that reads lines until they end. Calls `hear` with each line, and with an empty line at the end.
fn listen(
    name: &str,
    lines: impl Read + Send + 'static,
    hear: impl Fn(&str) + Send + 'static,
) -> io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let mut lines = BufReader::new(lines);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                if !text.is_empty() {
                    hear(text);
                }
                line.clear();
            }
            hear("");
        })
        .map(drop)
}

impl Drop for Fleet {
    /// Closes the input of all workers, which makes them end, and kills those that do not end in time.
    fn drop(&mut self) {
        self.running.iter_mut().for_each(|worker| worker.orders = None);
        let until = Instant::now() + GRACE;
        for worker in &mut self.running {
            while matches!(worker.child.try_wait(), Ok(None)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            if matches!(worker.child.try_wait(), Ok(None)) {
                tracing::warn!(worker = worker.number, "a worker did not end in time: killing it");
                let _ = worker.child.kill();
                let _ = worker.child.wait();
            }
        }
    }
}
