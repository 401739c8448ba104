//! Compares a CSV file with its trailer. The reader then ends before the trailer, as at the end of a part, so that reading
//! a record costs nothing more.

#[cfg(test)]
mod tests;

use super::{CsvItem, CsvPosition, CsvReader};
use crate::Reader as _;
use crate::readers::ReadError;
use crate::readers::framed::{BeforeTrailer, no_trailer, text_of};

impl<T: CsvItem> CsvReader<T> {
    /// Reads the file up to its end, compares its last record with the records before it, and returns to the first record.
    /// So no part of an incomplete file is processed.
    #[cold]
    pub(super) fn verify(&mut self) -> Result<(), ReadError> {
        let Some(trailer) = self.trailer.clone().filter(|_| self.records.framing.trailer.is_none()) else {
            return Ok(());
        };
        let (begin, columns) = (self.records.position(), self.records.framing.columns);
        let found = self.find_trailer();
        let back = self.go_back(begin.clone(), columns);
        let found = found?;
        back?;
        let (resource, mut bad, mut control) = (self.records.resource(), found.bad, trailer.begin());
        if trailer.takes_items {
            self.records.end_before(Some(found.byte));
            loop {
                match self.read() {
                    Ok(None) => break,
                    Ok(Some(item)) => {
                        control.add(&item);
                        self.recycle(item);
                    }
                    Err(error) if error.is_about_a_record() => {
                        bad.get_or_insert(error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
            self.go_back(begin, columns)?;
        }
        BeforeTrailer { records: found.records, bad, text: &found.text, line: found.line }
            .check(&*control, resource)?;
        self.records.framing.trailer = Some(found.byte);
        self.records.end_before(Some(found.byte));
        Ok(())
    }

    /// Skips the check of the trailer if the position shows that an earlier execution, or the manager of the
    /// partitions, has checked it. Refuses a position after `begin` that was recorded without that check.
    pub(super) fn trust_the_trailer(&mut self, begin: u64, byte: u64) -> Result<(), ReadError> {
        if self.trailer.is_none() {
            return Ok(());
        }
        let known = self.records.framing.trailer;
        if known.is_none() && byte != begin {
            return Err(self.records.input.source.changed(byte, "it was read without its trailer"));
        }
        self.records.end_before(known);
        self.is_checked = known.is_some();
        Ok(())
    }

    fn go_back(&mut self, begin: CsvPosition, columns: Option<usize>) -> Result<(), ReadError> {
        self.records.framing.columns = columns;
        self.records.end_before(None);
        self.records.go_to(begin)
    }

    /// Finds the last record, and counts those before it.
    fn find_trailer(&mut self) -> Result<Found, ReadError> {
        let (mut records, mut bad) = (0, None);
        let mut last: Option<(u64, u64)> = None;
        let mut text = Vec::new();
        loop {
            match self.records.advance() {
                Ok(None) => break,
                Ok(Some(found)) => {
                    records += u64::from(last.is_some());
                    last = Some((found.line, found.byte));
                    text.clear();
                    text.extend_from_slice(&self.records.input.bytes()[found.start..found.end]);
                }
                Err(error) if error.is_about_a_record() => {
                    records += u64::from(last.take().is_some()) + 1;
                    bad.get_or_insert(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        let Some((line, byte)) = last else {
            return Err(no_trailer(self.records.resource(), self.records.input.line(), bad));
        };
        Ok(Found { records, bad, text: text_of(self.encoding(), &text), line, byte })
    }
}

/// The last record of a file, and what comes before it.
struct Found {
    records: u64,
    bad: Option<String>,
    text: String,
    line: u64,
    byte: u64,
}
