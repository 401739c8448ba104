//! [`FixedColumn`], the place of a column and how its value is stored.

use std::ops::Range;

/// A column with a fixed place in each record.
///
/// A pair of a name and a range is also accepted as a column: `("id", 0..6)`.
///
/// ```
/// use batch_runtime::{Reader, readers::{FixedColumn, FixedReader}};
///
/// let path = std::env::temp_dir().join("doc-fixed-column.txt");
/// std::fs::write(&path, "A0000001250\nB000000000}\n")?;
///
/// let columns = [FixedColumn::new("kind", 0..1), FixedColumn::new("amount", 1..11).zoned(2)];
/// let mut amounts = FixedReader::<(char, f64)>::columns(columns).open(&path)?;
/// assert_eq!(amounts.read()?, Some(('A', 12.5)));
/// assert_eq!(amounts.read()?, Some(('B', 0.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedColumn {
    pub(crate) name: Box<str>,
    pub(crate) range: Range<usize>,
    pub(crate) form: Form,
    pub(crate) align: Align,
}

/// Where a writer puts a value that is shorter than its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    /// At the right end, after zeros.
    Zeros,
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    /// Digits, of which the last `scale` are decimals, with a sign before or after them.
    Decimal {
        scale: usize,
    },
    /// Like `Decimal`, with the sign in the last digit.
    Zoned {
        scale: usize,
    },
    /// Two digits per byte, with the sign in the last half byte.
    Packed {
        scale: usize,
    },
}

impl FixedColumn {
    /// A column of text, in this range of characters, counted from 0.
    #[must_use]
    pub fn new(name: impl Into<String>, range: Range<usize>) -> Self {
        Self { name: name.into().into_boxed_str(), range, form: Form::Text, align: Align::Left }
    }

    /// Makes a writer put the value at the right end of the column; a reader takes it from either end.
    #[must_use]
    pub fn right(self) -> Self {
        Self { align: Align::Right, ..self }
    }

    /// Makes a writer fill the column with zeros before the digits of the value.
    #[must_use]
    pub fn zeros(self) -> Self {
        Self { align: Align::Zeros, ..self }
    }

    /// Says that the value is a number without a decimal point, whose last `scale` digits are decimals. A sign
    /// may come first or last: `00012345`, `-0012345`, `0012345-`. A field of an integer type takes a number whose decimals
    /// are all zero.
    #[must_use]
    pub fn decimals(self, scale: usize) -> Self {
        Self { form: Form::Decimal { scale }, ..self }
    }

    /// Says that the value is a zoned decimal (`PIC S9(7)V99` in COBOL): digits, of which the last `scale` are
    /// decimals and the last one carries the sign. As text, that is `{` and `A` to `I` for 0 to 9, and `}` and
    /// `J` to `R` for -0 to -9; in EBCDIC, the first half of the last byte.
    #[must_use]
    pub fn zoned(self, scale: usize) -> Self {
        Self { form: Form::Zoned { scale }, ..self }
    }

    /// Says that the value is a packed decimal (`COMP-3` in COBOL): two digits per byte, of which the last
    /// `scale` are decimals, with the sign in the last half byte. It needs
    /// [`record_bytes`](super::FixedOptions::record_bytes).
    #[must_use]
    pub fn packed(self, scale: usize) -> Self {
        Self { form: Form::Packed { scale }, ..self }
    }
}

impl FixedColumn {
    /// True if a writer stores each text as it is, with spaces around it.
    pub(crate) fn keeps_texts(&self) -> bool {
        self.form == Form::Text && self.align != Align::Zeros
    }

    /// Returns the text that a reader takes from the characters of this column. `None` if it takes none.
    pub(crate) fn read(&self, stored: &str) -> Option<String> {
        let text = stored.trim_matches(' ');
        let mut read = String::new();
        match self.form {
            Form::Decimal { scale } => decimal(text, scale, &mut read)?,
            Form::Zoned { scale } => zoned(text, scale, &mut read)?,
            Form::Text | Form::Packed { .. } => read.push_str(text),
        }
        Some(read)
    }

    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.form, Form::Packed { .. })
    }

    /// Returns what is wrong with the columns of a file, if anything.
    pub(crate) fn problem(columns: &[Self]) -> Option<String> {
        if columns.is_empty() {
            return Some("declare at least one column".to_owned());
        }
        if let Some(empty) = columns.iter().find(|column| column.range.is_empty()) {
            return Some(format!("column `{}` is empty: its range is {:?}", empty.name, empty.range));
        }
        let mut ordered: Vec<&Self> = columns.iter().collect();
        ordered.sort_by_key(|column| column.range.start);
        if let Some(pair) = ordered.windows(2).find(|pair| pair[0].range.end > pair[1].range.start) {
            return Some(format!("columns `{}` and `{}` overlap", pair[0].name, pair[1].name));
        }
        let twice =
            (1..columns.len()).find(|at| columns[..*at].iter().any(|other| other.name == columns[*at].name));
        twice.map(|at| format!("two columns are named `{}`", columns[at].name))
    }
}

impl<N: Into<String>> From<(N, Range<usize>)> for FixedColumn {
    fn from((name, range): (N, Range<usize>)) -> Self {
        Self::new(name, range)
    }
}

/// Writes the digits of a number as a decimal with a point. `None` if the text is not such a number.
pub(super) fn decimal(text: &str, scale: usize, out: &mut String) -> Option<()> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        [.., b'-'] => (true, &text[..text.len() - 1]),
        [.., b'+'] => (false, &text[..text.len() - 1]),
        _ => (false, text),
    };
    let digits = digits.trim_matches(' ');
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    write(negative, digits, scale, out);
    Some(())
}

