//! The form of a file: its columns and the options of its writer. It must stay the same from the first record to the
//! last, so a restart of a changed program must not append records of another form.

#[cfg(feature = "csv")]
mod columns;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::TransactionalFile;
use crate::readers::hash;
use crate::writers::WriteError;

/// The hashes that describe a file's form. A hash is `None` in a position that an older version stored, or if it is not
/// known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Form {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    options: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<u64>,
}

impl Form {
    pub(super) fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the form of a file that holds records of both forms, or `None` if the two differ.
    pub(super) fn with(self, other: Self) -> Option<Self> {
        let both = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => Some(one.or(other)),
        };
        let (options, columns) = (both(self.options, other.options)?, both(self.columns, other.columns)?);
        Some(Self { options, columns })
    }
}

/// Returns a hash of several texts. It contains their lengths, so `["ab", "c"]` and `["a", "bc"]` hash differently.
fn hash_of<T: AsRef<str>>(texts: &[T]) -> u64 {
    let mut all = String::new();
    for text in texts.iter().map(AsRef::as_ref) {
        // Writing to a string does not fail.
        let _ = write!(all, "{}:{text}", text.len());
    }
    hash(all.as_bytes())
}

impl TransactionalFile {
    /// Sets the options with which the file is written: their `names`, for messages, and their `values`. The file must
    /// be open.
    ///
    /// # Errors
    /// If an earlier execution began the file with other options.
    pub(in crate::writers) fn with_options(
        &mut self,
        names: &str,
        values: &[&str],
    ) -> Result<(), WriteError> {
        let options = Some(hash_of(values));
        match self.form.options {
            Some(_) if self.form.options != options && self.has_begun() => Err(self
                .changed(format!("with other options of the writer; these must stay as they were: {names}"))),
            _ => {
                self.form.options = options;
                Ok(())
            }
        }
    }

    /// Returns whether the file has content, and more may still be appended to it.
    fn has_begun(&self) -> bool {
        !self.is_empty() && !self.is_sealed()
    }

    #[cold]
    fn changed(&self, how: String) -> WriteError {
        WriteError::Changed { path: self.path().to_path_buf(), how }
    }
}
