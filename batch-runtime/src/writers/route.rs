//! Hands each item to the writer of its arm, for `match kind { Kind::A => save_a, Kind::B => save_b }` in
//! place of a writer.

mod arms;
pub(super) mod group;

use std::fmt;
use std::marker::PhantomData;

pub use self::arms::{Arms, PartitionableArms};
use self::group::{permute, places_by_arm, runs};
use crate::definition::{
    Arranged, BoxError, ChunkTransaction, Durability, Failure, Mark, Of, Partitionable, Writer,
};
use crate::engine::in_writer;

/// Hands each item to one of several writers, all in one transaction.
///
/// The classifier returns the number of the item's arm, from 0. The items of a chunk are grouped by arm and
/// keep their order within an arm, so that each writer gets its items in one call; a writer without items is
/// not called. The classifier runs when a chunk is arranged, and again when it is written.
///
/// ```
/// use batch_runtime::{Arranged, ChunkTransaction, Writer};
/// use batch_runtime::writers::{Collector, Route};
///
/// let (even, odd) = (Collector::new(), Collector::new());
/// let mut writer = Route::new(|n: &usize| Ok(n % 2), (even.clone(), (odd.clone(), ())));
///
/// let mut chunk = [1, 2, 3, 4];
/// writer.arrange(&mut Arranged::new(&mut chunk));
/// assert_eq!(chunk, [2, 4, 1, 3]);
/// writer.write(&chunk, &ChunkTransaction::none())?;
/// writer.committed()?;
/// assert_eq!(even.to_vec(), [2, 4]);
/// assert_eq!(odd.to_vec(), [1, 3]);
/// # Ok::<(), batch_runtime::BoxError>(())
/// ```
pub struct Route<T, C, A> {
    classify: C,
    arms: A,
    item: PhantomData<fn(&T)>,
    /// The arm of each item of the current slice; kept to reuse its memory.
    chosen: Vec<usize>,
    /// The destination of each item; kept to reuse its memory.
    places: Vec<usize>,
}

impl<T, C: FnMut(&T) -> Result<usize, Failure>, A: Arms<T>> Route<T, C, A> {
    /// Routes by `classify` to `arms`, nested as `(first, (second, (third, ())))`.
    pub const fn new(classify: C, arms: A) -> Self {
        Self { classify, arms, item: PhantomData, chosen: Vec::new(), places: Vec::new() }
    }

    fn choose(&mut self, items: &[T]) -> Result<(), Failure> {
        self.chosen.clear();
        for item in items {
            let arm = (self.classify)(item)?;
            if arm >= A::COUNT {
                return Err(Failure::new(format!(
                    "the classifier returned arm {arm}, but the arms are numbered from 0 and there are {}",
                    A::COUNT
                )));
            }
            self.chosen.push(arm);
        }
        Ok(())
    }
}

impl<T, C, A> fmt::Debug for Route<T, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").finish_non_exhaustive()
    }
}

#[diagnostic::do_not_recommend]
impl<T, C: FnMut(&T) -> Result<usize, Failure>, A: Arms<T>> Writer for Route<T, C, A> {
    type Item = T;
    type Position = A::Position;
    type Error = BoxError;

    fn kind() -> String {
        format!("match {{ {} }}", A::kinds().join(", "))
    }

    /// The classifier is the first part.
    const PARTS: usize = 1 + A::PARTS;
    const CAN_ROLL_BACK: bool = A::CAN_ROLL_BACK;
    const WRITES_AHEAD: bool = A::WRITES_AHEAD;
    const WRITES_IN: Option<Of> = A::WRITES_IN;

    fn mark(&mut self, mark: Mark) {
        self.arms.mark(mark);
    }

    fn take_over(&mut self) {
        self.arms.take_over();
    }

    fn replays(&mut self) {
        self.arms.replays();
    }

    fn open(&mut self, from: Option<A::Position>) -> Result<(), BoxError> {
        self.arms.open(from)
    }

    fn write(&mut self, items: &[T], tx: &ChunkTransaction<'_>) -> Result<(), BoxError> {
        // Classify again instead of keeping the result of `arrange`: the items written may be only a part of
        // the chunk, or in another order if a second writer of the chunk arranged them.
        self.choose(items)?;
        for (arm, run) in runs(&self.chosen) {
            in_writer(1, || self.arms.write(arm, &items[run], tx))?;
        }
        Ok(())
    }

    fn arrange(&mut self, items: &mut Arranged<'_, T>) {
        // `write` runs into the same error, and can return it.
        if self.choose(items.items()).is_err() {
            return;
        }
        if !self.chosen.is_sorted() {
            places_by_arm(&self.chosen, A::COUNT, &mut self.places);
            permute(items, &mut self.chosen, &mut self.places);
        }
        for (arm, run) in runs(&self.chosen) {
            in_writer(1, || self.arms.arrange(arm, &mut items.part(run)));
        }
    }

    fn prepare(&mut self, durability: Durability) -> Result<(), BoxError> {
        in_writer(1, || self.arms.prepare(durability))
    }

    fn position(&self) -> A::Position {
        self.arms.position()
    }

    fn committed(&mut self) -> Result<(), BoxError> {
        self.arms.committed()
    }

