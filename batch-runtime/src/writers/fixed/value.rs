//! Puts a value into its column.

use super::TEXT;
use crate::readers::{Align, FixedColumn, Form, shown};
use crate::writers::columns::ItemError;

/// Appends the value with its padding, or says why the column cannot hold it.
pub(super) fn append(column: &FixedColumn, value: &str, out: &mut Vec<u8>) -> Result<(), ItemError> {
    let mark = char::from(TEXT);
    let Some(text) = value.strip_prefix(mark).and_then(|value| value.strip_suffix(mark)) else {
        return put(column, value, out);
    };
    if text.is_empty() {
        return Err(ItemError::new("an empty text would be read as `None`"));
    }
    if text.contains(mark) {
        return Err(ItemError::new("a text with NUL would not be read as a text"));
    }
    let begin = out.len();
    put(column, text, out)?;
    if column.keeps_texts() {
        return Ok(());
    }
    let stored = std::str::from_utf8(&out[begin..]).unwrap_or_default();
    match column.read(stored) {
        Some(read) if read == text => Ok(()),
        read => Err(ItemError::new(format!(
            "the text `{}` would be read back as `{}`, because the column holds numbers; write a number, or a text in that form",
            shown(text),
            shown(&read.unwrap_or_default())
        ))),
    }
}

fn put(column: &FixedColumn, value: &str, out: &mut Vec<u8>) -> Result<(), ItemError> {
    let width = column.range.len();
    if value.is_empty() {
        out.extend(std::iter::repeat_n(b' ', width));
        return Ok(());
    }
    if value.contains('\r') {
        return Err(ItemError::new("the value has a line ending in it"));
    }
    if value.starts_with(' ') || value.ends_with(' ') {
        return Err(ItemError::new("the spaces at the edges of the value would be lost"));
    }
    if value.starts_with('\u{FEFF}') {
        return Err(ItemError::new("the value begins with a byte order mark, which would be lost"));
    }
    let digits;
    let (value, align) = match column.form {
        Form::Text | Form::Packed { .. } => (value, column.align),
        Form::Decimal { scale } => {
            digits = Digits::of(value, scale)?.with_sign();
            (&*digits, if column.align == Align::Left { Align::Zeros } else { column.align })
        }
        Form::Zoned { scale } => {
            digits = Digits::of(value, scale)?.zoned(width);
            (&*digits, Align::Right)
        }
    };
    let length = value.chars().count();
    let Some(padding) = width.checked_sub(length) else {
        return Err(ItemError::new(format!(
            "the value takes {length} characters, but the column has {width}"
        )));
    };
    let spaces = std::iter::repeat_n(b' ', padding);
    match align {
        Align::Left => {
            out.extend_from_slice(value.as_bytes());
            out.extend(spaces);
        }
        Align::Right => {
            out.extend(spaces);
            out.extend_from_slice(value.as_bytes());
        }
        Align::Zeros => {
            let (sign, number) = value.strip_prefix('-').map_or(("", value), |number| ("-", number));
            if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                return Err(ItemError::new("the column is filled with zeros, but the value is not a number"));
            }
            out.extend_from_slice(sign.as_bytes());
            out.extend(std::iter::repeat_n(b'0', padding));
            out.extend_from_slice(number.as_bytes());
        }
    }
    Ok(())
}

/// A number without its decimal point.
struct Digits {
    negative: bool,
    digits: String,
}

impl Digits {
    fn of(value: &str, scale: usize) -> Result<Self, ItemError> {
        let (negative, number) = value.strip_prefix('-').map_or((false, value), |number| (true, number));
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
            return Err(ItemError::new("the column holds digits, but the value is not a plain number"));
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > scale {
            return Err(ItemError::new(format!(
                "the value has {} decimals, but the column holds {scale}",
                decimals.len()
            )));
        }
        let digits = format!("{whole}{decimals:0<scale$}");
        let significant = digits.trim_start_matches('0');
        let digits = if significant.is_empty() { "0" } else { significant }.to_owned();
        Ok(Self { negative, digits })
    }

    fn with_sign(&self) -> String {
        format!("{}{}", if self.negative { "-" } else { "" }, self.digits)
    }

    /// The digits, with the sign in the last one.
    fn zoned(&self, width: usize) -> String {
        let mut zoned = format!("{:0>width$}", self.digits);
        if let Some(last) = zoned.pop() {
            let signs = if self.negative { "}JKLMNOPQR" } else { "{ABCDEFGHI" };
            let digit = usize::try_from(last.to_digit(10).unwrap_or_default()).unwrap_or_default();
            zoned.push_str(&signs[digit..=digit]);
        }
        zoned
    }
}
