//! Forwards the calls that a reader does not handle itself to its [`Framed`](super::Framed): `forward_to_framed!(self =>
//! self.lines);` in the impl of `Reader`, and `split_framed!(NameOfTheReader, lines, LinePart);`.

macro_rules! forward_to_framed {
    ($this:ident => $framed:expr) => {
        fn steps_over(&$this, error: &$crate::readers::ReadError) -> bool {
            error.is_about_a_record()
        }

        fn position(&$this) -> Self::Position {
            $framed.position()
        }

        fn progress(&$this) -> Option<$crate::Progress> {
            Some($framed.progress())
        }

        fn location(&$this) -> Option<String> {
            Some($framed.location())
        }
    };
}
pub(crate) use forward_to_framed;

macro_rules! split_framed {
    ($reader:ident, $framed:ident, $part:ty) => {
        /// Splits by byte ranges, cut between records. This scans the file once, because only that reveals where
        /// a record ends, and so that every part knows its line numbers. A compressed file is a single part:
        /// reaching any place in it means decompressing everything before.
        impl<T: serde::de::DeserializeOwned> $crate::Splittable for $reader<T> {
            type Part = $part;

            fn split(&mut self, parts: usize) -> Result<Vec<Self::Part>, $crate::BoxError> {
                Ok(self.$framed.split(self.$framed.position(), parts)?)
            }

            fn narrow(&mut self, part: Self::Part) -> Result<(), $crate::BoxError> {
                Ok(self.$framed.narrow(part)?)
            }
        }
    };
}
pub(crate) use split_framed;
