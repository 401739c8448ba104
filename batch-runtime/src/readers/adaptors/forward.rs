//! Forwards the calls that an adaptor does not handle itself to the inner reader: `forward_reader!(self => self.inner);` in
//! the impl of [`Reader`](crate::Reader), and `forward_split!(self => self.inner);` in that of
//! [`Splittable`](crate::Splittable).

/// For an adaptor over `R` that has the items, positions and errors of `R`.
macro_rules! forward_reader {
    ($this:ident => $inner:expr) => {
        const RECYCLES: bool = R::RECYCLES;

        /// Returns the kind of the inner reader, because the positions are the same.
        fn kind() -> String {
            R::kind()
        }

        #[inline]
        fn recycle(&mut $this, item: R::Item) {
            $inner.recycle(item);
        }

        fn stops_with(&mut $this, stop: &crate::StopSignal) {
            $inner.stops_with(stop);
        }

        fn committed(&mut $this, position: &R::Position) -> Result<(), R::Error> {
            $inner.committed(position)
        }

        fn record(&$this, error: &R::Error) -> Option<String> {
            $inner.record(error)
        }

        fn progress(&$this) -> Option<crate::Progress> {
            $inner.progress()
        }
    };
}
pub(super) use forward_reader;

macro_rules! forward_split {
    ($this:ident => $inner:expr) => {
        type Part = R::Part;

        fn split(&mut $this, parts: usize) -> Result<Vec<R::Part>, crate::BoxError> {
            $inner.split(parts)
        }

        fn check(&$this, part: &R::Part) -> Result<(), crate::BoxError> {
            $inner.check(part)
        }

        fn narrow(&mut $this, part: R::Part) -> Result<(), crate::BoxError> {
            $inner.narrow(part)
        }

        fn part_name(part: &R::Part) -> Option<String> {
            R::part_name(part)
        }
    };
}
pub(super) use forward_split;
