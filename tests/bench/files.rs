//! Measures copying a file of sales and loading it into a table against hand-written loops, in memory and on the disk.
//! Once per run it checks that both sides have the same result.

use std::path::{Path, PathBuf};
use std::time::Duration;

use batch_runtime::Launch;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::jobs;
use crate::measure::{self, Pair, Spread, interleaved};
use crate::places::{self, Folder};
use crate::report::{Row, Target};
use crate::{Outcome, Plan, data, hand_written};

/// The files of one comparison.
struct Files {
    rows: u64,
    input: PathBuf,
    repository: PathBuf,
    ours: PathBuf,
    by_hand: PathBuf,
    progress: PathBuf,
}

impl Files {
    fn of(plan: &Plan, folder: &Folder) -> Outcome<Self> {
        let rows = plan.size(1_000_000);
        let input = folder.file("sales.csv");
        data::write_csv(&input, rows)?;
        Ok(Self {
            rows,
            input,
            repository: folder.file("repository.db"),
            ours: folder.file("ours"),
            by_hand: folder.file("by-hand"),
            progress: folder.file("progress.db"),
        })
    }

    fn row(&self, name: &'static str, pairs: &[Pair], target: Target) -> Row {
        let rate =
            |side: fn(&Pair) -> Duration| self.rows as f64 / measure::median_seconds(pairs, side) / 1e6;
        Row {
            name,
            unit: "ratio",
            value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
            target,
            detail: format!(
                "{:.2} M rows/s, by hand {:.2} M rows/s",
                rate(|pair| pair.ours),
                rate(|pair| pair.by_hand)
            ),
        }
    }

    fn remove_outputs(&self) -> Outcome {
        places::remove(&[&self.repository, &self.ours, &self.by_hand, &self.progress])
    }
}

fn csv_to_csv(
    plan: &Plan,
    folder: &Folder,
    launch: fn(PathBuf, PathBuf) -> Launch,
    by_hand: impl Fn(&Files) -> Outcome,
) -> Outcome<(Files, Vec<Pair>)> {
    let files = Files::of(plan, folder)?;
    files.remove_outputs()?;
    let ours = || {
        places::remove(&[&files.repository, &files.ours])?;
        measure::time(|| {
            let launch = launch(files.input.clone(), files.ours.clone());
            jobs::run(&files.repository, &launch).map(drop)
        })
    };
    let theirs = || {
        places::remove(&[&files.by_hand, &files.progress])?;
        measure::time(|| by_hand(&files))
    };
    let pairs = interleaved(plan.rounds(9), ours, theirs)?;
    if std::fs::read(&files.ours)? != std::fs::read(&files.by_hand)? {
        return Err(
            format!("the outputs differ: {} and {}", files.ours.display(), files.by_hand.display()).into()
        );
    }
    files.remove_outputs()?;
    Ok((files, pairs))
}

/// In memory, against a loop without any way to restart.
pub(crate) fn csv_to_csv_in_memory(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let by_hand = |files: &Files| hand_written::csv_to_csv(&files.input, &files.by_hand);
    let (files, pairs) = csv_to_csv(plan, &plan.memory, jobs::csv_to_csv, by_hand)?;
    Ok(files.row(name, &pairs, Target::must_and_aim(1.0, 0.80)))
}

/// In memory, with items that borrow from their records.
pub(crate) fn csv_to_csv_lent(plan: &Plan, name: &'static str) -> Outcome<Row> {
    lent(plan, name, jobs::csv_to_csv_lent, Target::must_and_aim(0.60, 0.45))
}

/// In memory, with borrowing items and two threads.
pub(crate) fn csv_to_csv_lent_on_threads(plan: &Plan, name: &'static str) -> Outcome<Row> {
    lent(plan, name, jobs::csv_to_csv_lent_on_threads, Target::must_and_aim(0.45, 0.33))
}

/// In memory, with borrowing items and two partitions.
pub(crate) fn csv_to_csv_lent_in_partitions(plan: &Plan, name: &'static str) -> Outcome<Row> {
    lent(plan, name, jobs::csv_to_csv_lent_in_partitions, Target::must_and_aim(0.45, 0.33))
}

fn lent(
    plan: &Plan,
    name: &'static str,
    launch: fn(PathBuf, PathBuf) -> Launch,
    target: Target,
) -> Outcome<Row> {
    let by_hand = |files: &Files| hand_written::csv_to_csv(&files.input, &files.by_hand);
    let (files, pairs) = csv_to_csv(plan, &plan.memory, launch, by_hand)?;
    Ok(files.row(name, &pairs, target))
}

/// A compressed file of which few columns and few records are used, against a loop whose items borrow as well.
pub(crate) fn late_flights(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let rows = plan.size(1_000_000);
    let folder = &plan.memory;
    let files = Files {
        rows,
        input: folder.file("flights.csv.zst"),
        repository: folder.file("repository.db"),
        ours: folder.file("ours"),
        by_hand: folder.file("by-hand"),
        progress: folder.file("progress.db"),
    };
    data::write_flights(&files.input, rows)?;
    files.remove_outputs()?;
    let ours = || {
        places::remove(&[&files.repository, &files.ours])?;
        measure::time(|| {
            let launch = jobs::late_flights(files.input.clone(), files.ours.clone());
            jobs::run(&files.repository, &launch).map(drop)
        })
    };
    let theirs = || {
        places::remove(&[&files.by_hand])?;
        measure::time(|| hand_written::late_flights(&files.input, &files.by_hand))
    };
    let pairs = interleaved(plan.rounds(9), ours, theirs)?;
    if std::fs::read(&files.ours)? != std::fs::read(&files.by_hand)? {
        return Err("the late flights differ".into());
    }
    files.remove_outputs()?;
    places::remove(&[&files.input])?;
    Ok(files.row(name, &pairs, Target::must_and_aim(1.1, 1.0)))
}

