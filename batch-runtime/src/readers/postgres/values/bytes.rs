//! Reads numbers and parts from the front of a slice of bytes.

use super::{Broken, CUT};

/// The bytes that have not been read yet.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (first, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A value with its length before it; `None` is `NULL`.
    pub(super) fn value(&mut self) -> Result<Option<&'a [u8]>, Broken> {
        let length = i32::from_be_bytes(self.array()?);
        if length == -1 {
            return Ok(None);
        }
        let (value, rest) =
            usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length)).ok_or(CUT)?;
        self.0 = rest;
        Ok(Some(value))
    }
}
