//! Writes with the user's function, `#[writer] fn save(items: &[T], tx: &Transaction<'_>)`, inside the
//! chunk's transaction.

use std::fmt;
use std::marker::PhantomData;

use crate::definition::{ChunkTransaction, Failure, Partitionable, Phase, Writer, naming};

/// Writes items with a function.
///
/// ```
/// use batch_runtime::writers::FunctionWriter;
/// use batch_runtime::{ChunkTransaction, Failure, Sqlite, Transaction, Writer};
///
/// fn save(numbers: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
///     numbers.iter().try_for_each(|n| tx.execute("INSERT INTO number VALUES (?1)", [n]).map(drop))
/// }
///
/// let mut connection = rusqlite::Connection::open_in_memory().map_err(Failure::new)?;
/// connection.execute_batch("CREATE TABLE number (n INTEGER)").map_err(Failure::new)?;
///
/// let mut writer = FunctionWriter::in_transaction("save", |numbers: &[u32], chunk: &ChunkTransaction<'_>| {
///     save(numbers, &chunk.of::<Sqlite>()?).map_err(Failure::new)
/// });
/// let tx = connection.transaction().map_err(Failure::new)?;
/// writer.write(&[1, 2], &ChunkTransaction::sqlite(&tx))?;
/// # Ok::<(), Failure>(())
/// ```
pub struct FunctionWriter<T, F, const CAN_ROLL_BACK: bool = false> {
    name: &'static str,
    call: F,
    item: PhantomData<fn(&[T])>,
}

impl<T, F: FnMut(&[T], &ChunkTransaction<'_>) -> Result<(), Failure>> FunctionWriter<T, F> {
    /// Creates the writer `name`, which calls `call` with the items of a chunk. Effects outside the
    /// transaction happen at least once.
    pub const fn new(name: &'static str, call: F) -> Self {
        Self { name, call, item: PhantomData }
    }
}

impl<T, F: FnMut(&[T], &ChunkTransaction<'_>) -> Result<(), Failure>> FunctionWriter<T, F, true> {
    /// Creates the writer `name`, whose `call` receives the chunk's transaction and does all its work there.
    pub const fn in_transaction(name: &'static str, call: F) -> Self {
        Self { name, call, item: PhantomData }
    }
}

impl<T, F: FnMut(&[T], &ChunkTransaction<'_>) -> Result<(), Failure>, const CAN_ROLL_BACK: bool> Writer
    for FunctionWriter<T, F, CAN_ROLL_BACK>
{
    type Item = T;
    type Position = ();
    type Error = Failure;

    const CAN_ROLL_BACK: bool = CAN_ROLL_BACK;
    const WRITES_AHEAD: bool = CAN_ROLL_BACK;

    fn write(&mut self, items: &[T], tx: &ChunkTransaction<'_>) -> Result<(), Failure> {
        naming(self.name, || (self.call)(items, tx))
            .map_err(|failure| failure.in_component(self.name).during(Phase::Write))
    }

    fn position(&self) {}
}

impl<T, F, const CAN_ROLL_BACK: bool> Partitionable for FunctionWriter<T, F, CAN_ROLL_BACK> where
    F: FnMut(&[T], &ChunkTransaction<'_>) -> Result<(), Failure>
{
}

impl<T, F, const CAN_ROLL_BACK: bool> fmt::Debug for FunctionWriter<T, F, CAN_ROLL_BACK> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionWriter").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_writer() {
        let mut writer =
            FunctionWriter::new("save", |_: &[u32], _: &ChunkTransaction<'_>| Err(Failure::new("disk full")));
        let failure = writer.write(&[1], &ChunkTransaction::none()).unwrap_err();
        assert_eq!(failure.to_string(), "writing in `save`: disk full");
    }

    #[test]
    fn its_rows_are_committed_or_rolled_back_with_the_transaction() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE number (n INTEGER)").unwrap();
        let mut writer =
            FunctionWriter::in_transaction("save", |numbers: &[u32], chunk: &ChunkTransaction<'_>| {
                let tx = chunk.of::<crate::definition::Sqlite>()?;
                for number in numbers {
                    tx.execute("INSERT INTO number VALUES (?1)", [number]).map_err(Failure::new)?;
                }
                Ok(())
            });
        // The second transaction is dropped, as if the process were killed; a restart has no position to
        // resume from.
        for keep in [true, false] {
            let tx = connection.transaction().unwrap();
            writer.open(None).unwrap();
            writer.write(&[1, 2], &ChunkTransaction::sqlite(&tx)).unwrap();
            if keep { tx.commit().unwrap() } else { tx.rollback().unwrap() }
        }
        let rows: u32 = connection.query_row("SELECT count(*) FROM number", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 2);
    }
}
