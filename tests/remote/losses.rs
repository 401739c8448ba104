//! Chunks that are in a worker when it is lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use batch_runtime::engine::RunOptions;
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;
use batch_runtime::workers::{
    ChunkAnswer, ChunkCarrier, ChunkOffer, ChunkOffers, ChunkRequests, OnReply, RemoteChunks, Worker,
};
use batch_runtime::{Launch, StopSignal};

use super::carrier::{Carrier, Mishaps};
use super::{Told, options};
use crate::support::World;

const POISON: &str = "poison";
/// Long enough for a worker to say that it has begun a chunk, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(3);
/// The line that tells the user of a worker that was lost with the poisoned chunk.
const WAS_LOST: &str = "was lost while it processed the chunk of records 4 to 4 of this run";

/// The fate of a worker that takes the poisoned chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Dies,
    /// The worker ends in order, but its answer is lost.
    Drains,
    /// The worker loses its connection to the broker, and connects again.
    IsCutOff,
}

/// Carries chunks to one worker. The answer to the poisoned chunk never arrives.
#[derive(Debug, Clone)]
struct Mortal {
    carrier: Carrier,
    end: End,
    worker: i64,
    database: PathBuf,
    drain: StopSignal,
    is_dead: Arc<AtomicBool>,
    /// How often the answer to the poisoned chunk is lost, over all workers.
    losses: u64,
    case: usize,
    told: Arc<Told>,
}

impl Mortal {
    /// Whether the user has been told of every worker that died, or the run has ended.
    fn knows_all_losses(&self) -> bool {
        self.end != End::Dies
            || self.drain.is_raised()
            || u64::try_from(self.told.all().matches(WAS_LOST).count()).unwrap() >= self.losses
    }
}

impl ChunkCarrier for Mortal {
    fn requests(&self, queue: &str, on_reply: OnReply) -> Result<Box<dyn ChunkRequests>, Failure> {
        self.carrier.requests(queue, on_reply)
    }

    fn offers(&self, queues: &[String]) -> Result<Box<dyn ChunkOffers>, Failure> {
        Ok(Box::new(MortalOffers { to: self.clone(), offers: self.carrier.offers(queues)? }))
    }
}

struct MortalOffers {
    to: Mortal,
    offers: Box<dyn ChunkOffers>,
}

impl ChunkOffers for MortalOffers {
    fn next(&mut self, most: Duration) -> Option<ChunkOffer> {
        if self.to.is_dead.load(Ordering::Relaxed) {
            thread::sleep(most);
            return None;
        }
        let offer = self.offers.next(most)?;
        let is_poisoned = offer.request.windows(POISON.len()).any(|part| part == POISON.as_bytes());
        let is_lost = is_poisoned && TAKEN[self.to.case].fetch_add(1, Ordering::Relaxed) < self.to.losses;
        if !is_lost {
            if !is_poisoned {
                return Some(offer);
            }
            let late =
                LateAnswer { of: self.to.clone(), answer: offer.answer, has_begun: AtomicBool::new(false) };
            return Some(ChunkOffer { request: offer.request, answer: Box::new(late) });
        }
        let lost =
            LostAnswer { of: self.to.clone(), answer: Some(offer.answer), has_begun: AtomicBool::new(false) };
        Some(ChunkOffer { request: offer.request, answer: Box::new(lost) })
    }
}

/// Says that the worker has begun, and no more.
struct LostAnswer {
    of: Mortal,
    answer: Option<Box<dyn ChunkAnswer>>,
    has_begun: AtomicBool,
}

impl ChunkAnswer for LostAnswer {
    fn send(&self, reply: Vec<u8>) {
        if let Some(answer) = &self.answer
            && !self.has_begun.swap(true, Ordering::Relaxed)
        {
            answer.send(reply);
        }
    }

    fn settle(self: Box<Self>) {}
}

