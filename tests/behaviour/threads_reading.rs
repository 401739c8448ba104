//! The threads of a step take turns at its reader; a reader that is not `Send` gets its own thread.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use batch_runtime::prelude::*;

use crate::support::{World, step};

#[derive(Debug, thiserror::Error)]
#[error("the line is cut")]
struct Cut;

/// The planned failures, and the notifications about them.
#[derive(Default)]
struct Line {
    cuts_left: Mutex<u32>,
    heard: Mutex<Vec<String>>,
    opened: Mutex<u32>,
    /// The last commit of which the reader was notified.
    told: Mutex<u64>,
    /// The names of the threads that read, except the step's own.
    threads: Mutex<BTreeSet<String>>,
}

impl Line {
    fn hear(&self, what: String) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

#[resource]
fn line(cuts: u32) -> Arc<Line> {
    Arc::new(Line { cuts_left: Mutex::new(cuts), ..Line::default() })
}

/// The numbers up to a hundred, over a connection that breaks at 42; `K` may make the reader stay on its thread.
struct Numbers<K> {
    line: Arc<Line>,
    next: u64,
    _kept: K,
}

impl<K> Numbers<K> {
    fn open(line: &Arc<Line>, kept: K) -> Self {
        *line.opened.lock().unwrap() += 1;
        Self { line: Arc::clone(line), next: 0, _kept: kept }
    }
}

impl<K> Reader for Numbers<K> {
    type Item = u64;
    type Position = u64;
    type Error = Cut;

    fn read(&mut self) -> Result<Option<u64>, Cut> {
        let thread = std::thread::current();
        let role = thread.name().and_then(|name| name.split(" of ").next()).unwrap_or_default();
        self.line.threads.lock().unwrap().insert(role.to_owned());
        if self.next == 42 {
            let mut cuts_left = self.line.cuts_left.lock().unwrap();
            if *cuts_left > 0 {
                *cuts_left -= 1;
                return Err(Cut);
            }
        }
        self.next += 1;
        Ok((self.next <= 100).then_some(self.next - 1))
    }

    fn position(&self) -> u64 {
        self.next.min(100)
    }

    fn resume(&mut self, position: u64) -> Result<(), Cut> {
        self.next = position;
        Ok(())
    }

    fn steps_over(&self, _: &Cut) -> bool {
        false
    }

    fn committed(&mut self, position: &u64) -> Result<(), Cut> {
        *self.line.told.lock().unwrap() = *position;
        Ok(())
    }
}

#[reader]
fn changing_threads(line: &Arc<Line>) -> Numbers<()> {
    Numbers::open(line, ())
}

#[reader]
fn staying_on_a_thread(line: &Arc<Line>) -> Numbers<Rc<()>> {
    Numbers::open(line, Rc::new(()))
}

#[processor]
fn double(number: u64, bad: u64) -> Result<u64, String> {
    if number == bad { Err(format!("{number} is bad")) } else { Ok(2 * number) }
}

#[writer]
fn keep(numbers: &[u64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
    numbers
        .iter()
        .try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number.cast_signed()]).map(drop))
}

#[listener(on_read_error)]
fn unread(error: &Failure, line: &Arc<Line>) {
    line.hear(format!("unread: {error}"));
}

#[listener(on_retry)]
fn again(error: &Failure, repeat: u32, line: &Arc<Line>) {
    let _ = error;
    line.hear(format!("again, {repeat}"));
}

#[step(chunk = 7, threads = 3, retry(Cut, limit = 2), listeners(unread, again))]
fn in_turns() {
    changing_threads | double | keep
}

#[step(chunk = 7, threads = 3, retry(Cut, limit = 2), listeners(unread, again))]
fn apart() {
    staying_on_a_thread | double | keep
}

#[derive(Serialize, Deserialize)]
struct Said {
    heard: Vec<String>,
    opened: u32,
    told: u64,
    threads: BTreeSet<String>,
}

#[step]
fn say(line: &Arc<Line>) -> Said {
    Said {
        heard: line.heard.lock().unwrap().clone(),
        opened: *line.opened.lock().unwrap(),
        told: *line.told.lock().unwrap(),
        threads: line.threads.lock().unwrap().clone(),
    }
}

#[job]
fn shared(#[param(identifying = false)] cuts: u32, #[param(identifying = false)] bad: u64) {
    match in_turns {
        Completed => say,
        Failed => say as say_why,
    }
}