    fn rollback(&mut self, to: &A::Position) -> Result<(), BoxError> {
        self.arms.rollback(to)
    }

    fn seal(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.arms.seal(durability)
    }

    fn finish(&mut self, durability: Durability) -> Result<(), BoxError> {
        self.arms.finish(durability)
    }
}

impl<T, C, A> Partitionable for Route<T, C, A>
where
    C: FnMut(&T) -> Result<usize, Failure>,
    A: PartitionableArms<T>,
{
    fn of_partition(&mut self, number: u32) {
        self.arms.of_partition(number);
    }

    fn merge(&mut self, partitions: Vec<Option<A::Position>>) -> Result<(), BoxError> {
        self.arms.merge(partitions)
    }

    fn clear(&mut self, partitions: u32) -> Result<(), BoxError> {
        self.arms.clear(partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writers::test_writer::{Calls, Logged};

    /// Routes by the last decimal digit. There is no arm 9, and the classifier fails from 100 on.
    fn by_digit(calls: &Calls) -> impl Writer<Item = u32, Error = BoxError> {
        let classify = |n: &u32| {
            if *n < 100 { Ok(*n as usize % 10) } else { Err(Failure::new(format!("{n} is too large"))) }
        };
        let arm = |name| Logged::new(name, calls);
        Route::new(classify, (arm("a"), (arm("b"), (arm("c"), ()))))
    }

    fn write(writer: &mut impl Writer<Item = u32, Error = BoxError>, items: &[u32]) -> Result<(), BoxError> {
        writer.write(items, &ChunkTransaction::none())
    }

    #[test]
    fn each_arm_gets_its_items_at_once_and_in_their_order() {
        let calls = Calls::default();
        let mut writer = by_digit(&calls);
        let mut chunk = [12, 1, 20, 11, 2, 21, 10, 31];
        writer.arrange(&mut Arranged::new(&mut chunk));
        assert_eq!(chunk, [20, 10, 1, 11, 21, 31, 12, 2]);
        calls.take();
        write(&mut writer, &chunk).unwrap();
        assert_eq!(calls.take(), ["a write [20, 10]", "b write [1, 11, 21, 31]", "c write [12, 2]"]);
    }

    #[test]
    fn an_arm_without_items_is_not_called() {
        let calls = Calls::default();
        let mut writer = by_digit(&calls);
        let mut chunk = [2, 12];
        writer.arrange(&mut Arranged::new(&mut chunk));
        write(&mut writer, &chunk).unwrap();
        assert_eq!(calls.take(), ["c arrange [2, 12]", "c write [2, 12]"]);
    }

    #[test]
    fn parts_of_a_chunk_and_items_in_any_order_reach_their_arms() {
        let calls = Calls::default();
        let mut writer = by_digit(&calls);
        let mut chunk = [2, 1, 12, 0];
        writer.arrange(&mut Arranged::new(&mut chunk));
        calls.take();
        write(&mut writer, &chunk[1..3]).unwrap();
        write(&mut writer, &[1, 2, 11]).unwrap();
        assert_eq!(
            calls.take(),
            ["b write [1]", "c write [2]", "b write [1]", "c write [2]", "b write [11]"]
        );
    }

    #[test]
    fn an_error_of_the_classifier_is_an_error_of_the_write() {
        let calls = Calls::default();
        let mut writer = by_digit(&calls);
        let mut chunk = [2, 100, 1];
        writer.arrange(&mut Arranged::new(&mut chunk));
        assert_eq!(write(&mut writer, &chunk).unwrap_err().to_string(), "100 is too large");
        assert_eq!(calls.take(), Vec::<String>::new(), "nothing was written");
    }

    #[test]
    fn an_arm_that_does_not_exist_is_an_error() {
        let error = write(&mut by_digit(&Calls::default()), &[9]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the classifier returned arm 9, but the arms are numbered from 0 and there are 3"
        );
    }

    #[test]
    fn a_restart_opens_each_arm_at_its_own_position() {
        let calls = Calls::default();
        let mut writer = by_digit(&calls);
        write(&mut writer, &[0, 2, 12]).unwrap();
        let json = serde_json::to_string(&writer.position()).unwrap();
        assert_eq!(json, "[1,[0,[2,null]]]");
        calls.take();

        by_digit(&calls).open(Some(serde_json::from_str(&json).unwrap())).unwrap();
        assert_eq!(calls.take(), ["a open Some(1)", "b open Some(0)", "c open Some(2)"]);
    }

    #[test]
    fn every_other_call_reaches_every_arm() {
        let calls = Calls::default();
        let mut writer = by_digit(&calls);
        let position = writer.position();
        writer.prepare(Durability::Machine).unwrap();
        writer.committed().unwrap();
        writer.rollback(&position).unwrap();
        writer.seal(Durability::Machine).unwrap();
        writer.finish(Durability::Machine).unwrap();
        let each = ["prepare", "committed", "rollback 0", "seal", "finish"];
        let all: Vec<_> =
            each.iter().flat_map(|call| ["a", "b", "c"].map(|arm| format!("{arm} {call}"))).collect();
        assert_eq!(calls.take(), all);
    }
}
