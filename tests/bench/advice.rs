//! Measures the advice of the summary: on steps of several shapes it tries a list of settings and the advised one, to
//! see whether the advised one is the best, and how long the step then takes.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use batch_runtime::Launch;
use batch_runtime::engine::{self, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{Advice, BatchStatus, Lever, Repository};

use crate::measure::Spread;
use crate::report::{Row, Target};
use crate::{Outcome, Plan, places};

/// Computes for about this many microseconds.
fn spin(micros: u64) {
    let end = Instant::now() + Duration::from_micros(micros);
    let mut sum = 0_u64;
    while Instant::now() < end {
        sum = black_box(sum.wrapping_add(1));
    }
}

fn nap(micros: u64) {
    if micros > 0 {
        sleep(Duration::from_micros(micros));
    }
}

#[reader]
fn source(items: u64, read_spin: u64, read_nap: u64) -> impl Iterator<Item = u64> {
    (0..items).inspect(move |_| {
        spin(read_spin);
        nap(read_nap);
    })
}

#[processor]
fn work(item: u64, work_spin: u64, work_nap: u64) -> u64 {
    spin(work_spin);
    nap(work_nap);
    item
}

macro_rules! with_calls {
    ($($processor:ident $step:ident $job:ident $calls:literal;)*) => {$(
        #[processor(concurrency = $calls)]
        fn $processor(item: u64, work_spin: u64, work_nap: u64) -> u64 {
            spin(work_spin);
            nap(work_nap);
            item
        }

        #[step(chunk = chunk_size)]
        fn $step() {
            source | $processor | store
        }

        #[job]
        fn $job(items: u64, read_spin: u64, read_nap: u64, work_spin: u64, work_nap: u64, write_spin: u64, write_nap: u64, chunk_size: usize) {
            $step;
        }
    )*};
}

with_calls! {
    work_2 step_2 calls_2 2;
    work_4 step_4 calls_4 4;
    work_8 step_8 calls_8 8;
    work_16 step_16 calls_16 16;
    work_64 step_64 calls_64 64;
}

#[writer]
fn store(items: &[u64], write_spin: u64, write_nap: u64, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    for _ in items {
        spin(write_spin);
        nap(write_nap);
    }
    tx.execute_batch("CREATE TABLE IF NOT EXISTS item (number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO item VALUES (?1)")?;
    items.iter().try_for_each(|item| insert.execute([item.cast_signed()]).map(drop))
}

#[step(chunk = chunk_size)]
fn alone() {
    source | work | store
}

#[step(chunk = chunk_size, threads = workers)]
fn threaded() {
    source | work | store
}

#[job]
fn plain(
    items: u64,
    read_spin: u64,
    read_nap: u64,
    work_spin: u64,
    work_nap: u64,
    write_spin: u64,
    write_nap: u64,
    chunk_size: usize,
) {
    alone;
}

#[job]
fn several(
    items: u64,
    read_spin: u64,
    read_nap: u64,
    work_spin: u64,
    work_nap: u64,
    write_spin: u64,
    write_nap: u64,
    chunk_size: usize,
    workers: usize,
) {
    threaded;
}

/// The cost of an item, in microseconds.
struct Shape {
    name: &'static str,
    items: u64,
    chunk: usize,
    workers: usize,
    /// The time of computing and that of waiting.
    read: (u64, u64),
    work: (u64, u64),
    write: (u64, u64),
}

const fn shape(name: &'static str, items: u64, chunk: usize, costs: [(u64, u64); 3]) -> Shape {
    let [read, work, write] = costs;
    Shape { name, items, chunk, workers: 1, read, work, write }
}

const SHAPES: [Shape; 12] = [
    shape("the processor computes", 4_000, 100, [(5, 0), (200, 0), (5, 0)]),
    shape("the processor waits", 2_000, 50, [(5, 0), (5, 300), (5, 0)]),
    shape("small chunks", 12_000, 4, [(2, 0), (5, 0), (2, 0)]),
    shape("the reader computes", 4_000, 100, [(200, 0), (10, 0), (5, 0)]),
    shape("the reader waits", 2_000, 50, [(5, 300), (10, 0), (5, 0)]),
    shape("the writer computes", 4_000, 100, [(5, 0), (10, 0), (200, 0)]),
    shape("the writer waits", 2_000, 50, [(5, 0), (10, 0), (5, 300)]),
    shape("reader, processor and writer compute", 4_000, 100, [(70, 0), (70, 0), (70, 0)]),
    shape("the processor computes and waits", 2_000, 50, [(5, 0), (150, 150), (5, 0)]),
    shape("small chunks, the processor computes", 2_000, 4, [(5, 0), (150, 0), (5, 0)]),
    shape("reader and processor compute", 4_000, 100, [(100, 0), (100, 0), (5, 0)]),
    Shape { workers: 2, ..shape("two threads that wait", 2_000, 50, [(5, 0), (5, 300), (5, 0)]) },
];

/// The settings of a run.
#[derive(Clone, Copy, PartialEq)]
struct Setting {
    chunk: usize,
    workers: usize,
    calls: usize,
}

impl Setting {
    fn said(self, of: &Shape) -> String {
        match self {
            Self { chunk, .. } if chunk != of.chunk => format!("chunk = {chunk}"),
            Self { calls, .. } if calls > 1 => format!("concurrency = {calls}"),
            Self { workers, .. } if workers != of.workers => format!("threads = {workers}"),
            _ => "as it is".to_owned(),
        }
    }
}

impl Shape {
    fn setting(&self) -> Setting {
        Setting { chunk: self.chunk, workers: self.workers, calls: 1 }
    }

    /// The settings to try, one lever at a time.
    fn settings(&self) -> Vec<Setting> {
        let own = self.setting();
        let chunks = [2, 5, 10].map(|times| Setting { chunk: self.chunk * times, ..own });
        let threads = [2, 4].map(|times| Setting { workers: self.workers * times, ..own });
        let calls = [2, 4, 8, 16, 64].map(|calls| Setting { calls, ..own });
        let calls = calls.into_iter().filter(|_| self.workers == 1);
        [own].into_iter().chain(chunks).chain(threads).chain(calls).collect()
    }

    fn launch(&self, setting: Setting) -> Outcome<Launch> {
        let Self { items, read: (r, rn), work: (w, wn), write: (s, sn), .. } = *self;
        let chunk = setting.chunk;
        Ok(match setting {
            Setting { calls: 1, workers: 1, .. } => plain(items, r, rn, w, wn, s, sn, chunk),
            Setting { calls: 1, workers, .. } => several(items, r, rn, w, wn, s, sn, chunk, workers),
            Setting { calls: 2, .. } => calls_2(items, r, rn, w, wn, s, sn, chunk),
            Setting { calls: 4, .. } => calls_4(items, r, rn, w, wn, s, sn, chunk),
            Setting { calls: 8, .. } => calls_8(items, r, rn, w, wn, s, sn, chunk),
            Setting { calls: 16, .. } => calls_16(items, r, rn, w, wn, s, sn, chunk),
            Setting { calls: 64, .. } => calls_64(items, r, rn, w, wn, s, sn, chunk),
            Setting { calls, .. } => return Err(format!("no step has {calls} calls in flight").into()),
        })
    }

    /// Runs the job. Returns the time of its step in milliseconds, and the advice about the step.
    fn run(&self, plan: &Plan, setting: Setting) -> Outcome<(f64, Option<Advice>)> {
        let file = plan.disk.file("advice.db");
        places::remove(&[&file])?;
        let repository: Arc<dyn Repository> = Arc::new(SqliteRepository::open(&file)?);
        let report = engine::run(&repository, &self.launch(setting)?, &RunOptions::default())?;
        if report.status != BatchStatus::Completed {
            return Err(report.exit.description.into());
        }
        let profile = report.steps[0].profile.clone().ok_or("a chunk step has a profile")?;
        places::remove(&[&file])?;
        Ok((report.steps[0].elapsed.as_secs_f64() * 1e3, profile.advice))
    }

    /// The median time of some runs in milliseconds, and the advice of the last.
    fn measured(&self, plan: &Plan, setting: Setting) -> Outcome<(f64, Option<Advice>)> {
        let mut times = Vec::new();
        let mut advice = None;
        for _ in 0..plan.rounds(5) {
            let (time, advised) = self.run(plan, setting)?;
            times.push(time);
            advice = advised;
        }
        Ok((Spread::of(times).median, advice))
    }

    /// The setting that follows from the advice, if there is one to try.
    fn advised(&self, advice: &Advice) -> Option<Setting> {
        let (own, number) = (self.setting(), usize::try_from(advice.setting).ok()?);
        match advice.lever {
            Lever::Chunk => Some(Setting { chunk: number, ..own }),
            Lever::Threads => Some(Setting { workers: number, ..own }),
            // The smallest number of calls that is tried and is not below the advised one.
            Lever::Concurrency => {
                let calls = [2, 4, 8, 16, 64].into_iter().find(|calls| *calls >= number)?;
                Some(Setting { calls, ..own })
            }
            _ => None,
        }
    }
}

/// Counts the shapes for which the advised setting is within 5 % of the best of the list, or for which nothing is
/// advised and no setting saves a tenth. The table of all shapes goes to standard error.
pub(crate) fn shapes(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let mut table = "| step | took, ms | advice | predicted | then took | best of the list | its time |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    let (mut right, mut errors) = (0_u32, Vec::new());
    for shape in &SHAPES {
        let (took, advice) = shape.measured(plan, shape.setting())?;
        let mut tried = Vec::new();
        for setting in shape.settings().into_iter().skip(1) {
            tried.push((setting, shape.measured(plan, setting)?.0));
        }
        let advised = advice.as_ref().and_then(|advice| shape.advised(advice));
        let then = match advised {
            None => None,
            Some(setting) => match tried.iter().find(|(it, _)| *it == setting) {
                Some((_, time)) => Some(*time),
                None => Some(shape.measured(plan, setting)?.0),
            },
        };
        let best = tried.iter().min_by(|(_, a), (_, b)| a.total_cmp(b)).ok_or("settings are tried")?;
        let best = if best.1 < took { *best } else { (shape.setting(), took) };
        let is_right = match then {
            Some(then) => then <= best.1 * 1.05,
            None => best.1 > took * 0.9,
        };
        right += u32::from(is_right);
        let said = match (&advice, advised) {
            (_, Some(setting)) => setting.said(shape),
            (Some(advice), None) => format!("a faster {}", advice.lever.as_str()),
            (None, _) => "none".to_owned(),
        };
        let predicted =
            advice.as_ref().filter(|_| advised.is_some()).map(|advice| advice.predicted as f64 / 1e6);
        if let Some((predicted, then)) = predicted.zip(then) {
            errors.push((then / predicted - 1.0).abs() * 100.0);
        }
        let number = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}"));
        writeln!(
            table,
            "| {} | {took:.0} | {said}{} | {} | {} | {} | {:.0} |",
            shape.name,
            if is_right { "" } else { " (wrong)" },
            number(predicted),
            number(then),
            best.0.said(shape),
            best.1
        )?;
    }
    eprintln!("{table}");
    let error = Spread::of(errors.iter().copied());
    Ok(Row {
        name,
        unit: "of 12",
        value: Spread::of([f64::from(right)]),
        target: Target::must_and_aim(11.0, 12.0),
        detail: format!("error of the prediction: median {:.0} %, worst {:.0} %", error.median, error.max),
    })
}
