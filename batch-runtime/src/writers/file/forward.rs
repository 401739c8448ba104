//! Forwards the calls that a writer does not handle itself to its file: `forward_to_file!(self => self.file);` in the impl
//! of `Writer`, and `forward_to_partitions!(NameOfTheWriter);`, with the text between two records if the format needs one, and
//! with the bound on the item if it is not `Serialize`.

macro_rules! forward_to_file {
    ($this:ident => $file:expr) => {
        type Position = $crate::writers::FilePosition;
        type Error = $crate::writers::WriteError;

        const CAN_ROLL_BACK: bool = true;

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
        forward_to_partitions!($writer, b"");
    };
    ($writer:ident, $between:expr) => {
        forward_to_partitions!($writer, $between, serde::Serialize);
    };
    ($writer:ident, $between:expr, $($bound:tt)+) => {
        /// Each partition writes `NAME.TAG.partition0`, `NAME.TAG.partition1` …; at the end they are joined in
        /// NAME, under one header and before one footer, as if the file had been written in one piece. Until then,
        /// this takes twice the space.
        impl<T: $($bound)+> $crate::Partitionable for $writer<T> {
            fn of_partition(&mut self, number: u32) {
                self.file.of_partition(number);
            }

            fn merge(
                &mut self,
                partitions: Vec<Option<$crate::writers::FilePosition>>,
            ) -> Result<(), $crate::writers::WriteError> {
                self.file.merge(partitions, $between)
            }

            fn clear(&mut self, partitions: u32) -> Result<(), $crate::writers::WriteError> {
                self.file.clear(partitions)
            }
        }
    };
}
pub(in crate::writers) use forward_to_partitions;

macro_rules! file_options {
    ($writer:ident) => {
        impl<T> $writer<T> {
            /// Allows the writer to replace an existing file of that name at the end of the step; otherwise such a
            /// file is refused at the beginning.
            pub fn overwrite(mut self, yes: bool) -> Self {
                self.file.overwrite(yes);
                self
            }

            /// Sets how much a file whose name ends in `.gz` or `.zst` is compressed: 0 to 9 for gzip (6 by default), 1
            /// to 22 for Zstandard (3 by default; negative levels are faster still). It has no effect on any other
            /// file.
            ///
            /// The chunk's transaction is open while the chunk is compressed. The defaults are those of the programs
            /// `gzip` and `zstd`: higher levels take much longer and save little.
            pub fn compression_level(mut self, level: i32) -> Self {
                self.file.compression_level(level);
                self
            }
        }
    };
}
pub(in crate::writers) use file_options;

macro_rules! totals_in_footer {
    ($writer:ident, $($footer:ident).+) => {
        impl<T> $writer<T> {
            /// Adds a footer with totals over the items: the text that `footer` returns for the totals and
            /// the number of items, verbatim, after the last item. See
            /// [`WithTotals`](crate::writers::WithTotals).
            pub fn totals<S: $crate::Totals<T>>(
                self,
                footer: impl Fn(&S, u64) -> String + Send + Sync + 'static,
            ) -> $crate::writers::WithTotals<Self, S> {
                $crate::writers::WithTotals::new(self, footer, |writer, footer| {
                    writer.$($footer).+ = Some(Box::new(move |_| footer.clone()));
                })
            }
        }
    };
}
pub(in crate::writers) use totals_in_footer;
