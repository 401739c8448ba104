//! Loads a folder of account transactions, one file per partition, and adds them up by account: with threads of one
//! process, with three worker processes, or with workers on other machines. The program is the same each time.
//!
//! `run make_files` creates the files. Then `run transaction_files` loads them: with `--workers local:3` by three child
//! processes, or with `--workers remote` by the processes that `worker` started.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use batch_runtime::prelude::*;
use batch_runtime::writers::Table;
use batch_runtime::{AnyDatabase, DatabaseError};

/// A line of a file, and a row of the table.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    id: i64,
    account: i64,
    cents: i64,
}

/// The files of a folder, in the order of their names: each becomes a partition.
#[partitioner]
fn files_of(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            files.push((name.unwrap_or_default(), path));
        }
    }
    files.sort();
    Ok(files)
}

#[reader]
fn entries(file: &Partition<PathBuf>) -> Result<CsvReader<Entry>, ReadError> {
    CsvReader::open(&**file)
}

/// Keeps the entries with a valid account. The check takes a few microseconds, as such checks do.
#[processor]
fn valid(entry: Entry) -> Option<Entry> {
    let check = (0..200).fold(entry.account / 10 + 7, |hash, _| (hash * 48_271 + 11) % 2_147_483_647);
    (check % 10 == entry.account % 10).then_some(entry)
}

#[writer]
fn save() -> Table<Entry> {
    Table::into("entry")
}

#[step]
fn create_tables(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute(
        "CREATE TABLE entry (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, cents BIGINT NOT NULL);
         CREATE TABLE balance (account BIGINT PRIMARY KEY, entries BIGINT NOT NULL, cents BIGINT NOT NULL)",
    )
}

#[step(chunk = 500, partitioner = files_of)]
fn load_files() {
    entries | valid | save
}

#[step]
fn add_up(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute("INSERT INTO balance SELECT account, COUNT(*), SUM(cents) FROM entry GROUP BY account")
}

/// Loads a folder of transactions, one file per partition, and adds them up by account.
#[job]
fn transaction_files(
    /// Folder of CSV files
    #[param(default = "transactions")]
    folder: PathBuf,
) {
    create_tables;
    load_files;
    add_up;
}

/// Creates the files `day-01.csv` and so on.
#[step]
fn write_files(folder: &Path, files: u32, records: u32) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for day in 1..=files {
        let mut file = BufWriter::new(File::create(folder.join(format!("day-{day:02}.csv")))?);
        writeln!(file, "id,account,cents")?;
        for record in 0..records {
            let id = u64::from(day - 1) * u64::from(records) + u64::from(record);
            let random = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
            writeln!(file, "{id},{},{}", random % 3_000, random / 3_000 % 100_000)?;
        }
        file.into_inner()?.sync_all()?;
    }
    Ok(())
}

/// Creates a folder of files to load.
#[job]
fn make_files(
    /// Folder to create the files in
    #[param(default = "transactions")]
    folder: PathBuf,
    /// Number of files
    #[param(default = 12)]
    files: u32,
    /// Number of transactions in each
    #[param(default = 20_000)]
    records: u32,
) {
    write_files;
}

batch_runtime::main!(transaction_files, make_files);
