//! [`Numeric`], an exact decimal number of any length.

use super::bytes::Bytes;
use super::{Broken, CUT, Written};

/// A value of the server's type `numeric`.
#[derive(Clone, Copy)]
pub(in crate::readers::postgres) struct Numeric<'a> {
    kind: Kind,
    /// The digits in base 10,000, two bytes each.
    digits: &'a [[u8; 2]],
    /// The exponent of the first digit, as a power of 10,000.
    weight: i32,
    /// The number of decimal digits after the point.
    scale: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Positive,
    Negative,
    /// `NaN` or an infinity, as text.
    Special(&'static str),
}

/// The text of a number: on the stack unless it is long.
pub(in crate::readers::postgres) enum Text {
    Short(Written),
    Long(String),
}

impl Text {
    pub(in crate::readers::postgres) fn as_str(&self) -> &str {
        match self {
            Self::Short(written) => written.as_str(),
            Self::Long(text) => text,
        }
    }
}

impl<'a> Numeric<'a> {
    pub(super) fn read(bytes: &mut Bytes<'a>) -> Result<Self, Broken> {
        let count = usize::from(u16::from_be_bytes(bytes.array()?));
        let weight = i16::from_be_bytes(bytes.array()?).into();
        let kind = match u16::from_be_bytes(bytes.array()?) {
            0 => Kind::Positive,
            0x4000 => Kind::Negative,
            0xC000 => Kind::Special("NaN"),
            0xD000 => Kind::Special("Infinity"),
            0xF000 => Kind::Special("-Infinity"),
            _ => return Err(CUT),
        };
        let scale = u16::from_be_bytes(bytes.array()?).into();
        let (digits, []) = bytes.rest().as_chunks() else { return Err(CUT) };
        if digits.len() != count {
            return Err(CUT);
        }
        Ok(Self { kind, digits, weight, scale })
    }

    /// Returns the digit for this power of 10,000.
    fn digit(&self, power: i32) -> u16 {
        let at = usize::try_from(self.weight - power).ok();
        at.and_then(|at| self.digits.get(at)).map_or(0, |digit| u16::from_be_bytes(*digit))
    }

    /// Returns the number as text, with as many digits after the point as the server shows.
    pub(in crate::readers::postgres) fn text(&self) -> Text {
        let before = usize::try_from(self.weight + 1).unwrap_or_default() * 4;
        // Three more for a sign, a point, and a zero in front of the point.
        if before + self.scale + 3 <= Written::ROOM {
            let mut written = Written::default();
            self.put(|byte| written.push(byte));
            Text::Short(written)
        } else {
            let mut long = String::with_capacity(before + self.scale + 3);
            self.put(|byte| long.push(byte.into()));
            Text::Long(long)
        }
    }

    fn put(&self, mut push: impl FnMut(u8)) {
        match self.kind {
            Kind::Special(text) => return text.bytes().for_each(push),
            Kind::Negative => push(b'-'),
            Kind::Positive => {}
        }
        let mut has_begun = false;
        for power in (0..=self.weight).rev() {
            for digit in decimal(self.digit(power)) {
                has_begun |= digit != b'0';
                if has_begun {
                    push(digit);
                }
            }
        }
        if !has_begun {
            push(b'0');
        }
        if self.scale > 0 {
            push(b'.');
            let after = (1..).flat_map(|power| decimal(self.digit(-power)));
            after.take(self.scale).for_each(push);
        }
    }

    /// Returns the number if it is whole and fits into an `i128`.
    pub(super) fn whole(&self) -> Option<i128> {
        if matches!(self.kind, Kind::Special(_)) || self.weight >= 10 {
            return None;
        }
        let before = usize::try_from(self.weight + 1).unwrap_or_default();
        if self.digits.iter().skip(before).any(|digit| *digit != [0, 0]) {
            return None;
        }
        let sign = if self.kind == Kind::Negative { -1 } else { 1 };
        (0..=self.weight).rev().try_fold(0_i128, |number, power| {
            number.checked_mul(10_000)?.checked_add(sign * i128::from(self.digit(power)))
        })
    }

    /// Returns the number as a float if the float has the same decimal digits.
    pub(super) fn double(&self) -> Option<f64> {
        let text = self.text();
        let float: f64 = text.as_str().parse().ok()?;
        // A float keeps the digits of every number that has at most 15 digits.
        let is_exact = self.digits.len() <= 3 && self.weight.abs() < 50
            || matches!(self.kind, Kind::Special(_))
            || float.is_finite() && significant(text.as_str()) == significant(&format!("{float:e}"));
        is_exact.then_some(float)
    }

    /// Returns the number as a float of single precision if the float has the same decimal digits.
    pub(super) fn single(&self) -> Option<f32> {
        let text = self.text();
        let float: f32 = text.as_str().parse().ok()?;
        let is_exact = matches!(self.kind, Kind::Special(_))
            || float.is_finite() && significant(text.as_str()) == significant(&format!("{float:e}"));
        is_exact.then_some(float)
    }
}

