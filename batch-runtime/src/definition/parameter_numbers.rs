//! Numbers as parameters: a text is parsed as exactly the number it names, or refused.

use super::parameter::{ParameterType, TypeName};
use super::parameter_types::required;
use super::parameter_value::{BigInteger, ParameterValue};

macro_rules! integers {
    ($($int:ident)*) => {$(
        impl ParameterType for $int {
            const TYPE: TypeName = TypeName::plain(stringify!($int));

            fn parse(text: &str) -> Result<ParameterValue, String> {
                let number: $int = text.parse().map_err(|_| {
                    format!("a whole number from {} to {} is expected", $int::MIN, $int::MAX)
                })?;
                Ok(ParameterValue::of_whole(BigInteger::from(number)))
            }

            fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
                let number = match required(value)? {
                    ParameterValue::Long(number) => BigInteger::from(*number),
                    ParameterValue::BigInteger(number) => *number,
                    _ => return Err("a whole number is expected".to_owned()),
                };
                $int::try_from(number).map_err(|_| {
                    format!("a whole number from {} to {} is expected", $int::MIN, $int::MAX)
                })
            }

            fn to_value(&self) -> Option<ParameterValue> {
                Some(ParameterValue::of_whole(BigInteger::from(*self)))
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

macro_rules! decimals {
    ($($float:ident as $variant:ident beside $other:ident)*) => {$(
        impl ParameterType for $float {
            const TYPE: TypeName = TypeName::plain(stringify!($float));

            fn parse(text: &str) -> Result<ParameterValue, String> {
                let number: $float = text.parse().map_err(|_| "a number is expected".to_owned())?;
                let Some(named) = Decimal::of(text) else { return Ok(ParameterValue::$variant(number)) };
                if number.is_infinite() {
                    return Err(format!("a number of at most {:e} is expected", $float::MAX));
                }
                // The text may also consist of the shortest digits that identify the number. These can differ from its
                // exact value rounded to as many places.
                let digits = [format!("{number:.*e}", named.places()), format!("{number:e}")];
                if digits.iter().any(|digits| Decimal::of(digits).as_ref() == Some(&named)) {
                    return Ok(ParameterValue::$variant(number));
                }
                let nearest = ParameterValue::$variant(number);
                Err(format!(
                    "a number that `{}` holds exactly is expected; the nearest is {nearest}",
                    stringify!($float),
                ))
            }

            fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
                match required(value)? {
                    ParameterValue::$variant(number) => Ok(*number),
                    // Constants in a program are `f64`, whatever they are bound to.
                    other @ ParameterValue::$other(_) => {
                        Self::from_value(Some(&Self::parse(&other.to_string())?))
                    }
                    _ => Err("a number is expected".to_owned()),
                }
            }

            fn to_value(&self) -> Option<ParameterValue> {
                Some(ParameterValue::$variant(*self))
            }
        }
    )*};
}

decimals!(f64 as Double beside Float f32 as Float beside Double);

/// The value of a decimal literal without its sign: 0.`digits` times ten to the `power`.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    /// Without zeros at either end; empty for zero.
    digits: String,
    power: i64,
}

/// No `f64` written out in full has more digits than this.
const MAX_DIGITS: usize = 767;

impl Decimal {
    /// Parses a number; `None` for words such as `NaN` or `inf`.
    fn of(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if !all.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_start_matches('0');
        let zeros = all.len() - significant.len();
        let digits = significant.trim_end_matches('0').to_owned();
        // Only a zero is accepted with an exponent that overflows: any other such number is refused, whatever `power`
        // is.
        let power = power.parse::<i64>().unwrap_or(i64::MAX / 2);
        let places = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        let power = if digits.is_empty() { 0 } else { power.saturating_add(places) };
        Some(Self { digits, power })
    }

    /// The number of digits after the point in scientific notation.
    fn places(&self) -> usize {
        self.digits.len().saturating_sub(1).min(MAX_DIGITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_u64_above_the_largest_i64_is_the_value_that_was_given() {
        for value in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let stored = value.to_value().unwrap();
            assert_eq!(u64::from_value(Some(&stored)), Ok(value));
            assert_eq!(u64::parse(&value.to_string()), Ok(stored));
        }
    }

    #[test]
    fn the_ends_of_every_range_are_held() {
        assert_eq!(i128::from_value(i128::MIN.to_value().as_ref()), Ok(i128::MIN));
        assert_eq!(u128::from_value(u128::MAX.to_value().as_ref()), Ok(u128::MAX));
        assert!(i128::from_value(u128::MAX.to_value().as_ref()).is_err());
        assert!(u64::from_value((-1_i64).to_value().as_ref()).is_err());
    }

    #[test]
    fn a_whole_number_is_one_value_however_wide_its_type() {
        assert_eq!(7_u128.to_value(), Some(ParameterValue::Long(7)));
        assert_eq!(u8::from_value(Some(&ParameterValue::BigInteger(7_u8.into()))), Ok(7));
    }

    #[test]
    fn a_fraction_or_word_is_refused() {
        for text in ["", " 5", "5 ", "1_000", "1e3", "5.0", "0x5", "५", "--5", "+-5", "-"] {
            assert!(i64::parse(text).is_err(), "{text}");
            assert!(u128::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_that_would_be_rounded_is_refused() {
        for text in [
            "9007199254740993",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1000000000000000055",
            "1e9999999999999999999",
        ] {
            assert!(f64::parse(text).is_err(), "{text}: {:?}", f64::parse(text));
        }
        assert!(f32::parse("16777217").is_err());
        assert_eq!(
            f64::parse("9007199254740993").unwrap_err(),
            "a number that `f64` holds exactly is expected; the nearest is 9.007199254740992E15"
        );
    }

    #[test]
    fn every_notation_of_a_number_is_read() {
        for (text, number) in [
            ("0.1", 0.1),
            (".5", 0.5),
            ("5.", 5.0),
            ("+5", 5.0),
            ("0", 0.0),
            ("-0", -0.0),
            ("0e99999999999999999999", 0.0),
            ("00012.500", 12.5),
            ("1E23", 1e23),
            ("100000000000000000000000", 1e23),
            ("0.1000000000000000055511151231257827021181583404541015625", 0.1),
            ("4.9E-324", 5e-324),
            ("1.7976931348623157E308", f64::MAX),
            ("1069945639283912.3", 1_069_945_639_283_912.2),
            ("Infinity", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("NaN", f64::NAN),
        ] {
            assert_eq!(f64::parse(text), Ok(ParameterValue::Double(number)), "{text}");
        }
    }
}
