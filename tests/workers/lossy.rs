//! Hints that are lost, duplicated, late, in another order, or for nobody: only the rows count.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use batch_runtime::StopSignal;
use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, Ownership};
use batch_runtime::workers::{Hints, Listening, Manager, Offer, Worker};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Range {
    first: i64,
}

#[partitioner]
fn ranges(parts: u32) -> Vec<(String, Range)> {
    (0..i64::from(parts)).map(|part| (format!("part {part}"), Range { first: part * 7 })).collect()
}

#[reader]
fn numbers(range: &Partition<Range>) -> impl Iterator<Item = i64> {
    range.first..range.first + 7
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    for number in numbers {
        tx.execute("INSERT INTO number VALUES (?1)", [number])?;
    }
    Ok(())
}

#[step]
fn create(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    tx.execute_batch("CREATE TABLE number (n INTEGER)")
}

#[step(chunk = 3, partitioner = ranges)]
fn fill() {
    numbers | save
}

#[job]
fn load(parts: u32) {
    create;
    fill;
}

/// Delivers hints as badly as the contract allows.
#[derive(Clone)]
struct Lossy(Arc<Inner>);

struct Inner {
    random: AtomicU64,
    arrive: bool,
    workers: Mutex<Vec<Ear>>,
    managers: Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>,
}

#[derive(Clone)]
struct Ear {
    idle: Arc<AtomicBool>,
    hear: Arc<dyn Fn(Offer) + Send + Sync>,
}

impl std::fmt::Debug for Lossy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lossy")
    }
}

impl Lossy {
    fn of(seed: u64) -> Self {
        let arrive = seed.is_multiple_of(3);
        Self(Arc::new(Inner {
            random: AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            arrive,
            workers: Mutex::default(),
            managers: Mutex::default(),
        }))
    }

    fn below(&self, most: u64) -> u64 {
        let step = |mut x: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            Some(x)
        };
        let last = self.0.random.fetch_update(Relaxed, Relaxed, step).unwrap();
        (last >> 11) % most
    }

    /// Calls `call` not at all, once, twice, or later.
    fn maybe(&self, call: impl Fn() + Send + 'static) {
        match self.below(6) {
            0 | 1 => {}
            2 => {
                call();
                call();
            }
            3 => {
                let late = Duration::from_millis(self.below(300));
                thread::spawn(move || {
                    thread::sleep(late);
                    call();
                });
            }
            _ => call(),
        }
    }
}

struct Ears(Arc<AtomicBool>);

impl Listening for Ears {
    fn set_idle(&self, idle: bool) {
        self.0.store(idle, Relaxed);
    }
}

impl Hints for Lossy {
    fn offer(&self, _queue: &str, partitions: u64) {
        let workers = self.0.workers.lock().unwrap().clone();
        for _ in 0..partitions {
            let ear = workers[usize::try_from(self.below(workers.len() as u64)).unwrap()].clone();
            let again = self.clone();
            // Some hints go to busy workers, too. A hint that a worker does not accept is lost.
            self.maybe(move || {
                if ear.idle.load(Relaxed) || again.below(4) == 0 {
                    (ear.hear)(Offer::new(|_| ()));
                }
            });
        }
    }

    fn ended(&self, _owner: Ownership) {
        for manager in self.0.managers.lock().unwrap().clone() {
            self.maybe(move || manager());
        }
    }

    fn on_ended(&self, _owner: Ownership, wake: Box<dyn Fn() + Send + Sync>) -> Box<dyn Send + Sync> {
        self.0.managers.lock().unwrap().push(Arc::from(wake));
        Box::new(())
    }

    fn on_offer(
        &self,
        _queues: &[String],
        _slots: u32,
        wake: Box<dyn Fn(Offer) + Send + Sync>,
    ) -> Box<dyn Listening> {
        let idle = Arc::new(AtomicBool::new(false));
        self.0.workers.lock().unwrap().push(Ear { idle: Arc::clone(&idle), hear: Arc::from(wake) });
        Box::new(Ears(idle))
    }

    fn arrive(&self) -> bool {
        self.0.arrive
    }
}

#[test]
fn hints_that_are_lost_duplicated_late_or_wrong_change_no_row() {
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("batch.db");
        let hints = Lossy::of(seed);
        let drain = StopSignal::new();
        let worker = |slots| {
            let repository = Arc::new(SqliteRepository::open(&path).unwrap());
            let worker = Worker::new(repository, &[load(0).job]).slots(slots).hints(Arc::new(hints.clone()));
            worker.drain_on(drain.clone())
        };
        let repository = Arc::new(SqliteRepository::open(&path).unwrap());
        thread::scope(|scope| {
            let workers = [1, 2, 3].map(|slots| {
                let worker = worker(slots);
                scope.spawn(move || worker.run())
            });
            while hints.0.workers.lock().unwrap().len() < workers.len() {
                thread::sleep(Duration::from_millis(1));
            }
            let manager = Manager::remote().hints(Arc::new(hints.clone()));
            let operator = JobOperator::new(repository).partitions(Arc::new(manager));
            let report = operator.start(load(40)).unwrap();
            assert_eq!(report.status, BatchStatus::Completed, "seed {seed}");
            drain.raise();
            for worker in workers {
                worker.join().unwrap().unwrap();
            }
        });
        let connection = rusqlite::Connection::open(&path).unwrap();
        let mut statement = connection.prepare("SELECT n FROM number ORDER BY n").unwrap();
        let rows: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows, super::numbers(280), "seed {seed}");
    }
}