impl Drop for LostAnswer {
    fn drop(&mut self) {
        match self.of.end {
            End::Dies => {
                self.of.is_dead.store(true, Ordering::Relaxed);
                let connection = rusqlite::Connection::open(&self.of.database).unwrap();
                connection.busy_timeout(Duration::from_mins(2)).unwrap();
                // The thread of the worker still runs, but a dead worker records no end of its own.
                let silenced =
                    "CREATE TRIGGER IF NOT EXISTS SILENCED BEFORE UPDATE OF DRAINS ON BATCH_PROCESS
                                WHEN OLD.ENDED IS NOT NULL BEGIN SELECT RAISE(IGNORE); END";
                connection.execute_batch(silenced).unwrap();
                let died = "UPDATE BATCH_PROCESS SET ENDED = STARTED WHERE PROCESS_ID = ?1";
                assert_eq!(connection.execute(died, [self.of.worker]).unwrap(), 1);
            }
            End::Drains => {
                self.of.is_dead.store(true, Ordering::Relaxed);
                self.of.drain.raise();
            }
            End::IsCutOff => {}
        }
        // The broker offers the chunk again.
        drop(self.answer.take());
    }
}

/// Says that the worker has begun, and holds the result until the manager knows which workers were lost: it does not ask
/// what became of the others once it has the result.
struct LateAnswer {
    of: Mortal,
    answer: Box<dyn ChunkAnswer>,
    has_begun: AtomicBool,
}

impl ChunkAnswer for LateAnswer {
    fn send(&self, reply: Vec<u8>) {
        let until = Instant::now() + Duration::from_mins(2);
        while self.has_begun.load(Ordering::Relaxed) && !self.of.knows_all_losses() && Instant::now() < until
        {
            thread::sleep(Duration::from_millis(1));
        }
        self.has_begun.store(true, Ordering::Relaxed);
        self.answer.send(reply);
    }

    fn settle(self: Box<Self>) {
        self.answer.settle();
    }
}

/// How often a worker took the poisoned chunk, in each test.
static TAKEN: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
/// Whether the manager has processed the poisoned chunk, in each test.
static BY_MANAGER: [AtomicBool; 5] = [const { AtomicBool::new(false) }; 5];

#[reader]
fn texts() -> impl Iterator<Item = String> {
    (0..12).map(|number| if number == 3 { POISON.to_owned() } else { number.to_string() })
}

/// In the manager, waits until a worker has taken the poisoned chunk.
#[processor]
fn taste(text: String, case: u64) -> String {
    let case = usize::try_from(case).unwrap();
    if !super::steps::is_in_a_worker() {
        let until = Instant::now() + Duration::from_mins(2);
        while TAKEN[case].load(Ordering::Relaxed) == 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        BY_MANAGER[case].fetch_or(text == POISON, Ordering::Relaxed);
    }
    text
}

#[writer]
fn keep(texts: &[String], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("CREATE TABLE IF NOT EXISTS kept (text TEXT PRIMARY KEY)", [])?;
    texts.iter().try_for_each(|text| tx.execute("INSERT INTO kept VALUES (?1)", [text]).map(drop))
}

#[step(chunk = 1, threads = 1, remote)]
fn tasting() {
    texts | taste | keep
}

#[job]
fn tasted(case: u64) {
    tasting;
}

/// Starts a worker, and waits until it has its number.
fn start(world: &World, launch: &Launch, mortal: &Mortal) -> thread::JoinHandle<()> {
    let worker = Worker::new(Arc::clone(&world.repository), &[launch.job])
        .chunks(RemoteChunks::over(Arc::new(mortal.clone())).patience(PATIENCE).build("test"))
        .drain_on(mortal.drain.clone());
    let running = thread::spawn(move || worker.run().unwrap());
    while world.numbers("SELECT COUNT(*) FROM BATCH_PROCESS") != [mortal.worker] {
        thread::sleep(Duration::from_millis(1));
    }
    running
}

