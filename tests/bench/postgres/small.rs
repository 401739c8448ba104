//! Measures what does not depend on the rows: the commit of a chunk, and the start of partitions.

use std::time::{Duration, Instant};

use batch_runtime::Durability;
use batch_tests::postgres::Server;
use futures_util::future::try_join3;

use crate::jobs::{self, WARMING};
use crate::measure::{self, Pair, Spread, interleaved};
use crate::report::{Row, Target};
use crate::{Outcome, Plan};

/// Chunks without a row against `BEGIN`, an `UPDATE` of one row and `COMMIT` in one message, forced to the disk on both
/// sides.
pub(crate) fn empty_chunk(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let commits = plan.size(1_000);
    let server = super::server(true)?;
    let (ours, by_hand) = (server.database(), server.database());
    by_hand
        .connect()
        .batch_execute("CREATE TABLE progress (done BIGINT); INSERT INTO progress VALUES (0)")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut round = 0;
    let pairs = interleaved(
        plan.rounds(11),
        || {
            round += 1;
            let chunks = commits + WARMING;
            let url = format!("{}?schema=round_{round}", ours.url());
            let report = super::run(&url, Durability::Machine, &jobs::empty_chunks(chunks))?;
            if report.steps[0].counters.commit != chunks {
                return Err(format!("{} commits, not {chunks}", report.steps[0].counters.commit).into());
            }
            jobs::empty_chunks_took().ok_or_else(|| "the reader was not run".into())
        },
        || runtime.block_on(commit(by_hand.url(), commits)),
    )?;
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

/// How long this many bare commits take, after some that do not count.
async fn commit(url: &str, times: u64) -> Outcome<Duration> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let update = client.prepare("UPDATE progress SET done = $1").await?;
    let mut begun = Instant::now();
    for time in 0..times + WARMING {
        if time == WARMING {
            begun = Instant::now();
        }
        let done = i64::try_from(time)?;
        // Polled in this order, they are one message.
        let update = async { client.execute(&update, &[&done]).await };
        try_join3(client.batch_execute("BEGIN"), update, client.batch_execute("COMMIT")).await?;
    }
    Ok(begun.elapsed())
}

/// From the launch to the first item that is written, and to the end.
fn singles(server: &Server, partitions: u64) -> Outcome<(Duration, Duration)> {
    let database = server.database();
    let begin = Instant::now();
    let report = super::run(database.url(), Durability::Machine, &jobs::many_partitions(partitions))?;
    let total = begin.elapsed();
    if report.steps[0].counters.write != partitions {
        return Err(format!("{} items, not {partitions}", report.steps[0].counters.write).into());
    }
    let first = jobs::first_written().ok_or("nothing was written")?;
    Ok((first.duration_since(begin), total))
}

fn thousand(
    plan: &Plan,
    name: &'static str,
    target: Target,
    side: fn((Duration, Duration)) -> Duration,
) -> Outcome<Row> {
    let server = super::server(true)?;
    let mut seconds = Vec::new();
    for _ in 0..plan.rounds(5) {
        seconds.push(side(singles(&server, 1_000)?).as_secs_f64());
    }
    let detail = "1000 partitions of one item, in a new repository".to_owned();
    Ok(Row { name, unit: "s", value: Spread::of(seconds), target, detail })
}

/// To the first item of a thousand partitions.
pub(crate) fn first_of_a_thousand(plan: &Plan, name: &'static str) -> Outcome<Row> {
    thousand(plan, name, Target::must_and_aim(0.2, 0.1), |(first, _)| first)
}

/// To the end of a thousand partitions.
pub(crate) fn all_of_a_thousand(plan: &Plan, name: &'static str) -> Outcome<Row> {
    thousand(plan, name, Target::must_and_aim(3.0, 1.5), |(_, total)| total)
}