/// Returns the four decimal digits of a digit in base 10,000.
fn decimal(digit: u16) -> [u8; 4] {
    [digit / 1000, digit / 100 % 10, digit / 10 % 10, digit % 10]
        .map(|decimal| b'0' + u8::try_from(decimal).unwrap_or_default())
}

/// Returns the digits of a decimal number without the zeros at both ends, and the power of ten of the first
/// digit.
fn significant(number: &str) -> (String, i64) {
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let mantissa = mantissa.trim_start_matches('-');
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{before}{after}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0').to_owned();
    if significant.is_empty() {
        return (significant, 0);
    }
    let place = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    (significant, place(before.len()) - 1 - place(leading) + exponent.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a number, from its sign, weight, scale and digits.
    fn bytes(sign: u16, weight: i16, scale: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).unwrap();
        let head = [count, weight.cast_unsigned(), sign, scale];
        head.iter().chain(digits).flat_map(|number| number.to_be_bytes()).collect()
    }

    fn with<T>(bytes: &[u8], look: impl FnOnce(Numeric<'_>) -> T) -> T {
        look(Numeric::read(&mut Bytes(bytes)).unwrap())
    }

    #[test]
    fn the_text_has_all_digits() {
        for (number, text) in [
            (bytes(0, 0, 0, &[]), "0"),
            (bytes(0, 0, 2, &[]), "0.00"),
            (bytes(0, 0, 0, &[7]), "7"),
            (bytes(0x4000, 1, 3, &[1, 2, 5000]), "-10002.500"),
            (bytes(0, 2, 0, &[12]), "1200000000"),
            (bytes(0, -1, 5, &[42]), "0.00420"),
            (bytes(0, -2, 9, &[1, 9000]), "0.000000019".trim_end()),
            (bytes(0xC000, 0, 0, &[]), "NaN"),
            (bytes(0xF000, 0, 0, &[]), "-Infinity"),
        ] {
            with(&number, |number| assert_eq!(number.text().as_str(), text));
        }
    }

    #[test]
    fn a_long_number_is_whole_too() {
        let long = bytes(0, 99, 3, &[1; 101]);
        let text = with(&long, |number| number.text().as_str().to_owned());
        assert_eq!(text, format!("1{}.000", "0001".repeat(99)));
    }

    #[test]
    fn a_number_without_a_fraction_is_an_integer() {
        assert_eq!(with(&bytes(0, 0, 2, &[5]), |number| number.whole()), Some(5));
        assert_eq!(with(&bytes(0x4000, 1, 0, &[1, 2]), |number| number.whole()), Some(-10_002));
        assert_eq!(with(&bytes(0, 0, 1, &[5, 1000]), |number| number.whole()), None);
        assert_eq!(with(&bytes(0, -1, 1, &[1000]), |number| number.whole()), None);
        assert_eq!(with(&bytes(0, 20, 0, &[1]), |number| number.whole()), None);
        let mut digits = [170, 1411, 8346, 469, 2317, 3168, 7303, 7158, 8410, 5727];
        assert_eq!(with(&bytes(0, 9, 0, &digits), |number| number.whole()), Some(i128::MAX));
        digits[9] += 1;
        assert_eq!(with(&bytes(0, 9, 0, &digits), |number| number.whole()), None);
        assert_eq!(with(&bytes(0x4000, 9, 0, &digits), |number| number.whole()), Some(i128::MIN));
    }

    #[test]
    fn a_float_has_the_same_digits_or_is_refused() {
        assert_eq!(with(&bytes(0, 0, 1, &[0, 1000]), |number| number.double()), Some(0.1));
        assert_eq!(with(&bytes(0, 0, 1, &[0, 1000]), |number| number.single()), Some(0.1));
        // 0.1000000000000000055511151231257827
        let more = bytes(0, -1, 36, &[1000, 0, 0, 0, 55, 5111, 5123, 1257, 8270]);
        assert_eq!(with(&more, |number| number.double()), None);
        // 16777217 is the first integer that a float of single precision cannot hold.
        let odd = bytes(0, 1, 0, &[1677, 7217]);
        assert_eq!(with(&odd, |number| number.single()), None);
        assert_eq!(with(&odd, |number| number.double()), Some(16_777_217.0));
        assert_eq!(with(&bytes(0, 0, 0, &[]), |number| number.double()), Some(0.0));
        assert!(with(&bytes(0xC000, 0, 0, &[]), |number| number.double()).unwrap().is_nan());
    }

    #[test]
    fn the_significant_digits_are_those_between_zeros() {
        assert_eq!(significant("0012.500"), ("125".into(), 1));
        assert_eq!(significant("0.00125"), ("125".into(), -3));
        assert_eq!(significant("-1.25e-3"), ("125".into(), -3));
        assert_eq!(significant("0.0"), (String::new(), 0));
    }
}