#[job]
fn alone(#[param(identifying = false)] cuts: u32, #[param(identifying = false)] bad: u64) {
    match apart {
        Completed => say,
        Failed => say as say_why,
    }
}

/// A number that is not in the input.
const NONE: u64 = 1_000;

type Job = fn(u32, u64) -> batch_runtime::Launch;

const JOBS: [(Job, &str); 2] = [(shared, "in_turns"), (alone, "apart")];

fn said(world: &World) -> Said {
    let said = world.texts("SELECT OUTPUT FROM BATCH_JOURNAL WHERE PATH LIKE '%say%'");
    serde_json::from_str(&said[0]).unwrap()
}

fn kept(world: &World) -> Vec<i64> {
    world.numbers("SELECT number FROM kept ORDER BY rowid")
}

#[test]
fn the_order_is_that_of_the_input_whether_or_not_a_reader_can_change_threads() {
    for (job, name) in JOBS {
        let world = World::new();
        let report = world.completes(&job(0, NONE));
        assert_eq!(step(&report, name).counters.commit, 15);
        assert!(kept(&world).into_iter().eq((0..100).map(|number| 2 * number)), "{name}");
    }
}

#[test]
fn a_reader_is_reopened_at_its_position_whichever_thread_reads() {
    for (job, name) in JOBS {
        let world = World::new();
        world.completes(&job(2, NONE));
        assert!(kept(&world).into_iter().eq((0..100).map(|number| 2 * number)), "{name}");
    }
}

#[test]
fn listeners_are_notified_of_retried_reads_on_another_thread() {
    for (job, name) in JOBS {
        let world = World::new();
        world.completes(&job(2, NONE));
        let Said { heard, opened, .. } = said(&world);
        let kinds: Vec<_> = heard.iter().map(|what| what.split(':').next().unwrap()).collect();
        assert_eq!(kinds, ["unread", "again, 1", "unread", "again, 2"], "{name}");
        assert_eq!(opened, 3, "{name}");
    }
}

#[test]
fn a_reader_that_can_change_threads_is_read_by_the_workers_and_any_other_by_its_own_thread() {
    for ((job, name), role) in JOBS.into_iter().zip(["worker", "reader"]) {
        let world = World::new();
        world.completes(&job(0, NONE));
        assert!(said(&world).threads.into_iter().eq([role]), "{name}");
    }
}

#[test]
fn the_reader_is_notified_of_all_commits_even_if_the_step_fails() {
    for (job, name) in JOBS {
        // A record that cannot be read, and one that cannot be processed.
        for (cuts, bad) in [(3, NONE), (0, 57)] {
            let world = World::new();
            let report = world.completes(&job(cuts, bad));
            let written = step(&report, name).counters.write;
            assert!(written >= 42, "{name}: {written}");
            assert_eq!(said(&world).told, written, "{name}, cut {cuts} times, {bad} is bad");
        }
    }
}

/// Lines that are all bad.
struct Bad {
    line: Arc<Line>,
    read: u64,
}

impl Reader for Bad {
    type Item = u64;
    type Position = u64;
    type Error = Cut;

    fn read(&mut self) -> Result<Option<u64>, Cut> {
        self.read += 1;
        *self.line.told.lock().unwrap() = self.read;
        Err(Cut)
    }

    fn position(&self) -> u64 {
        self.read
    }

    fn resume(&mut self, position: u64) -> Result<(), Cut> {
        self.read = position;
        Ok(())
    }
}

#[reader]
fn nothing_good(line: &Arc<Line>) -> Bad {
    Bad { line: Arc::clone(line), read: 0 }
}

#[step(chunk = 7, threads = 2, skip(Cut, limit = 3))]
fn bad_lines() {
    nothing_good | double | keep
}

#[job]
fn endless(#[param(identifying = false)] cuts: u32, #[param(identifying = false)] bad: u64) {
    match bad_lines {
        Completed => say,
        Failed => say as say_why,
    }
}

#[test]
fn with_a_limit_of_skips_little_is_read_ahead_of_the_decision() {
    let world = World::new();
    let report = world.completes(&endless(0, NONE));
    assert!(step(&report, "bad_lines").exit.description.contains("its limit of 3"));
    // Four per chunk, and no more chunks than there are buffers.
    let read = said(&world).told;
    assert!(read <= 4 * 2 * 5, "{read} were read");
}
