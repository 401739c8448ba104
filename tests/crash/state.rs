//! Reads the final state of a folder in which a job has completed, and compares it with the expected one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::shape::Shape;

/// The results of a job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// For each file its lines, and for each table its rows, in order.
    rows: BTreeMap<String, Vec<String>>,
    /// The counters of each step, summed over its executions.
    counters: Vec<String>,
    /// The skips of each step, in order.
    skipped: Vec<String>,
    /// The journal of each job.
    journal: Vec<String>,
}

/// The differences found.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) contradictions: Vec<String>,
}

impl Damage {
    pub(crate) fn is_none(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.contradictions.is_empty()
    }
}

/// All rows of a query, each as one string.
pub(crate) fn rows(database: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        let mut text = Vec::new();
        for column in 0..columns {
            text.push(match row.get_ref(column)? {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            });
        }
        texts.push(text.join("|"));
    }
    Ok(texts)
}

const COUNTERS: &str =
    "SELECT i.JOB_NAME, s.STEP_NAME, sum(READ_COUNT), sum(FILTER_COUNT), sum(WRITE_COUNT), sum(COMMIT_COUNT),
           sum(READ_SKIP_COUNT), sum(PROCESS_SKIP_COUNT), sum(WRITE_SKIP_COUNT)
    FROM BATCH_STEP_EXECUTION s JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID)
    JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
    GROUP BY JOB_INSTANCE_ID, STEP_NAME ORDER BY JOB_NAME, STEP_NAME";

const COUNTERS_WITHOUT_COMMITS: &str =
    "SELECT i.JOB_NAME, s.STEP_NAME, sum(READ_COUNT), sum(FILTER_COUNT), sum(WRITE_COUNT),
           sum(READ_SKIP_COUNT), sum(PROCESS_SKIP_COUNT), sum(WRITE_SKIP_COUNT)
    FROM BATCH_STEP_EXECUTION s JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID)
    JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
    GROUP BY JOB_INSTANCE_ID, STEP_NAME ORDER BY JOB_NAME, STEP_NAME";

const JOURNAL: &str = "SELECT i.JOB_NAME, j.SEQUENCE, j.PATH, j.OUTCOME, j.EXIT_CODE, j.OUTPUT
    FROM BATCH_JOURNAL j JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
    ORDER BY JOB_NAME, JOB_INSTANCE_ID, SEQUENCE";

const JOURNAL_BY_PLACE: &str = "SELECT i.JOB_NAME, j.PATH, j.OUTCOME, j.EXIT_CODE, j.OUTPUT
    FROM BATCH_JOURNAL j JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
    ORDER BY JOB_NAME, JOB_INSTANCE_ID, PATH";

const SKIPPED: &str =
    "SELECT i.JOB_NAME, s.STEP_NAME, k.PHASE, k.SOURCE_POSITION, k.LOCATION, k.ERROR, k.ITEM
    FROM BATCH_SKIPPED_ITEM k JOIN BATCH_STEP_EXECUTION s USING (STEP_EXECUTION_ID)
    JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID) JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
    ORDER BY JOB_NAME, JOB_INSTANCE_ID, STEP_NAME, STEP_EXECUTION_ID, k.SEQUENCE";

/// Leaves out positions: they count from the previous commit, which may be a different one.
const SKIPPED_WITHOUT_POSITION: &str = "SELECT i.JOB_NAME, s.STEP_NAME, k.PHASE, k.LOCATION, k.ERROR, k.ITEM
    FROM BATCH_SKIPPED_ITEM k JOIN BATCH_STEP_EXECUTION s USING (STEP_EXECUTION_ID)
    JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID) JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
    ORDER BY JOB_NAME, JOB_INSTANCE_ID, STEP_NAME, STEP_EXECUTION_ID, k.SEQUENCE";

