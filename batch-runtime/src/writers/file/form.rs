//! What must stay the same from the first record of a file to its last: the columns and the options of the writer. A
//! restart of a changed program must not append records of another form.

#[cfg(feature = "csv")]
mod columns;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::TransactionalFile;
use crate::readers::hash;
use crate::writers::WriteError;

/// The hashes of what describes a file's form. `None` in the position of an older version, or if it is not known yet.
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

    /// Returns the form of a file that holds records of both. `None` if they differ.
    pub(super) fn with(self, other: Self) -> Option<Self> {
        let both = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => Some(one.or(other)),
        };
        let (options, columns) = (both(self.options, other.options)?, both(self.columns, other.columns)?);
        Some(Self { options, columns })
    }
}

/// The hash of several texts, which tells them from the same texts divided in another way.
fn hash_of<T: AsRef<str>>(texts: &[T]) -> u64 {
    let mut all = String::new();
    for text in texts.iter().map(AsRef::as_ref) {
        // Writing to a string does not fail.
        let _ = write!(all, "{}:{text}", text.len());
    }
    hash(all.as_bytes())
}

impl TransactionalFile {
    /// Says with which options the file is written: `names` for messages, and their values. The file must be open.
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

    /// Returns whether something may still be appended to what is there.
    fn has_begun(&self) -> bool {
        !self.is_empty() && !self.is_sealed()
    }

    #[cold]
    fn changed(&self, how: String) -> WriteError {
        WriteError::Changed { path: self.path().to_path_buf(), how }
    }
}
