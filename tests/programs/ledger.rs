//! A program for the tests of bad input: it copies the entries of a CSV file into another, books them into a table next to
//! the repository's own, and closes the books. On request any of its components panics.

use batch_runtime::prelude::*;
use jiff::civil::Date;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    account: String,
    cents: i64,
    note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ParameterType)]
enum Part {
    Opening,
    Reader,
    Processor,
    Writer,
    Tasklet,
    Nothing,
}

/// Reads the entries of a file, unless this reader is the component to panic.
struct Entries {
    file: CsvReader<Entry>,
    panics: bool,
}

impl Reader for Entries {
    type Item = Entry;
    type Position = <CsvReader<Entry> as Reader>::Position;
    type Error = ReadError;

    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        let entry = self.file.read()?;
        assert!(!self.panics || entry.as_ref().is_none_or(|entry| entry.cents < 3), "the reader had enough");
        Ok(entry)
    }

    fn position(&self) -> Self::Position {
        self.file.position()
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), ReadError> {
        self.file.resume(position)
    }
}

#[reader]
fn entries(input: PathBuf, panics: Part) -> Result<Entries, ReadError> {
    assert!(panics != Part::Opening, "the reader does not open");
    Ok(Entries { file: CsvReader::open(input)?, panics: panics == Part::Reader })
}

#[processor]
fn padded(mut entry: Entry, padding: u32, panics: Part) -> Entry {
    assert!(panics != Part::Processor || entry.cents < 3, "the processor had enough");
    entry.note.extend((0..padding).map(|_| '.'));
    entry
}

#[writer]
fn copy(output: PathBuf) -> CsvWriter<Entry> {
    CsvWriter::create(output)
}

#[writer]
fn books(entries: &[Entry], tx: &Transaction<'_>, panics: Part) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS booked (account TEXT, cents INTEGER, note TEXT)")?;
    for entry in entries {
        tx.execute("INSERT INTO booked VALUES (?1, ?2, ?3)", (&entry.account, entry.cents, &entry.note))?;
        assert!(panics != Part::Writer || entry.cents < 3, "the writer had enough");
    }
    Ok(())
}

#[step(chunk = 2)]
fn export() {
    entries | padded | copy
}

#[step(chunk = 2)]
fn book() {
    entries | padded | books
}

#[step]
fn close(panics: Part) {
    assert!(panics != Part::Tasklet, "the tasklet had enough");
}

/// Copies the entries of a file and books them.
#[allow(unused_variables, reason = "some parameters are there for the command line alone")]
#[job]
fn ledger(
    /// CSV file of entries: account, cents, note
    input: PathBuf,
    /// CSV file that they are copied to
    #[param(default = "copy.csv", identifying = false)]
    output: PathBuf,
    /// The financial year
    #[param(default = 2024)]
    year: u16,
    /// The day of booking
    day: Option<Date>,
    /// The rate of exchange
    #[param(default = 1.0, identifying = false)]
    rate: f64,
    /// Opens the vault
    #[param(secret)]
    pin: Option<u16>,
    /// Characters that each note grows by
    #[param(default = 0, identifying = false)]
    padding: u32,
    /// Component that panics
    #[param(default = Part::Nothing, identifying = false)]
    panics: Part,
) {
    export;
    book;
    close;
}

batch_runtime::main!(ledger);
