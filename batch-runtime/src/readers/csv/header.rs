//! Reads the column names, and refuses a file whose beginning shows that none of its records can become an item.

use super::field;
use super::records::Records;
use crate::readers::{ReadError, shown};

/// Reads the column names from the first record.
pub(super) fn read(records: &mut Records, trim: bool) -> Result<Vec<Box<str>>, ReadError> {
    let resource = records.resource();
    let refused = |problem: String| ReadError::Header { resource: resource.clone(), problem: problem.into() };
    let found = match records.advance() {
        Ok(Some(found)) => found,
        Ok(None) => return Err(ReadError::Empty { resource }),
        Err(ReadError::Malformed { .. }) if records.has_returns_for_lines() => {
            return Err(refused("its lines end with CR alone; convert the input to LF or CRLF".to_owned()));
        }
        Err(ReadError::Malformed { problem, .. }) => return Err(refused(problem.into())),
        Err(error) => return Err(error),
    };
    let record = records.record(found);
    let Ok(text) = std::str::from_utf8(record.text) else {
        return Err(refused("invalid UTF-8; convert the input to UTF-8".to_owned()));
    };
    if text.contains('\0') {
        return Err(refused("it contains a NUL byte; is it a text file in UTF-8?".to_owned()));
    }
    Ok((0..record.ends.len())
        .map(|column| {
            let name = field(record, text, column);
            let is_quoted = record.quoted.get(column) == Some(&true);
            if trim && !is_quoted { name.trim() } else { name }.into()
        })
        .collect())
}

/// Returns the problem of a header that lacks a column.
pub(super) fn lacks<'n>(missing: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown_names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let mut problem = format!("there is no column `{missing}`, only {}", shown(&shown_names.join(", ")));
    if let [only] = names[..]
        && let Some(other) = [",", ";", "\t", "|"].into_iter().find(|delimiter| only.contains(*delimiter))
    {
        problem.push_str("; is the delimiter `");
        problem.push_str(&shown(other));
        problem.push_str("`?");
    }
    problem
}

impl Records {
    /// Skips lines at the start of the file.
    pub(super) fn skip_lines(&mut self, lines: u64) -> Result<(), ReadError> {
        for _ in 0..lines {
            self.skip_line(self.at)?;
        }
        Ok(())
    }

    /// Refuses a first line that tells a spreadsheet the delimiter: it is neither a header nor a record.
    pub(super) fn refuse_separator_line(&mut self) -> Result<(), ReadError> {
        self.look_ahead(7)?;
        let line = &self.buffer[self.at..self.filled];
        let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator, b'\n' | b'\r', ..] = line else {
            return Ok(());
        };
        let separator = shown(&char::from(*separator).to_string());
        let problem = format!(
            "its first line, `sep={separator}`, is not a header but names the delimiter; skip it with \
             `skip_lines(1)` and set `{separator}` as `delimiter`"
        );
        Err(ReadError::Header { resource: self.resource(), problem: problem.into() })
    }

    /// True if the input read so far has carriage returns but no line feed.
    fn has_returns_for_lines(&self) -> bool {
        let real = self.filled - usize::from(self.completed);
        !self.buffer[..real].contains(&b'\n') && self.buffer[..real].contains(&b'\r')
    }
}
