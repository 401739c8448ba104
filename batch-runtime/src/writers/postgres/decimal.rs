//! Encodes decimal numbers for `numeric` columns.

use bytes::{BufMut as _, BytesMut};

use super::column::Digits;

/// The maximum number of digits before the point that the server keeps.
const MAX_BEFORE: i64 = 131_072;
/// The maximum number of digits after the point that the server keeps.
const MAX_AFTER: i64 = 16_383;
const NEGATIVE: u16 = 0x4000;

/// A decimal number: its digits, and where the point is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Digits from 0 to 9, neither the first nor the last of which is 0.
    digits: Vec<u8>,
    /// The number of digits before the point; negative if zeros follow the point first.
    before: i64,
    /// The number of digits after the point that are written, zeros at the end included.
    shown: i64,
}

impl Decimal {
    /// Reads a number of any length as JSON writes it: without spaces, a leading plus sign, or needless zeros.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_whole = whole == "0" || !whole.is_empty() && !whole.starts_with('0');
        if !is_whole || !whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0').collect();
        let zeros = all.iter().take_while(|digit| **digit == 0).count();
        let end = all.iter().rposition(|digit| *digit != 0).map_or(zeros, |last| last + 1);
        let length = |bytes: usize| i64::try_from(bytes).ok();
        Some(Self {
            is_negative,
            before: length(whole.len())? - length(zeros)? + exponent,
            shown: (length(fraction.len())? - exponent).max(0),
            digits: all[zeros..end].to_vec(),
        })
    }

    /// Returns why a column cannot hold the number as it is.
    pub(super) fn problem(&self, limit: Option<Digits>) -> Option<&'static str> {
        if self.digits.is_empty() {
            return (self.shown > MAX_AFTER).then_some("has too many digits");
        }
        if self.before > MAX_BEFORE || self.shown > MAX_AFTER {
            return Some("has too many digits");
        }
        let limit = limit?;
        let after = i64::try_from(self.digits.len()).unwrap_or(i64::MAX) - self.before;
        if after > i64::from(limit.scale) {
            return Some("would be rounded");
        }
        (self.before > i64::from(limit.precision - limit.scale)).then_some("is too large")
    }

    /// Appends the number in the server's form: digits in base 10,000.
    pub(super) fn append(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(0);
        let weight = if self.digits.is_empty() { 0 } else { (self.before - 1).div_euclid(4) };
        out.put_i16(i16::try_from(weight).unwrap_or(i16::MAX));
        out.put_u16(if self.is_negative && !self.digits.is_empty() { NEGATIVE } else { 0 });
        out.put_u16(u16::try_from(self.shown).unwrap_or(u16::MAX));
        let mut groups = 0_u16;
        let first = usize::try_from((self.before - 1).rem_euclid(4)).unwrap_or_default() + 1;
        let (head, tail) = self.digits.split_at(first.min(self.digits.len()));
        let mut put = |digits: &[u8], length: usize| {
            let value = (0..length)
                .fold(0, |value, at| value * 10 + u16::from(digits.get(at).copied().unwrap_or_default()));
            out.put_u16(value);
            groups += 1;
        };
        if !head.is_empty() {
            put(head, first);
        }
        tail.chunks(4).for_each(|digits| put(digits, 4));
        out[start..start + 2].copy_from_slice(&groups.to_be_bytes());
    }
}

/// Reads an exponent, and caps it beyond the exponent of any number that a column holds.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let limit = i64::from(i32::MAX);
    let size = digits.parse::<i64>().unwrap_or(limit).min(limit);
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> Vec<u16> {
        let mut out = BytesMut::new();
        Decimal::parse(text).unwrap().append(&mut out);
        out.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn a_number_is_cut_into_groups_of_four_digits_around_the_point() {
        // The number of groups, the weight of the first, the sign, and the digits after the point.
        assert_eq!(encoded("0"), [0, 0, 0, 0]);
        assert_eq!(encoded("0.00"), [0, 0, 0, 2]);
        assert_eq!(encoded("7"), [1, 0, 0, 0, 7]);
        assert_eq!(encoded("-12345.678"), [3, 1, NEGATIVE, 3, 1, 2345, 6780]);
        assert_eq!(encoded("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(encoded("0.0001"), [1, 0xffff, 0, 4, 1]);
        assert_eq!(encoded("0.00001"), [1, 0xfffe, 0, 5, 1000]);
        assert_eq!(encoded("1.50"), [2, 0, 0, 2, 1, 5000]);
        assert_eq!(encoded("1e5"), [1, 1, 0, 0, 10]);
        assert_eq!(encoded("12E-1"), [2, 0, 0, 1, 1, 2000]);
    }

    #[test]
    fn only_a_number_as_json_writes_it_is_one() {
        for text in ["", "-", "+1", "007", "1.", ".5", " 1", "1 ", "1e", "1e+", "0x10", "NaN", "١", "1_000"]
        {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
        assert!(Decimal::parse("-0.5e-3").is_some());
    }

    #[test]
    fn a_number_that_the_column_would_round_or_cannot_hold_has_a_problem() {
        let problem = |text: &str, digits: Option<(i32, i32)>| {
            let limit = digits.map(|(precision, scale)| Digits { precision, scale });
            Decimal::parse(text).unwrap().problem(limit)
        };
        assert_eq!(problem("123.45", Some((5, 2))), None);
        assert_eq!(problem("123.450", Some((5, 2))), None);
        assert_eq!(problem("123.456", Some((5, 2))), Some("would be rounded"));
        assert_eq!(problem("1234", Some((5, 2))), Some("is too large"));
        assert_eq!(problem("0.001", Some((2, 5))), Some("is too large"));
        assert_eq!(problem("0.00012", Some((2, 5))), None);
        assert_eq!(problem("1200", Some((2, -2))), None);
        assert_eq!(problem("1250", Some((2, -2))), Some("would be rounded"));
        assert_eq!(problem("1e131071", None), None);
        assert_eq!(problem("1e131072", None), Some("has too many digits"));
        assert_eq!(problem("1e-16384", None), Some("has too many digits"));
        assert_eq!(problem("1e99999999999999999999", None), Some("has too many digits"));
        assert_eq!(problem("0", Some((1, 0))), None);
    }
}
