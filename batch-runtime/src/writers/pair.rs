//! [`Both`] hands every item to two writers. A step that has `(save, audit)` in place of a writer uses it.

use crate::definition::{Arranged, BoxError, ChunkTransaction, Durability, Mark, Of, Partitionable, Writer};
use crate::engine::in_writer;

/// Writes each chunk with both writers, in one transaction; nest it for more:
/// `Both::new(a, Both::new(b, c))`.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Writer};
/// use batch_runtime::writers::{Both, Collector};
///
/// let (saved, audited) = (Collector::new(), Collector::new());
/// let mut writer = Both::new(saved.clone(), audited.clone());
/// writer.write(&[1, 2], &ChunkTransaction::none())?;
/// writer.committed()?;
/// assert_eq!(saved.to_vec(), audited.to_vec());
/// # Ok::<(), batch_runtime::BoxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Both<A, B> {
    first: A,
    second: B,
}

impl<A, B> Both<A, B> {
    /// Creates a writer that writes with `first`, then with `second`.
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

#[diagnostic::do_not_recommend]
impl<A: Writer, B: Writer<Item = A::Item>> Writer for Both<A, B> {
    type Item = A::Item;
    type Position = (A::Position, B::Position);
    type Error = BoxError;

    fn kind() -> String {
        format!("({}, {})", A::kind(), B::kind())
    }

    const PARTS: usize = A::PARTS + B::PARTS;
    const CAN_ROLL_BACK: bool = A::CAN_ROLL_BACK && B::CAN_ROLL_BACK;
    const WRITES_AHEAD: bool = A::WRITES_AHEAD && B::WRITES_AHEAD;
    const WRITES_IN: Option<Of> = Of::either(A::WRITES_IN, B::WRITES_IN);

    fn mark(&mut self, mark: Mark) {
        self.first.mark(mark);
        self.second.mark(mark);
    }

    fn take_over(&mut self) {
        self.first.take_over();
        self.second.take_over();
    }

    fn replays(&mut self) {
        self.first.replays();
        self.second.replays();
    }

    fn open(&mut self, from: Option<Self::Position>) -> Result<(), BoxError> {
        let (first, second) = from.unzip();
        self.first.open(first).map_err(Into::into)?;
        self.second.open(second).map_err(Into::into)
    }

    fn write(&mut self, items: &[A::Item], tx: &ChunkTransaction<'_>) -> Result<(), BoxError> {
        in_writer(0, || self.first.write(items, tx)).map_err(Into::into)?;
        in_writer(A::PARTS, || self.second.write(items, tx)).map_err(Into::into)
    }

    /// If both arrange the items, the order of the second applies.
    fn arrange(&mut self, items: &mut Arranged<'_, A::Item>) {
        in_writer(0, || self.first.arrange(items));
        in_writer(A::PARTS, || self.second.arrange(items));
    }

    fn prepare(&mut self, durability: Durability) -> Result<(), BoxError> {
        in_writer(0, || self.first.prepare(durability)).map_err(Into::into)?;
        in_writer(A::PARTS, || self.second.prepare(durability)).map_err(Into::into)
    }

    fn position(&self) -> Self::Position {
        (self.first.position(), self.second.position())
    }

    fn committed(&mut self) -> Result<(), BoxError> {
        // The commit applies to both, so the second is notified even if the first fails.
        let first = self.first.committed().map_err(Into::into);
        let second = self.second.committed().map_err(Into::into);
        first.and(second)
    }

    fn rollback(&mut self, to: &Self::Position) -> Result<(), BoxError> {
        let first = self.first.rollback(&to.0).map_err(Into::into);
        let second = self.second.rollback(&to.1).map_err(Into::into);
        first.and(second)
    }

    fn seal(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.first.seal(durability).map_err(Into::into)?;
        self.second.seal(durability).map_err(Into::into)
    }

    fn finish(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.first.finish(durability).map_err(Into::into)?;
        self.second.finish(durability).map_err(Into::into)
    }
}

impl<A: Partitionable, B: Partitionable<Item = A::Item>> Partitionable for Both<A, B> {
    fn of_partition(&mut self, number: u32) {
        self.first.of_partition(number);
        self.second.of_partition(number);
    }

    fn merge(&mut self, partitions: Vec<Option<Self::Position>>) -> Result<(), BoxError> {
        let (first, second) = partitions.into_iter().map(Option::unzip).unzip();
        self.first.merge(first).map_err(Into::into)?;
        self.second.merge(second).map_err(Into::into)
    }

    fn clear(&mut self, partitions: u32) -> Result<(), BoxError> {
        self.first.clear(partitions).map_err(Into::into)?;
        self.second.clear(partitions).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writers::test_writer::{Calls, Logged};

    #[test]
    fn every_call_reaches_both() {
        let calls = Calls::default();
        let mut writer = Both::new(Logged::new("a", &calls), Logged::new("b", &calls));
        let position = writer.position();
        writer.mark(Mark::default());
        writer.take_over();
        writer.open(None).unwrap();
        writer.arrange(&mut Arranged::new(&mut [1]));
        writer.write(&[1], &ChunkTransaction::none()).unwrap();
        writer.prepare(Durability::Machine).unwrap();
        writer.committed().unwrap();
        writer.rollback(&position).unwrap();
        writer.seal(Durability::Machine).unwrap();
        writer.finish(Durability::Machine).unwrap();
        let each = [
            "mark 0000000000000000",
            "take over",
            "open None",
            "arrange [1]",
            "write [1]",
            "prepare",
            "committed",
            "rollback 0",
            "seal",
            "finish",
        ];
        let both: Vec<_> = each.iter().flat_map(|call| [format!("a {call}"), format!("b {call}")]).collect();
        assert_eq!(calls.take(), both);
    }

    #[test]
    fn a_restart_opens_each_at_its_own_position() {
        let calls = Calls::default();
        let mut writer = Both::new(Logged::new("a", &calls), Logged::new("b", &calls));
        writer.first.write(&[1], &ChunkTransaction::none()).unwrap();
        writer.write(&[2], &ChunkTransaction::none()).unwrap();
        let json = serde_json::to_string(&writer.position()).unwrap();
        calls.take();

        let mut restarted = Both::new(Logged::new("a", &calls), Logged::new("b", &calls));
        restarted.open(serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!(calls.take(), ["a open Some(2)", "b open Some(1)"]);
    }
}
