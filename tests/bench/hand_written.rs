//! The loops that a careful user writes by hand, without metadata, over the same input as the framework.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;

use csv::StringRecord;
use rusqlite::{Connection, params};

use crate::Outcome;
use crate::data::{Sale, charge, late};
use crate::memory;

/// Rows per transaction.
pub(crate) const CHUNK: usize = 1_000;
/// The buffer that a careful user gives the `csv` crate instead of its 8 KiB.
const BUFFER: usize = 256 * 1024;

/// Numbers through a buffer of 100.
pub(crate) fn in_memory(items: u64) {
    let mut buffer = Vec::with_capacity(memory::CHUNK);
    for number in 0..black_box(items) {
        buffer.push(memory::scramble(number));
        if buffer.len() == memory::CHUNK {
            memory::add_up(&buffer);
            buffer.clear();
        }
    }
    memory::add_up(&buffer);
}

/// The sales of a file, one after another, through one reused record.
pub(crate) struct Sales {
    reader: csv::Reader<File>,
    header: StringRecord,
    record: StringRecord,
}

impl Sales {
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(File::open(path)?);
        let header = reader.headers()?.clone();
        Ok(Self { reader, header, record: StringRecord::new() })
    }

    pub(crate) fn next(&mut self) -> Outcome<Option<Sale>> {
        if !self.reader.read_record(&mut self.record)? {
            return Ok(None);
        }
        Ok(Some(self.record.deserialize(Some(&self.header))?))
    }
}

/// The work of a hand-written loop over files after each chunk.
trait Guarantee {
    fn chunk_is_written(&mut self, output: &mut csv::Writer<File>, rows: usize) -> Outcome;
}

/// Nothing: the loop cannot be restarted.
struct Nothing;

impl Guarantee for Nothing {
    fn chunk_is_written(&mut self, _: &mut csv::Writer<File>, _: usize) -> Outcome {
        Ok(())
    }
}

/// Forces the rows, and then the number of rows, to the disk.
struct OnDisk {
    progress: Connection,
    rows: usize,
}

impl Guarantee for OnDisk {
    fn chunk_is_written(&mut self, output: &mut csv::Writer<File>, rows: usize) -> Outcome {
        output.flush()?;
        output.get_ref().sync_data()?;
        self.rows += rows;
        self.progress
            .prepare_cached("UPDATE progress SET done = ?1")?
            .execute([i64::try_from(self.rows)?])?;
        Ok(())
    }
}

/// From file to file, without any way to restart.
pub(crate) fn csv_to_csv(input: &Path, output: &Path) -> Outcome {
    copy(input, output, Nothing).map(drop)
}

/// From file to file; after every chunk the file is synchronised and a row with the progress is committed.
pub(crate) fn csv_to_csv_durably(input: &Path, output: &Path, progress: &Path) -> Outcome {
    let progress = progress_table(progress)?;
    copy(input, output, OnDisk { progress, rows: 0 })?.sync_all()?;
    Ok(())
}

fn copy(input: &Path, output: &Path, mut guarantee: impl Guarantee) -> Outcome<File> {
    let mut sales = Sales::open(input)?;
    let file = File::create(output)?;
    let mut writer = csv::WriterBuilder::new().buffer_capacity(BUFFER).from_writer(file);
    let mut read = 0;
    while let Some(sale) = sales.next()? {
        if let Some(sale) = charge(sale) {
            writer.serialize(sale)?;
        }
        read += 1;
        if read == CHUNK {
            guarantee.chunk_is_written(&mut writer, read)?;
            read = 0;
        }
    }
    guarantee.chunk_is_written(&mut writer, read)?;
    writer.flush()?;
    Ok(writer.into_inner().map_err(|error| error.to_string())?)
}

/// The late flights of a compressed file, with records that are used again and items that borrow from them.
pub(crate) fn late_flights(input: &Path, output: &Path) -> Outcome {
    let file = zstd::Decoder::new(File::open(input)?)?;
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(file);
    let header = reader.headers()?.clone();
    let mut record = StringRecord::new();
    let mut writer = csv::WriterBuilder::new().buffer_capacity(BUFFER).from_writer(File::create(output)?);
    while reader.read_record(&mut record)? {
        if let Some(delay) = late(&record.deserialize(Some(&header))?) {
            writer.serialize(delay)?;
        }
    }
    writer.flush()?;
    Ok(())
}

/// A connection with the pragmas of the framework's repository.
pub(crate) fn connect(database: &Path) -> Outcome<Connection> {
    let connection = Connection::open(database)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// From file to table: one prepared statement per row, and one transaction per chunk.
pub(crate) fn csv_to_sqlite(input: &Path, database: &Path) -> Outcome {
    let mut sales = Sales::open(input)?;
    let mut connection = connect(database)?;
    let mut at_end = false;
    while !at_end {
        let tx = connection.transaction()?;
        {
            let mut insert = tx.prepare_cached("INSERT INTO sale VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
            for _ in 0..CHUNK {
                let Some(sale) = sales.next()? else {
                    at_end = true;
                    break;
                };
                if let Some(sale) = charge(sale) {
                    insert.execute(params![
                        i64::try_from(sale.id)?,
                        sale.customer,
                        sale.country,
                        sale.product,
                        sale.quantity,
                        sale.price,
                        sale.discount
                    ])?;
                }
            }
        }
        tx.commit()?;
    }
    Ok(())
}

fn progress_table(database: &Path) -> Outcome<Connection> {
    let connection = connect(database)?;
    connection
        .execute_batch("CREATE TABLE progress (done INTEGER NOT NULL); INSERT INTO progress VALUES (0)")?;
    Ok(connection)
}

/// A database in which one row can be updated and committed over and over.
pub(crate) struct BareCommits(Connection);

impl BareCommits {
    pub(crate) fn open(database: &Path) -> Outcome<Self> {
        progress_table(database).map(Self)
    }

    /// Makes this many commits of one updated row.
    pub(crate) fn commit(&self, times: u64) -> Outcome {
        let mut update = self.0.prepare("UPDATE progress SET done = ?1")?;
        for time in 0..times {
            update.execute([i64::try_from(time)?])?;
        }
        Ok(())
    }
}
