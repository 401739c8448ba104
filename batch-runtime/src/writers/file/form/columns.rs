//! Refuses to continue a file whose records had other columns.

use std::fs::File;
use std::io::Read as _;

use super::{TransactionalFile, hash_of};
use crate::readers::shown;
use crate::writers::WriteError;

impl TransactionalFile {
    /// Says which columns the records have.
    ///
    /// # Errors
    /// If an earlier execution began the file with other columns.
    pub(in crate::writers) fn with_columns<T: AsRef<str>>(&mut self, names: &[T]) -> Result<(), WriteError> {
        let columns = Some(hash_of(names));
        match self.form.columns {
            Some(_) if self.form.columns != columns && self.has_begun() => {
                let names: Vec<_> = names.iter().map(|name| format!("`{}`", shown(name.as_ref()))).collect();
                let begin = self.first_line().map(|line| format!(" (its first line is `{}`)", shown(&line)));
                let begin = begin.unwrap_or_default();
                Err(self.changed(format!("with other columns{begin}; now they are {}", names.join(", "))))
            }
            _ => {
                self.form.columns = columns;
                Ok(())
            }
        }
    }

    /// The first line of a file that is not compressed.
    fn first_line(&self) -> Option<String> {
        const MAX: u64 = 1000;
        if self.compression.is_some() {
            return None;
        }
        let mut begin = Vec::new();
        File::open(&self.part).ok()?.take(MAX).read_to_end(&mut begin).ok()?;
        let line = begin.split(|byte| *byte == b'\n').next()?;
        Some(String::from_utf8_lossy(line).trim_end().to_owned())
    }
}