/// Like [`decimal`], with the sign in the last digit.
pub(super) fn zoned(text: &str, scale: usize, out: &mut String) -> Option<()> {
    let (last, before) = text.as_bytes().split_last()?;
    let (negative, digit) = match last {
        b'0'..=b'9' => (false, *last),
        b'{' => (false, b'0'),
        b'A'..=b'I' => (false, last - b'A' + b'1'),
        b'}' => (true, b'0'),
        b'J'..=b'R' => (true, last - b'J' + b'1'),
        _ => return None,
    };
    before.iter().all(u8::is_ascii_digit).then_some(())?;
    let digits: String = before.iter().copied().chain([digit]).map(char::from).collect();
    write(negative, &digits, scale, out);
    Some(())
}

/// Like [`zoned`], for the bytes of EBCDIC.
#[cfg(feature = "encodings")]
pub(super) fn zoned_in_ebcdic(bytes: &[u8], scale: usize, out: &mut String) -> Option<()> {
    let (last, before) = bytes.split_last()?;
    before.iter().all(|byte| (0xF0..=0xF9).contains(byte)).then_some(())?;
    let negative = sign(last >> 4)?;
    (last & 0x0F <= 9).then_some(())?;
    let digits: String = bytes.iter().map(|byte| char::from(b'0' + (byte & 0x0F))).collect();
    write(negative, &digits, scale, out);
    Some(())
}

/// Like [`decimal`], for two digits per byte.
pub(super) fn packed(bytes: &[u8], scale: usize, out: &mut String) -> Option<()> {
    let mut halves: Vec<u8> = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect();
    let negative = sign(halves.pop()?)?;
    halves.iter().all(|digit| *digit <= 9).then_some(())?;
    let digits: String = halves.iter().map(|digit| char::from(b'0' + digit)).collect();
    write(negative, &digits, scale, out);
    Some(())
}

/// True if a half byte is a minus sign. `None` if it is not a sign.
fn sign(half: u8) -> Option<bool> {
    match half {
        0xB | 0xD => Some(true),
        0xA | 0xC | 0xE | 0xF => Some(false),
        _ => None,
    }
}

fn write(negative: bool, digits: &str, scale: usize, out: &mut String) {
    let zeros = scale.saturating_sub(digits.len());
    let (whole, decimals) = digits.split_at(digits.len().saturating_sub(scale));
    let whole = whole.trim_start_matches('0');
    if negative {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        out.push('.');
        out.extend(std::iter::repeat_n('0', zeros));
        out.push_str(decimals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parse<I> = fn(I, usize, &mut String) -> Option<()>;

    fn of<I>(parse: Parse<I>, from: I, scale: usize) -> Option<String> {
        let mut out = String::new();
        parse(from, scale, &mut out).map(|()| out)
    }

    #[test]
    fn a_decimal_without_a_point_has_as_many_decimals_as_its_scale() {
        let decimal = |text, scale| of(decimal as Parse<&str>, text, scale);
        assert_eq!(decimal("0012345", 2).as_deref(), Some("123.45"));
        assert_eq!(decimal("-0012345", 0).as_deref(), Some("-12345"));
        assert_eq!(decimal("5-", 3).as_deref(), Some("-0.005"));
        assert_eq!(decimal("- 5", 1).as_deref(), Some("-0.5"));
        for text in ["", "-", "1.2", "1e3", "--1", "1 2", "٣"] {
            assert_eq!(decimal(text, 2), None, "{text}");
        }
    }

    #[test]
    fn the_last_digit_of_a_zoned_decimal_carries_the_sign() {
        let zoned = |text, scale| of(zoned as Parse<&str>, text, scale);
        assert_eq!(zoned("0012{", 2).as_deref(), Some("1.20"));
        assert_eq!(zoned("0012R", 2).as_deref(), Some("-1.29"));
        assert_eq!(zoned("00129", 2).as_deref(), Some("1.29"));
        for text in ["", "1{2", "12-", "12S"] {
            assert_eq!(zoned(text, 2), None, "{text}");
        }
    }

    #[cfg(feature = "encodings")]
    #[test]
    fn a_zoned_decimal_in_ebcdic_has_its_sign_in_the_first_half_of_the_last_byte() {
        let zoned = |bytes: &'static [u8]| of(zoned_in_ebcdic as Parse<&[u8]>, bytes, 2);
        assert_eq!(zoned(b"\xF0\xF1\xF2\xD3").as_deref(), Some("-1.23"));
        assert_eq!(zoned(b"\xF1\xF2\xC3").as_deref(), Some("1.23"));
        assert_eq!(zoned(b"\xF1\xC2\xF3"), None);
        assert_eq!(zoned(b"\xF1\x12"), None);
    }

    #[test]
    fn a_packed_decimal_has_two_digits_a_byte_and_the_sign_in_the_last_half() {
        let packed = |bytes: &'static [u8]| of(packed as Parse<&[u8]>, bytes, 2);
        assert_eq!(packed(b"\x00\x12\x34\x5C").as_deref(), Some("123.45"));
        assert_eq!(packed(b"\x12\x3D").as_deref(), Some("-1.23"));
        assert_eq!(packed(b"\x0F").as_deref(), Some("0.00"));
        for bytes in [&b""[..], b"\x12\x34", b"\x1A\x3C", b"\x40\x40"] {
            assert_eq!(of(super::packed as Parse<&[u8]>, bytes, 2), None, "{bytes:x?}");
        }
    }
}
