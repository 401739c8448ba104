//! Measures the commit of a chunk on the disk against the commit of one row.

use crate::hand_written::BareCommits;
use crate::jobs::{self, WARMING};
use crate::measure::{self, Pair, Spread, interleaved};
use crate::report::{Row, Target};
use crate::{Outcome, Plan, places};

/// Chunks without a row against commits of one updated row, `synchronous=FULL` on both sides.
pub(crate) fn empty_chunk(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let commits = plan.size(1_000);
    let (repository, by_hand) = (plan.disk.file("empty.db"), plan.disk.file("bare.db"));
    let bare = BareCommits::open(&by_hand)?;
    bare.commit(2 * WARMING)?;
    let pairs = interleaved(
        plan.rounds(21),
        || {
            places::remove(&[&repository])?;
            let chunks = commits + WARMING;
            let report = jobs::run(&repository, &jobs::empty_chunks(chunks))?;
            if report.steps[0].counters.commit != chunks {
                return Err(format!("{} commits, not {chunks}", report.steps[0].counters.commit).into());
            }
            jobs::empty_chunks_took().ok_or_else(|| "the reader was not run".into())
        },
        || measure::time(|| bare.commit(commits)),
    )?;
    drop(bare);
    places::remove(&[&repository, &by_hand])?;
    let a_commit = |side: fn(&Pair) -> _| measure::median_seconds(&pairs, side) * 1e6 / commits as f64;
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
        target: Target::must_and_aim(1.3, 1.15),
        detail: format!(
            "{:.0} µs a commit, bare {:.0} µs",
            a_commit(|pair| pair.ours),
            a_commit(|pair| pair.by_hand)
        ),
    })
}