impl State {
    /// Reads the state of a folder whose job is complete.
    pub(crate) fn of(world: &Path, shape: &Shape) -> rusqlite::Result<Self> {
        let mut all = BTreeMap::new();
        let mut names: Vec<String> = fs::read_dir(world)
            .expect("the folder is there")
            .map(|entry| entry.expect("the folder is readable").file_name().to_string_lossy().into_owned())
            // SQLite removes these files when it closes a database normally.
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        names.sort();
        for name in names {
            let path = world.join(&name);
            if path.extension().is_some_and(|kind| kind == "db") {
                let database = Connection::open(&path)?;
                for table in tables(&database)? {
                    let mut content = rows(&database, &format!("SELECT * FROM {table} ORDER BY rowid"))?;
                    if shape.in_any_order {
                        content.sort_unstable();
                    }
                    all.insert(format!("{name}/{table}"), content);
                }
            } else {
                let bytes = unzipped(&name, fs::read(&path).expect("the file is readable"));
                // With their line ends, so that a torn last line differs.
                let lines = bytes.split_inclusive(|byte| *byte == b'\n');
                all.insert(name, lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect());
            }
        }
        let repository = Connection::open(world.join("batch.db"))?;
        let look = |sql| rows(&repository, sql);
        let journal = if shape.side_by_side { JOURNAL_BY_PLACE } else { JOURNAL };
        let (counters, skipped) = if shape.in_parts {
            (COUNTERS_WITHOUT_COMMITS, SKIPPED_WITHOUT_POSITION)
        } else {
            (COUNTERS, SKIPPED)
        };
        let mut skipped = look(skipped)?;
        if shape.in_any_order {
            skipped.sort_unstable();
        }
        Ok(Self { rows: all, counters: look(counters)?, skipped, journal: look(journal)? })
    }

    /// The differences between the other state and this one, which is correct.
    pub(crate) fn damage(&self, found: &Self) -> Damage {
        let mut damage = Damage::default();
        for (name, expected) in &self.rows {
            match found.rows.get(name) {
                None => {
                    damage.lost += expected.len();
                    damage.contradictions.push(format!("{name} is missing"));
                }
                Some(rows) if rows != expected => {
                    let (lost, duplicated) = difference(expected, rows);
                    damage.lost += lost;
                    damage.duplicated += duplicated;
                    damage
                        .contradictions
                        .push(format!("{name}: {lost} lost, {duplicated} duplicated or other"));
                }
                Some(_) => {}
            }
        }
        for name in found.rows.keys().filter(|name| !self.rows.contains_key(*name)) {
            damage.contradictions.push(format!("{name} was not removed"));
        }
        for (what, expected, found) in [
            ("counters", &self.counters, &found.counters),
            ("skipped items", &self.skipped, &found.skipped),
            ("journal", &self.journal, &found.journal),
        ] {
            if expected != found {
                let missing = expected.iter().filter(|line| !found.contains(line));
                let other = found.iter().filter(|line| !expected.contains(line));
                damage.contradictions.push(format!(
                    "{what}: {:?} instead of {:?}",
                    other.collect::<Vec<_>>(),
                    missing.collect::<Vec<_>>()
                ));
            }
        }
        damage
    }
}

/// The text of a compressed file. One that cannot be decompressed stays as it is.
fn unzipped(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    let mut text = Vec::new();
    let unzipped = match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("gz") => flate2::bufread::MultiGzDecoder::new(&*bytes).read_to_end(&mut text),
        Some("zst") => zstd::stream::copy_decode(&*bytes, &mut text).map(|()| text.len()),
        _ => return bytes,
    };
    if unzipped.is_ok() { text } else { bytes }
}

fn tables(database: &Connection) -> rusqlite::Result<Vec<String>> {
    rows(
        database,
        "SELECT name FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'BATCH_%' AND name NOT LIKE 'sqlite_%'",
    )
}

/// The number of missing and of surplus entries.
fn difference(expected: &[String], found: &[String]) -> (usize, usize) {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for row in expected {
        *balance.entry(row).or_default() -= 1;
    }
    for row in found {
        *balance.entry(row).or_default() += 1;
    }
    let sum = |sign: i64| balance.values().map(|count| count * sign).filter(|count| *count > 0).sum::<i64>();
    (usize::try_from(sum(-1)).unwrap_or(0), usize::try_from(sum(1)).unwrap_or(0))
}
