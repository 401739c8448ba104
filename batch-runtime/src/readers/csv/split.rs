//! Splits a CSV file into parts, cut only between records.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CsvPosition, CsvReader};
use crate::definition::{BoxError, Progress, Reader, Splittable, evenly};

/// A part of a CSV file: the records from one place up to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvPart {
    begin: CsvPosition,
    /// The offset after its last record; `None` in the last part.
    end: Option<u64>,
}

/// The range of bytes that a reader is limited to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) begin: u64,
    pub(super) end: u64,
    /// True if a range was set.
    pub(super) narrowed: bool,
}

impl Bounds {
    pub(super) const NONE: Self = Self { begin: 0, end: u64::MAX, narrowed: false };

    /// The progress within the part at `byte`, in a file of `length` bytes.
    pub(super) fn progress(self, byte: u64, length: u64) -> Progress {
        let end = self.end.min(length).max(self.begin);
        Progress { done: byte.clamp(self.begin, end) - self.begin, total: end - self.begin }
    }
}

impl<T: DeserializeOwned> CsvReader<T> {
    /// Moves past the next record, whatever it contains; returns false at the end.
    fn pass_a_record(&mut self) -> Result<bool, BoxError> {
        // Without a header, the first item determines the number of columns of all parts.
        let passed = if self.columns.is_none() && !self.flexible {
            self.read().map(|item| item.map(drop))
        } else {
            self.records.advance().map(|found| found.map(drop))
        };
        match passed {
            Ok(None) => Ok(false),
            Ok(Some(())) => Ok(true),
            Err(error) if error.is_about_a_record() => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// Splits by byte ranges, cut between records: a record with quoted line endings stays whole, and every part
/// knows the header and its line numbers. This scans the file once from the beginning, because only that
/// reveals what is quoted. A compressed file is a single part: reaching any place in it means decompressing
/// everything before.
impl<T: DeserializeOwned> Splittable for CsvReader<T> {
    type Part = CsvPart;

    fn split(&mut self, parts: usize) -> Result<Vec<CsvPart>, BoxError> {
        self.check_header()?;
        let mut begins = vec![self.position()];
        if self.records.source().is_plain() && parts > 1 {
            let begin = self.records.byte();
            let length = self.records.source().progress().total;
            for target in evenly(length.saturating_sub(begin), parts).skip(1) {
                let mut more = true;
                while more && self.records.byte() < begin + target {
                    more = self.pass_a_record()?;
                }
                if !more || self.records.byte() >= length {
                    break;
                }
                if begins.last().is_none_or(|last| last.byte < self.records.byte()) {
                    begins.push(self.position());
                }
            }
        }
        let ends: Vec<_> = begins.iter().skip(1).map(|next| Some(next.byte)).chain([None]).collect();
        Ok(begins.into_iter().zip(ends).map(|(begin, end)| CsvPart { begin, end }).collect())
    }

    fn narrow(&mut self, part: CsvPart) -> Result<(), BoxError> {
        let CsvPart { begin, end } = part;
        let first = begin.byte;
        self.resume(begin)?;
        self.bounds = Bounds { begin: first, end: end.unwrap_or(u64::MAX), narrowed: true };
        Ok(())
    }
}
