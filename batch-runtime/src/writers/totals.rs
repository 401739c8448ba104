//! [`WithTotals`], a file whose footer contains totals over its items.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{FilePosition, WriteError};
use crate::{Arranged, ChunkTransaction, Durability, Mark, Partitionable, Totals, Writer};

/// A file writer whose footer contains totals over its items, such as the sum of all amounts.
///
/// The totals are committed with every chunk, so they are correct after a restart, and they are rolled back with
/// their chunk. They are stored as JSON: use serde types of a fixed size. In a step with partitions, each
/// partition has its own totals, and `AddAssign` adds them up.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Durability, Totals, Writer, writers::CsvWriter};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// struct Payment { id: u32, cents: i64 }
///
/// #[derive(Debug, Default, Clone, Serialize, Deserialize)]
/// struct Sum { cents: i64 }
///
/// impl Totals<Payment> for Sum {
///     fn add(&mut self, payment: &Payment) { self.cents += payment.cents; }
/// }
///
/// let path = std::env::temp_dir().join("doc-with-totals.csv");
/// # let _ = std::fs::remove_file(&path);
/// let mut payments = CsvWriter::create(&path)
///     .totals(|sum: &Sum, records| format!("TOTAL,{records},{}", sum.cents));
///
/// // A step does this:
/// payments.open(None)?;
/// payments.write(&[Payment { id: 1, cents: 250 }, Payment { id: 2, cents: -50 }], &ChunkTransaction::none())?;
/// payments.prepare(Durability::Machine)?;
/// payments.seal(Durability::Machine)?;
/// payments.finish(Durability::Machine)?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "id,cents\n1,250\n2,-50\nTOTAL,2,200\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct WithTotals<W, S> {
    writer: W,
    totals: S,
    footer: Box<TotalsFooter<S>>,
    set_footer: fn(&mut W, String),
}

/// Builds the footer from the totals and the number of records.
type TotalsFooter<S> = dyn Fn(&S, u64) -> String + Send + Sync;

/// The committed state of a [`WithTotals`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsPosition<S> {
    file: FilePosition,
    totals: S,
}

impl<W, S: Default> WithTotals<W, S> {
    pub(super) fn new(
        writer: W,
        footer: impl Fn(&S, u64) -> String + Send + Sync + 'static,
        set_footer: fn(&mut W, String),
    ) -> Self {
        Self { writer, totals: S::default(), footer: Box::new(footer), set_footer }
    }
}

impl<W, S> Writer for WithTotals<W, S>
where
    W: Writer<Position = FilePosition, Error = WriteError>,
    S: Totals<W::Item> + Clone + Serialize + DeserializeOwned,
{
    type Item = W::Item;
    type Position = TotalsPosition<S>;
    type Error = WriteError;

    const PARTS: usize = W::PARTS;
    const CAN_ROLL_BACK: bool = W::CAN_ROLL_BACK;

    fn mark(&mut self, mark: Mark) {
        self.writer.mark(mark);
    }

    fn take_over(&mut self) {
        self.writer.take_over();
    }

    fn replays(&mut self) {
        self.writer.replays();
    }

    fn open(&mut self, from: Option<Self::Position>) -> Result<(), WriteError> {
        let (file, totals) = from.map(|from| (from.file, from.totals)).unzip();
        self.totals = totals.unwrap_or_default();
        self.writer.open(file)
    }

    fn write(&mut self, items: &[W::Item], tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        self.writer.write(items, tx)?;
        for item in items {
            self.totals.add(item);
        }
        Ok(())
    }

    fn arrange(&mut self, items: &mut Arranged<'_, W::Item>) {
        self.writer.arrange(items);
    }

    fn prepare(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.writer.prepare(durability)
    }

    fn position(&self) -> Self::Position {
        TotalsPosition { file: self.writer.position(), totals: self.totals.clone() }
    }

    fn committed(&mut self) -> Result<(), WriteError> {
        self.writer.committed()
    }

    fn rollback(&mut self, to: &Self::Position) -> Result<(), WriteError> {
        self.totals = to.totals.clone();
        self.writer.rollback(&to.file)
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        let footer = (self.footer)(&self.totals, self.writer.position().records);
        (self.set_footer)(&mut self.writer, footer);
        self.writer.seal(durability)
    }

    fn finish(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.writer.finish(durability)
    }

    fn kind() -> String {
        format!("WithTotals<{}>", W::kind())
    }
}

