//! Reads the column names, and refuses a file whose beginning shows that none of its records can become an item.

use super::framing::{CsvFraming, Decoded, record};
use crate::readers::columns::{self, Decoder, Fields as _};
use crate::readers::fields::Misfit;
use crate::readers::framed::Framed;
use crate::readers::{ReadError, shown};

/// Reads the column names from the first record.
pub(super) fn read(records: &mut Framed<CsvFraming>, trim: bool) -> Result<Vec<Box<str>>, ReadError> {
    let resource = records.resource();
    let refused = |problem: String| ReadError::Header { resource: resource.clone(), problem: problem.into() };
    match records.find() {
        Ok(true) => {}
        Ok(false) => return Err(ReadError::Empty { resource }),
        Err(ReadError::Malformed { .. }) if has_returns_for_lines(records) => {
            return Err(refused("its lines end with CR alone; convert the input to LF or CRLF".to_owned()));
        }
        Err(ReadError::Malformed { problem, .. }) => return Err(refused(problem.into())),
        Err(error) => return Err(error),
    }
    let record = record(records);
    let mut decoded = Decoded::default();
    let fields = record.fields(&mut decoded).map_err(|(_, error)| match error.encoding {
        "UTF-8" => refused("invalid UTF-8; convert the input to UTF-8".to_owned()),
        encoding => refused(format!("invalid {encoding}")),
    })?;
    let fields = &fields;
    if (0..fields.count()).any(|column| fields.text(column).is_some_and(|name| name.contains('\0'))) {
        return Err(refused("it contains a NUL byte; is it a text file in UTF-8?".to_owned()));
    }
    Ok((0..fields.count())
        .map(|column| {
            let name = fields.text(column).unwrap_or_default();
            if trim && !fields.is_quoted(column) { name.trim() } else { name }.into()
        })
        .collect())
}

/// Returns the problem of a header that lacks a column.
pub(super) fn lacks(missing: &str, decoder: &Decoder) -> String {
    with_delimiter(columns::lacks(missing, decoder.names()), decoder)
}

/// Returns the problem of a header that does not fit an item.
pub(super) fn misfit(misfit: &Misfit, decoder: &Decoder) -> String {
    with_delimiter(columns::misfit(misfit, decoder.names()), decoder)
}

/// Asks for the delimiter if another one is in the only column.
fn with_delimiter(mut problem: String, decoder: &Decoder) -> String {
    if let [only] = decoder.names().collect::<Vec<_>>()[..]
        && let Some(other) = [",", ";", "\t", "|"].into_iter().find(|delimiter| only.contains(*delimiter))
    {
        problem.push_str("; is the delimiter `");
        problem.push_str(&shown(other));
        problem.push_str("`?");
    }
    problem
}

/// Refuses a first line that tells a spreadsheet the delimiter: it is neither a header nor a record.
pub(super) fn refuse_separator_line(records: &mut Framed<CsvFraming>) -> Result<(), ReadError> {
    records.look_ahead(7)?;
    let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator, b'\n' | b'\r', ..] = records.input.rest()
    else {
        return Ok(());
    };
    let separator = shown(&char::from(*separator).to_string());
    let problem = format!(
        "its first line, `sep={separator}`, is not a header but names the delimiter; skip it with \
         `skip_lines(1)` and set `{separator}` as `delimiter`"
    );
    Err(ReadError::Header { resource: records.resource(), problem: problem.into() })
}

/// True if the input read so far has carriage returns but no line feed.
fn has_returns_for_lines(records: &Framed<CsvFraming>) -> bool {
    let read = records.input.real();
    !read.contains(&b'\n') && read.contains(&b'\r')
}