struct Outcome {
    report: JobReport,
    told: String,
    kept: usize,
}

/// Runs the job with this many workers. The first `losses` answers to the poisoned chunk are lost.
fn run(case: usize, workers: i64, end: End, losses: u64, wait: Option<Duration>) -> Outcome {
    let world = World::new();
    let carrier = Carrier::new(1, Mishaps::default());
    let launch = tasted(case as u64);
    let told = Arc::new(Told::default());
    let mortals: Vec<Mortal> = (1..=workers)
        .map(|worker| Mortal {
            carrier: carrier.clone(),
            end,
            worker,
            database: world.path("batch.db"),
            drain: StopSignal::new(),
            is_dead: Arc::default(),
            losses,
            case,
            told: Arc::clone(&told),
        })
        .collect();
    let running: Vec<_> = mortals.iter().map(|mortal| start(&world, &launch, mortal)).collect();
    let chunks = RemoteChunks::over(Arc::new(carrier)).patience(PATIENCE).build("test");
    let chunks = wait.map_or(chunks.clone(), |most| chunks.wait_at_most(most));
    let report = world.run_with(&launch, &RunOptions { observer: Some(told.clone()), ..options(chunks) });
    for mortal in &mortals {
        mortal.drain.raise();
    }
    for worker in running {
        worker.join().unwrap();
    }
    let kept = world.texts("SELECT text FROM kept").len();
    Outcome { report, told: told.all(), kept }
}

#[test]
fn a_chunk_that_three_workers_are_lost_with_fails_the_step_and_the_manager_never_processes_it() {
    let Outcome { report, told, kept } = run(0, 4, End::Dies, 3, None);
    assert_eq!(report.status, BatchStatus::Failed, "{told}");
    let description = &report.exit.description;
    let pid = std::process::id();
    assert!(
        description.contains(
            "3 workers in a row were lost while they processed the chunk of records 4 to 4 of this run (the last at item 4): worker "
        ),
        "{description}"
    );
    assert!(description.contains(&format!(" (process {pid} on host ")), "{description}");
    assert!(told.contains(WAS_LOST), "{told}");
    assert!(!BY_MANAGER[0].load(Ordering::Relaxed));
    // The chunks before the poisoned one are written.
    assert_eq!(kept, 3);
}

#[test]
fn a_chunk_that_two_workers_are_lost_with_is_processed_by_a_third() {
    let Outcome { report, told, kept } = run(1, 3, End::Dies, 2, None);
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(told.matches(WAS_LOST).count(), 2, "{told}");
    assert!(!BY_MANAGER[1].load(Ordering::Relaxed));
    assert_eq!(kept, 12);
}

#[test]
fn a_chunk_that_the_last_worker_is_lost_with_waits_for_another_one_and_fails_after_the_longest_wait() {
    let wait = Duration::from_secs(1);
    let Outcome { report, told, kept } = run(2, 1, End::Dies, 1, Some(wait));
    assert_eq!(report.status, BatchStatus::Failed, "{told}");
    let description = &report.exit.description;
    assert!(
        description.contains("no other worker is available: none has appeared within 1s"),
        "{description}"
    );
    assert!(
        told.contains("the chunk of records 4 to 4 of this run (the last at item 4) is waiting for a worker"),
        "{told}"
    );
    assert!(!BY_MANAGER[2].load(Ordering::Relaxed));
    assert_eq!(kept, 3);
}

#[test]
fn workers_that_end_in_order_are_not_lost_with_their_chunk() {
    let Outcome { report, told, kept } = run(3, 5, End::Drains, 4, None);
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert!(!told.contains("was lost"), "{told}");
    assert_eq!(kept, 12);
}

#[test]
fn workers_that_lose_the_broker_are_not_lost_with_their_chunk() {
    let Outcome { report, told, kept } = run(4, 2, End::IsCutOff, 5, None);
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert!(!told.contains("was lost"), "{told}");
    assert_eq!(kept, 12);
}
