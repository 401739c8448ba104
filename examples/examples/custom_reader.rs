//! A custom reader: it reads fixed-length records from a tape and defines its own position.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use batch_runtime::prelude::*;

/// Six characters for the sensor, nine for the value, and a line feed.
const RECORD: usize = 16;

#[derive(Debug)]
struct Reading {
    sensor: String,
    value: i64,
}

#[derive(Debug, thiserror::Error)]
enum TapeError {
    #[error("cannot read the tape: {0}")]
    Io(#[from] std::io::Error),
    #[error("record {record} is not a reading: `{}`", .text.escape_debug())]
    Malformed { record: u64, text: String },
    #[error("record {record} is not complete: the tape ends within it")]
    Truncated { record: u64 },
}

/// Reads a tape record by record. Only the `impl Reader` below involves the framework; the rest would look the same
/// without it.
struct Tape {
    file: BufReader<File>,
    records: u64,
    /// How many records have been read.
    read: u64,
}

impl Tape {
    fn open(path: &Path) -> Result<Self, TapeError> {
        let file = File::open(path)?;
        let records = file.metadata()?.len() / RECORD as u64;
        Ok(Self { file: BufReader::new(file), records, read: 0 })
    }
}

impl Reader for Tape {
    type Item = Reading;
    /// The position, saved with every chunk in the same transaction. It can be any serde type.
    type Position = u64;
    type Error = TapeError;

    fn read(&mut self) -> Result<Option<Reading>, TapeError> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut record = [0; RECORD];
        // A tape that has lost its end must not look like one that is complete.
        self.file.read_exact(&mut record).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => TapeError::Truncated { record: self.read + 1 },
            _ => error.into(),
        })?;
        self.read += 1;
        let malformed = || TapeError::Malformed {
            record: self.read,
            text: String::from_utf8_lossy(&record).into_owned(),
        };
        parse(&record).ok_or_else(malformed).map(Some)
    }

    fn position(&self) -> u64 {
        self.read
    }

    /// A restart calls this instead of reading everything again.
    fn resume(&mut self, position: u64) -> Result<(), TapeError> {
        self.file.seek(SeekFrom::Start(position * RECORD as u64))?;
        self.read = position;
        Ok(())
    }

    /// After a malformed record, the next record can be read, so a step may skip the malformed one. After any
    /// other error, a step that retries opens the reader again at its position.
    fn steps_over(&self, error: &TapeError) -> bool {
        matches!(error, TapeError::Malformed { .. })
    }

    /// For the progress bar.
    fn progress(&self) -> Option<Progress> {
        Some(Progress { done: self.read, total: self.records })
    }

    /// For the error message when a later component fails.
    fn location(&self) -> Option<String> {
        Some(format!("record {}", self.read))
    }
}

fn parse(record: &[u8]) -> Option<Reading> {
    let text = std::str::from_utf8(record).ok()?;
    let (sensor, value) = text.split_at_checked(6)?;
    Some(Reading { sensor: sensor.trim().to_owned(), value: value.trim().parse().ok()? })
}

#[reader]
fn tape(input: &Path) -> Result<Tape, TapeError> {
    Tape::open(input)
}

#[writer]
fn add_up(readings: &[Reading], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO sensor_total VALUES (?1, 1, ?2)
         ON CONFLICT (sensor) DO UPDATE SET readings = readings + 1, total = total + excluded.total",
    )?;
    for reading in readings {
        upsert.execute((&reading.sensor, reading.value))?;
    }
    Ok(())
}

#[step]
fn create_table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "DROP TABLE IF EXISTS sensor_total;
         CREATE TABLE sensor_total (sensor TEXT PRIMARY KEY, readings INTEGER, total INTEGER)",
    )
}

#[step(chunk = 50)]
fn total_readings() {
    tape | add_up
}

/// Adds up the readings of each sensor.
#[job]
fn custom_reader(
    /// Tape of readings
    #[param(default = "examples/data/tape.dat")]
    input: PathBuf,
) {
    create_table;
    total_readings;
}

batch_runtime::main!(custom_reader);
