//! Appends records to a file, and the footer after the last one.

use super::{SPILL, TransactionalFile};
use crate::writers::WriteError;

/// Builds the footer from the number of records.
pub(in crate::writers) type Footer = dyn Fn(u64) -> String + Send + Sync;

/// The reason why an item cannot be a record.
#[derive(Debug)]
pub(in crate::writers) struct Refusal {
    pub(in crate::writers) field: Option<String>,
    pub(in crate::writers) problem: String,
}

impl TransactionalFile {
    /// Appends a record for each item. If one is refused, none is appended.
    #[inline]
    pub(in crate::writers) fn add_records<T, E: Into<Refusal>>(
        &mut self,
        items: &[T],
        mut append: impl FnMut(&T, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), WriteError> {
        let begin = self.position();
        let mut out = self.buffer()?;
        let mut written = 0;
        for item in items {
            written += 1;
            if let Err(error) = append(item, out) {
                let refused = self.refused(written, error);
                return Err(self.rollback(begin).err().unwrap_or(refused));
            }
            if out.len() >= SPILL {
                self.flush()?;
                out = self.buffer()?;
            }
        }
        self.records += written;
        Ok(())
    }

    /// Counts records that a test has appended to the buffer.
    #[cfg(test)]
    pub(super) fn added(&mut self, records: u64) {
        self.records += records;
    }

    /// The error about the record that is `ahead` records after the last one.
    #[cold]
    pub(in crate::writers) fn refused(&self, ahead: u64, error: impl Into<Refusal>) -> WriteError {
        let Refusal { field, problem } = error.into();
        WriteError::Item { path: self.path().to_path_buf(), record: self.records() + ahead, field, problem }
    }

    /// Adds the footer after the last record; the file of a partition has none.
    pub(in crate::writers) fn end(
        &mut self,
        footer: Option<&Footer>,
        line_end: &str,
    ) -> Result<(), WriteError> {
        let Some(footer) = footer.filter(|_| !self.is_of_partition()) else { return Ok(()) };
        let footer = footer(self.records());
        let out = self.buffer()?;
        out.extend_from_slice(footer.as_bytes());
        out.extend_from_slice(line_end.as_bytes());
        Ok(())
    }
}