/// Partitions the file as the inner writer does, and adds up the totals of the partitions.
impl<W, S> Partitionable for WithTotals<W, S>
where
    W: Partitionable<Position = FilePosition, Error = WriteError>,
    S: Totals<W::Item> + Clone + Serialize + DeserializeOwned + AddAssign,
{
    fn of_partition(&mut self, number: u32) {
        self.writer.of_partition(number);
    }

    fn merge(&mut self, partitions: Vec<Option<Self::Position>>) -> Result<(), WriteError> {
        let mut files = Vec::with_capacity(partitions.len());
        for partition in partitions {
            files.push(partition.map(|TotalsPosition { file, totals }| {
                self.totals += totals;
                file
            }));
        }
        self.writer.merge(files)
    }

    fn clear(&mut self, partitions: u32) -> Result<(), WriteError> {
        self.writer.clear(partitions)
    }
}

impl<W: fmt::Debug, S: fmt::Debug> fmt::Debug for WithTotals<W, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithTotals")
            .field("writer", &self.writer)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writers::JsonLinesWriter;
    use crate::writers::test_folder::Folder;

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
    struct Sum(u64);

    impl Totals<u64> for Sum {
        fn add(&mut self, item: &u64) {
            self.0 += item;
        }
    }

    impl AddAssign for Sum {
        fn add_assign(&mut self, other: Self) {
            self.0 += other.0;
        }
    }

    type Sums = WithTotals<JsonLinesWriter<u64>, Sum>;

    impl Folder {
        fn sums(&self) -> Sums {
            let writer = JsonLinesWriter::create(self.0.join("out.jsonl"));
            writer.totals(|sum: &Sum, records| format!("{{\"records\":{records},\"sum\":{}}}", sum.0))
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.0.join("out.jsonl")).unwrap()
        }
    }

    fn commit(sums: &mut Sums, items: &[u64]) -> TotalsPosition<Sum> {
        sums.write(items, &ChunkTransaction::none()).unwrap();
        sums.prepare(Durability::Process).unwrap();
        let position = serde_json::to_string(&sums.position()).unwrap();
        serde_json::from_str(&position).unwrap()
    }

    fn complete(sums: &mut Sums) {
        sums.seal(Durability::Process).unwrap();
        sums.finish(Durability::Process).unwrap();
    }

    #[test]
    fn the_footer_has_the_totals_of_what_was_committed_in_all_executions() {
        let folder = Folder::new();
        let mut first = folder.sums();
        first.open(None).unwrap();
        let committed = commit(&mut first, &[1, 2]);
        commit(&mut first, &[100]);
        drop(first);
        let mut second = folder.sums();
        second.open(Some(committed)).unwrap();
        let before = commit(&mut second, &[4]);
        commit(&mut second, &[1_000]);
        second.rollback(&before).unwrap();
        complete(&mut second);
        assert_eq!(folder.text(), "1\n2\n4\n{\"records\":3,\"sum\":7}\n");
    }

    #[test]
    fn the_totals_of_partitions_are_added_up() {
        let folder = Folder::new();
        // The step opens its own writer before any partition begins.
        let mut whole = folder.sums();
        whole.open(None).unwrap();
        let partitions: [&[u64]; 2] = [&[1, 2], &[3]];
        let positions = partitions.into_iter().zip(0..).map(|(items, number)| {
            let mut part = folder.sums();
            part.of_partition(number);
            part.open(None).unwrap();
            commit(&mut part, items);
            part.seal(Durability::Process).unwrap();
            let sealed = part.position();
            part.finish(Durability::Process).unwrap();
            Some(sealed)
        });
        let positions: Vec<_> = positions.collect();
        whole.merge(positions).unwrap();
        complete(&mut whole);
        whole.clear(2).unwrap();
        assert_eq!(folder.text(), "1\n2\n3\n{\"records\":3,\"sum\":6}\n");
    }
}
