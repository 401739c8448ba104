//! Splits a file of JSON lines into parts, cut only between lines.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{JsonLinesReader, LinePosition};
use crate::definition::{BoxError, Reader, Splittable, evenly};

/// A part of a file of lines, from one place up to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePart {
    begin: LinePosition,
    /// The offset after its last line; `None` in the last part.
    end: Option<u64>,
}

/// Splits by byte ranges, cut between lines. This scans the file once, so that every part knows its line
/// numbers. A compressed file is a single part: reaching any place in it means decompressing everything
/// before.
impl<T: DeserializeOwned> Splittable for JsonLinesReader<T> {
    type Part = LinePart;

    fn split(&mut self, parts: usize) -> Result<Vec<LinePart>, BoxError> {
        let mut begins = vec![self.lines.position()];
        if self.lines.source().is_plain() && parts > 1 {
            let length = self.lines.source().progress().total;
            for target in evenly(length, parts).skip(1) {
                let mut more = true;
                while more && self.lines.byte() < target {
                    more = match self.lines.advance() {
                        Ok(line) => line.is_some(),
                        Err(error) if error.is_about_a_record() => true,
                        Err(error) => return Err(error.into()),
                    };
                }
                if !more || self.lines.byte() >= length {
                    break;
                }
                if begins.last().is_none_or(|last| last.byte < self.lines.byte()) {
                    begins.push(self.lines.position());
                }
            }
        }
        let ends: Vec<_> = begins.iter().skip(1).map(|next| Some(next.byte)).chain([None]).collect();
        Ok(begins.into_iter().zip(ends).map(|(begin, end)| LinePart { begin, end }).collect())
    }

    fn narrow(&mut self, part: LinePart) -> Result<(), BoxError> {
        let LinePart { begin, end } = part;
        let first = begin.byte;
        self.resume(begin)?;
        self.part = Some((first, end.unwrap_or(u64::MAX)));
        Ok(())
    }
}
