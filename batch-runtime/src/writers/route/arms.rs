//! The arms of a route: a list of writers, nested as `(first, (second, (third, ())))`.

use serde::{Serialize, de::DeserializeOwned};

use crate::definition::{Arranged, BoxError, ChunkTransaction, Durability, Mark, Of, Partitionable, Writer};
use crate::engine::in_writer;

/// The writers of a [`Route`](super::Route): `()`, or a writer and the arms after it.
///
/// ```
/// use batch_runtime::writers::{Arms, Collector};
///
/// fn arms<T, A: Arms<T>>(_: &A) -> usize { A::COUNT }
/// assert_eq!(arms::<u32, _>(&(Collector::new(), (Collector::new(), ()))), 2);
/// ```
#[expect(missing_docs, reason = "each method is that of `Writer`, for one arm by its number or for all arms")]
#[expect(clippy::missing_errors_doc, reason = "each error is that of the arm's writer")]
pub trait Arms<T> {
    /// The number of arms.
    const COUNT: usize;
    /// The number of parts of all arms.
    const PARTS: usize;
    /// True if all arms can be rolled back.
    const CAN_ROLL_BACK: bool;
    /// True if all arms can write the next chunk before a commit is confirmed.
    const WRITES_AHEAD: bool;
    /// The database that the arms write to.
    const WRITES_IN: Option<Of>;
    /// The positions of the arms, nested like the arms.
    type Position: Serialize + DeserializeOwned;

