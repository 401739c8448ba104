//! The reader of a step with `threads` is read in turns, or on a thread of its own where it cannot leave that.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use batch_runtime::prelude::*;

use crate::support::{World, step};

#[derive(Debug, thiserror::Error)]
#[error("the line is cut")]
struct Cut;

/// What is to fail, and what was heard of it.
#[derive(Default)]
struct Line {
    cuts_left: Mutex<u32>,
    heard: Mutex<Vec<String>>,
    opened: Mutex<u32>,
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

/// The numbers up to a hundred, over a line that is cut at 42; with `K` it may be one that stays on its thread.
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
fn double(number: u64) -> u64 {
    2 * number
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

/// What was heard, and how often a reader was opened.
#[step]
fn say(line: &Arc<Line>) -> (Vec<String>, u32) {
    (line.heard.lock().unwrap().clone(), *line.opened.lock().unwrap())
}

#[job]
fn shared(#[param(identifying = false)] cuts: u32) {
    in_turns;
    say;
}

#[job]
fn alone(#[param(identifying = false)] cuts: u32) {
    apart;
    say;
}

const JOBS: [(fn(u32) -> batch_runtime::Launch, &str); 2] = [(shared, "in_turns"), (alone, "apart")];

fn kept(world: &World) -> Vec<i64> {
    world.numbers("SELECT number FROM kept ORDER BY rowid")
}

#[test]
fn whether_a_reader_can_change_threads_or_not_the_order_is_that_of_the_input() {
    for (job, name) in JOBS {
        let world = World::new();
        let report = world.completes(&job(0));
        assert_eq!(step(&report, name).counters.commit, 15);
        assert!(kept(&world).into_iter().eq((0..100).map(|number| 2 * number)), "{name}");
    }
}

#[test]
fn a_reader_is_opened_anew_where_it_stood_whichever_thread_reads() {
    for (job, name) in JOBS {
        let world = World::new();
        world.completes(&job(2));
        assert!(kept(&world).into_iter().eq((0..100).map(|number| 2 * number)), "{name}");
    }
}

#[test]
fn listeners_hear_of_what_was_read_again_on_another_thread() {
    for (job, name) in JOBS {
        let world = World::new();
        world.completes(&job(2));
        let said = world.texts("SELECT OUTPUT FROM BATCH_JOURNAL WHERE PATH = 'say'");
        let (heard, opened): (Vec<String>, u32) = serde_json::from_str(&said[0]).unwrap();
        let kinds: Vec<_> = heard.iter().map(|what| what.split(':').next().unwrap()).collect();
        assert_eq!(kinds, ["unread", "again, 1", "unread", "again, 2"], "{name}");
        assert_eq!(opened, 3, "{name}");
    }
}

#[test]
fn a_reader_that_stays_cut_fails_the_step_and_a_restart_goes_on_there() {
    for (job, name) in JOBS {
        let world = World::new();
        let report = world.fails(&job(3));
        let failed = step(&report, name);
        assert_eq!(failed.counters.write, 42);
        assert!(failed.exit.description.contains("the line is cut"), "{}", failed.exit.description);
        world.completes(&job(0));
        assert!(kept(&world).into_iter().eq((0..100).map(|number| 2 * number)), "{name}");
    }
}
