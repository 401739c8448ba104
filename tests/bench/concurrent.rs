//! Measures a window of concurrent calls against the same calls in sequence.

use std::sync::Arc;
use std::time::Duration;

use batch_runtime::engine::{self, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, Repository};

use crate::jobs::numbers;
use crate::measure::{self, Pair, Spread, interleaved};
use crate::report::{Row, Target};
use crate::{Outcome, Plan, places};

/// The time that a call waits.
const WAIT: Duration = Duration::from_millis(10);
const WINDOW: u64 = 64;
/// The number of calls that are made in sequence by hand; each takes the same time.
const BY_HAND: u64 = 100;

#[processor(concurrency = 64)]
async fn ask(number: u64) -> u64 {
    tokio::time::sleep(WAIT).await;
    number
}

#[writer]
fn save(answers: &[u64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS answer (number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO answer VALUES (?1)")?;
    answers.iter().try_for_each(|answer| insert.execute([answer.cast_signed()]).map(drop))
}

#[step(chunk = 100)]
fn ask_all() {
    numbers | ask | save
}

#[job]
fn asking(items: u64) {
    ask_all;
}

/// A window of 64 calls of 10 ms, committed in chunks of 100 to a table on the disk, as a fraction of the time that the
/// calls take in sequence.
pub(crate) fn async_window(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let items = 2_000;
    let file = plan.disk.file("window.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let pairs = interleaved(
        plan.rounds(11),
        || {
            places::remove(&[&file])?;
            let repository: Arc<dyn Repository> = Arc::new(SqliteRepository::open(&file)?);
            let report = engine::run(&repository, &asking(items), &RunOptions::default())?;
            if report.status != BatchStatus::Completed || report.steps[0].counters.write != items {
                return Err(report.exit.description.into());
            }
            Ok(report.steps[0].elapsed)
        },
        || {
            let waited = measure::time(|| {
                runtime.block_on(async {
                    for _ in 0..BY_HAND {
                        tokio::time::sleep(WAIT).await;
                    }
                });
                Ok(())
            })?;
            Ok(waited * u32::try_from(items / BY_HAND)?)
        },
    )?;
    places::remove(&[&file])?;
    let seconds = |side: fn(&Pair) -> Duration| measure::median_seconds(&pairs, side);
    let value = Spread::of(pairs.iter().map(|pair| pair.ratio()));
    Ok(Row {
        name,
        unit: "of serial",
        value,
        target: Target::must_and_aim(0.02, 0.0167),
        detail: format!(
            "{:.1}x, the ceiling is {:.1}x; {:.3} s, serial {:.1} s",
            1.0 / value.median,
            items as f64 / items.div_ceil(WINDOW) as f64,
            seconds(|pair| pair.ours),
            seconds(|pair| pair.by_hand)
        ),
    })
}