    fn kinds() -> Vec<String>;
    fn mark(&mut self, mark: Mark);
    fn take_over(&mut self);
    fn replays(&mut self);
    fn open(&mut self, from: Option<Self::Position>) -> Result<(), BoxError>;
    fn arrange(&mut self, arm: usize, items: &mut Arranged<'_, T>);
    fn write(&mut self, arm: usize, items: &[T], tx: &ChunkTransaction<'_>) -> Result<(), BoxError>;
    fn prepare(&mut self, durability: Durability) -> Result<(), BoxError>;
    fn position(&self) -> Self::Position;
    fn committed(&mut self) -> Result<(), BoxError>;
    fn rollback(&mut self, to: &Self::Position) -> Result<(), BoxError>;
    fn seal(&mut self, durability: Durability) -> Result<(), BoxError>;
    fn finish(&mut self, durability: Durability) -> Result<(), BoxError>;
}

impl<T> Arms<T> for () {
    const COUNT: usize = 0;
    const PARTS: usize = 0;
    const CAN_ROLL_BACK: bool = true;
    const WRITES_AHEAD: bool = true;
    const WRITES_IN: Option<Of> = None;
    type Position = ();

    fn kinds() -> Vec<String> {
        Vec::new()
    }

    fn mark(&mut self, _mark: Mark) {}

    fn take_over(&mut self) {}

    fn replays(&mut self) {}

    fn open(&mut self, _from: Option<()>) -> Result<(), BoxError> {
        Ok(())
    }

    fn arrange(&mut self, _arm: usize, _items: &mut Arranged<'_, T>) {}

    fn write(&mut self, _arm: usize, _items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), BoxError> {
        Ok(())
    }

    fn prepare(&mut self, _durability: Durability) -> Result<(), BoxError> {
        Ok(())
    }

    fn position(&self) {}

    fn committed(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn rollback(&mut self, _to: &()) -> Result<(), BoxError> {
        Ok(())
    }

    fn seal(&mut self, _durability: Durability) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(&mut self, _durability: Durability) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<T, W: Writer<Item = T>, R: Arms<T>> Arms<T> for (W, R) {
    const COUNT: usize = 1 + R::COUNT;
    const PARTS: usize = W::PARTS + R::PARTS;
    const CAN_ROLL_BACK: bool = W::CAN_ROLL_BACK && R::CAN_ROLL_BACK;
    const WRITES_AHEAD: bool = W::WRITES_AHEAD && R::WRITES_AHEAD;
    const WRITES_IN: Option<Of> = Of::either(W::WRITES_IN, R::WRITES_IN);
    type Position = (W::Position, R::Position);

    fn kinds() -> Vec<String> {
        std::iter::once(W::kind()).chain(R::kinds()).collect()
    }

    fn mark(&mut self, mark: Mark) {
        self.0.mark(mark);
        self.1.mark(mark);
    }

    fn take_over(&mut self) {
        self.0.take_over();
        self.1.take_over();
    }

    fn replays(&mut self) {
        self.0.replays();
        self.1.replays();
    }

    fn open(&mut self, from: Option<Self::Position>) -> Result<(), BoxError> {
        let (first, rest) = from.unzip();
        self.0.open(first).map_err(Into::into)?;
        self.1.open(rest)
    }

    fn arrange(&mut self, arm: usize, items: &mut Arranged<'_, T>) {
        match arm.checked_sub(1) {
            None => self.0.arrange(items),
            Some(rest) => in_writer(W::PARTS, || self.1.arrange(rest, items)),
        }
    }

    fn write(&mut self, arm: usize, items: &[T], tx: &ChunkTransaction<'_>) -> Result<(), BoxError> {
        match arm.checked_sub(1) {
            None => self.0.write(items, tx).map_err(Into::into),
            Some(rest) => in_writer(W::PARTS, || self.1.write(rest, items, tx)),
        }
    }

    fn prepare(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.0.prepare(durability).map_err(Into::into)?;
        in_writer(W::PARTS, || self.1.prepare(durability))
    }

    fn position(&self) -> Self::Position {
        (self.0.position(), self.1.position())
    }

    fn committed(&mut self) -> Result<(), BoxError> {
        // The commit applies to all arms, so each is notified even if an earlier one fails.
        let first = self.0.committed().map_err(Into::into);
        first.and(self.1.committed())
    }

    fn rollback(&mut self, to: &Self::Position) -> Result<(), BoxError> {
        let first = self.0.rollback(&to.0).map_err(Into::into);
        first.and(self.1.rollback(&to.1))
    }

    fn seal(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.0.seal(durability).map_err(Into::into)?;
        self.1.seal(durability)
    }

    fn finish(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.0.finish(durability).map_err(Into::into)?;
        self.1.finish(durability)
    }
}

/// The arms of a [`Route`](super::Route) whose writers can be partitioned.
#[expect(missing_docs, reason = "each method is that of `Partitionable`, for all arms")]
#[expect(clippy::missing_errors_doc, reason = "each error is that of the arm's writer")]
pub trait PartitionableArms<T>: Arms<T> {
    fn of_partition(&mut self, number: u32);
    fn merge(&mut self, partitions: Vec<Option<Self::Position>>) -> Result<(), BoxError>;
    fn clear(&mut self, partitions: u32) -> Result<(), BoxError>;
}

impl<T> PartitionableArms<T> for () {
    fn of_partition(&mut self, _number: u32) {}

    fn merge(&mut self, _partitions: Vec<Option<()>>) -> Result<(), BoxError> {
        Ok(())
    }

    fn clear(&mut self, _partitions: u32) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<T, W: Partitionable<Item = T>, R: PartitionableArms<T>> PartitionableArms<T> for (W, R) {
    fn of_partition(&mut self, number: u32) {
        self.0.of_partition(number);
        self.1.of_partition(number);
    }

    fn merge(&mut self, partitions: Vec<Option<Self::Position>>) -> Result<(), BoxError> {
        let (first, rest) = partitions.into_iter().map(Option::unzip).unzip();
        self.0.merge(first).map_err(Into::into)?;
        self.1.merge(rest)
    }

    fn clear(&mut self, partitions: u32) -> Result<(), BoxError> {
        self.0.clear(partitions).map_err(Into::into)?;
        self.1.clear(partitions)
    }
}