/// On the disk, against a loop that could also be restarted.
pub(crate) fn csv_to_csv_on_disk(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let by_hand =
        |files: &Files| hand_written::csv_to_csv_durably(&files.input, &files.by_hand, &files.progress);
    let (files, pairs) = csv_to_csv(plan, &plan.disk, jobs::csv_to_csv, by_hand)?;
    Ok(files.row(name, &pairs, Target::must_and_aim(1.1, 1.0)))
}

/// In memory, with separate threads for reading, processing and writing, against the loop on one thread.
pub(crate) fn csv_to_csv_on_threads(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let by_hand = |files: &Files| hand_written::csv_to_csv(&files.input, &files.by_hand);
    let (files, pairs) = csv_to_csv(plan, &plan.memory, jobs::csv_to_csv_on_threads, by_hand)?;
    Ok(files.row(name, &pairs, Target::must_and_aim(0.65, 0.50)))
}

fn csv_to_sqlite(plan: &Plan, folder: &Folder, launch: fn(PathBuf) -> Launch) -> Outcome<(Files, Vec<Pair>)> {
    let files = Files::of(plan, folder)?;
    files.remove_outputs()?;
    let table = |database: &Path| -> Outcome {
        places::remove(&[database])?;
        hand_written::connect(database)?.execute_batch(data::SALE_TABLE)?;
        Ok(())
    };
    let ours = || {
        table(&files.ours)?;
        measure::time(|| jobs::run(&files.ours, &launch(files.input.clone())).map(drop))
    };
    let theirs = || {
        table(&files.by_hand)?;
        measure::time(|| hand_written::csv_to_sqlite(&files.input, &files.by_hand))
    };
    let pairs = interleaved(plan.rounds(9), ours, theirs)?;
    same_rows(&files.ours, &files.by_hand, files.rows)?;
    files.remove_outputs()?;
    Ok((files, pairs))
}

fn same_rows(ours: &Path, by_hand: &Path, read: u64) -> Outcome {
    let (ours, by_hand) = (Connection::open(ours)?, Connection::open(by_hand)?);
    // Partitions are loaded in parallel.
    let query = "SELECT * FROM sale ORDER BY id";
    let (mut ours, mut by_hand) = (ours.prepare(query)?, by_hand.prepare(query)?);
    let columns = ours.column_count();
    let (mut ours, mut by_hand) = (ours.query([])?, by_hand.query([])?);
    let mut rows = 0;
    loop {
        match (ours.next()?, by_hand.next()?) {
            (Some(our_row), Some(their_row)) => {
                for column in 0..columns {
                    let (our, their): (Value, Value) = (our_row.get(column)?, their_row.get(column)?);
                    if our != their {
                        return Err(format!("row {rows} differs: {our:?} and {their:?}").into());
                    }
                }
                rows += 1;
            }
            (None, None) => break,
            _ => return Err(format!("one table ends after {rows} rows").into()),
        }
    }
    if rows != read - read / 100 {
        return Err(format!("{rows} rows of {read} were loaded").into());
    }
    Ok(())
}

/// In memory, with the metadata in the file of the rows.
pub(crate) fn csv_to_sqlite_in_memory(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (files, pairs) = csv_to_sqlite(plan, &plan.memory, jobs::csv_to_sqlite)?;
    Ok(files.row(name, &pairs, Target::must_and_aim(0.95, 0.75)))
}

/// On the disk; on both sides the guarantee takes one commit per chunk.
pub(crate) fn csv_to_sqlite_on_disk(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (files, pairs) = csv_to_sqlite(plan, &plan.disk, jobs::csv_to_sqlite)?;
    Ok(files.row(name, &pairs, Target::must_and_aim(1.1, 1.0)))
}

/// In memory, with reading and processing off the writing thread, against the loop on one thread.
pub(crate) fn csv_to_sqlite_on_threads(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (files, pairs) = csv_to_sqlite(plan, &plan.memory, jobs::csv_to_sqlite_on_threads)?;
    Ok(files.row(name, &pairs, Target::must_and_aim(0.75, 0.60)))
}

/// Two partitions, in memory, against the loop on one thread.
pub(crate) fn csv_to_sqlite_in_partitions(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (files, pairs) = csv_to_sqlite(plan, &plan.memory, jobs::csv_to_sqlite_in_partitions)?;
    Ok(files.row(name, &pairs, Target::SHOWN))
}

/// Two partitions, in memory, joined into one file, against the loop on one thread.
pub(crate) fn csv_to_csv_in_partitions(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let by_hand = |files: &Files| hand_written::csv_to_csv(&files.input, &files.by_hand);
    let (files, pairs) = csv_to_csv(plan, &plan.memory, jobs::csv_to_csv_in_partitions, by_hand)?;
    Ok(files.row(name, &pairs, Target::SHOWN))
}
