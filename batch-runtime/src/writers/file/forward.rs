//! Leaves to its file what a writer does not do itself: `forward_to_file!(self => self.file);` in the impl of `Writer`, and
//! `forward_to_partitions!(NameOfTheWriter);`.

macro_rules! forward_to_file {
    ($this:ident => $file:expr) => {
        type Position = $crate::writers::FilePosition;
        type Error = $crate::writers::WriteError;

        const GOES_BACK: bool = true;

        fn mark(&mut $this, mark: $crate::Mark) {
            $file.mark(mark);
        }

        fn take_over(&mut $this) {
            $file.take_over();
        }

        fn replays(&mut $this) {
            $file.replays();
        }

        fn prepare(&mut $this, durability: $crate::Durability) -> Result<(), Self::Error> {
            $file.prepare(durability)
        }

        fn position(&$this) -> Self::Position {
            $file.position()
        }

        fn rollback(&mut $this, to: &Self::Position) -> Result<(), Self::Error> {
            $file.rollback(*to)
        }

        fn finish(&mut $this, durability: $crate::Durability) -> Result<(), Self::Error> {
            $file.finish(durability)
        }
    };
}
pub(in crate::writers) use forward_to_file;

macro_rules! forward_to_partitions {
    ($writer:ident) => {
        /// Each partition writes `NAME.MARK.partition0`, `NAME.MARK.partition1` …; at the end they are joined in
        /// NAME, under one header and before one footer, as if the file had been written in one piece. Until then,
        /// this takes twice the space.
        impl<T: serde::Serialize> $crate::Partitionable for $writer<T> {
            fn of_partition(&mut self, number: u32) {
                self.file.of_partition(number);
            }

            fn merge(
                &mut self,
                partitions: Vec<Option<$crate::writers::FilePosition>>,
            ) -> Result<(), $crate::writers::WriteError> {
                self.file.merge(partitions)
            }

            fn clear(&mut self, partitions: u32) -> Result<(), $crate::writers::WriteError> {
                self.file.clear(partitions)
            }
        }
    };
}
pub(in crate::writers) use forward_to_partitions;
