//! Parses floats, and refuses a number that no float can hold: one so close to zero that it would become zero, or one so
//! large that it would become infinite. Any other number is rounded to the nearest float.

use std::num::ParseFloatError;
use std::str::FromStr;

/// The reason why a text is not a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAFloat {
    NotANumber,
    OutOfRange,
}

/// Parses a text as `f64`.
pub(super) fn double(text: &str) -> Result<f64, NotAFloat> {
    parse(text, |number: f64| number == 0.0, f64::is_infinite)
}

/// Parses a text as `f32`.
pub(super) fn single(text: &str) -> Result<f32, NotAFloat> {
    parse(text, |number: f32| number == 0.0, f32::is_infinite)
}

#[inline]
fn parse<F: FromStr<Err = ParseFloatError> + Copy>(
    text: &str,
    is_zero: impl Fn(F) -> bool,
    is_infinite: impl Fn(F) -> bool,
) -> Result<F, NotAFloat> {
    let number = text.parse().map_err(|_| NotAFloat::NotANumber)?;
    let vanished = is_zero(number) && is_not_zero(text);
    // `inf` has no digit.
    if vanished || is_infinite(number) && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(NotAFloat::OutOfRange);
    }
    Ok(number)
}

/// True if the conversion to `f32` makes a number neither zero nor infinite, unless it already was.
#[expect(clippy::cast_possible_truncation, reason = "a number that becomes zero or infinite is refused")]
pub(super) fn fits_single(number: f64) -> bool {
    let single = number as f32;
    (single == 0.0) == (number == 0.0) && single.is_infinite() == number.is_infinite()
}

/// True if a number, as it is written, is not zero.
fn is_not_zero(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The smallest sum of the length of a mantissa and its negative exponent at which a number may become zero as `f32`.
/// The smallest `f32` above zero is 1.4e-45.
const SMALL: usize = 47;

/// A number that becomes zero and has no exponent contains at least this many zeros in a row.
const ZEROS: usize = 45;

/// The length of the pieces into which a text is divided. Only the end of each piece is examined: a run of `STRIDE + n`
/// bytes covers the last `n` bytes of a piece.
const STRIDE: usize = 32;

/// True if a number in a text may become zero. The check is quick, and rarely true for any other text.
#[inline]
pub(super) fn may_vanish(text: &[u8]) -> bool {
    has_exponent(text) && memchr::memchr_iter(b'-', text).any(|at| is_small(text, at))
        || pieces(text).any(|piece| piece.ends_with(&[b'0'; ZEROS - STRIDE]))
}

/// The pieces of a text. No run begins at the first byte of a text: `0.` or a tag comes before the run.
#[inline]
fn pieces(text: &[u8]) -> std::slice::ChunksExact<'_, u8> {
    text.get(1..).unwrap_or_default().chunks_exact(STRIDE)
}

/// True if the letter of an exponent follows a digit or a point, which is rare.
#[inline]
fn has_exponent(text: &[u8]) -> bool {
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    // This loop does not end early: it then compiles to vector instructions.
    pairs.fold(false, |found, (before, byte)| {
        found | ((before.is_ascii_digit() || *before == b'.') && *byte | 0x20 == b'e')
    })
}

/// True if the sign at `at` is that of the exponent of a very small number.
#[inline]
fn is_small(text: &[u8], at: usize) -> bool {
    let Some([mantissa @ .., b'e' | b'E']) = text.get(..at) else { return false };
    size(mantissa, &text[at + 1..]) >= SMALL
}

/// The number of characters of the mantissa at the end of `before`, plus the exponent at the start of `after`; 0 without a
/// mantissa.
#[inline]
fn size(before: &[u8], after: &[u8]) -> usize {
    let length = before.iter().rev().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    if length == 0 {
        return 0;
    }
    let exponent = after.iter().take_while(|byte| byte.is_ascii_digit());
    exponent
        .fold(0_usize, |exponent, digit| {
            exponent.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
        })
        .saturating_add(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_beyond_the_range_of_a_float_is_refused() {
        for text in ["1e-999", "-4e-325", "2.4e-324", "1e400", "-1e309", "0.00001e-320"] {
            assert_eq!(double(text), Err(NotAFloat::OutOfRange), "{text}");
        }
        for text in ["1e-60", "7e-46", "3.5e38", "-1e39"] {
            assert_eq!(single(text), Err(NotAFloat::OutOfRange), "{text}");
            assert!(double(text).is_ok(), "{text}");
        }
        assert_eq!(double(&format!("0.{}1", "0".repeat(330))), Err(NotAFloat::OutOfRange));
        assert_eq!(double(&"9".repeat(310)), Err(NotAFloat::OutOfRange));
    }

    #[test]
    fn a_number_within_the_range_is_rounded_and_a_zero_is_a_zero() {
        assert_eq!(double("5e-324").map(f64::to_bits), Ok(1));
        assert_eq!(double("3e-324").map(f64::to_bits), Ok(1));
        assert_eq!(single("1e-45").map(f32::to_bits), Ok(1));
        for text in ["0", "-0.0", "0e-999", "0.000e5"] {
            assert_eq!(double(text), Ok(0.0), "{text}");
        }
        assert_eq!(double("-inf"), Ok(f64::NEG_INFINITY));
        assert!(double("NaN").is_ok_and(f64::is_nan));
        assert_eq!(double("x"), Err(NotAFloat::NotANumber));
    }

    #[test]
    fn ordinary_text_does_not_look_like_a_number_that_vanishes() {
        for text in [
            "2024-01-01 the-end e-5 1e-30 -0.1e-10 0.00000000000001",
            "{\"id\":\"41e-8f1e-4a1e-a000-000000000000\",\"amount\":-12.50}",
            "000000000000000000000000000000001",
        ] {
            assert!(!may_vanish(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_vanishes_is_noticed(
            before in "[ a-z0-]{0,70}",
            mantissa in "[0-9]{1,4}(\\.[0-9]{1,60})?|0\\.0{20,60}[0-9]{1,3}",
            exponent in prop::option::of(0..400_u32),
            after in "[ ,}a-z]{0,40}",
        ) {
            let exponent = exponent.map(|exponent| format!("e-{exponent}")).unwrap_or_default();
            let number = format!("{mantissa}{exponent}");
            if single(&number) == Err(NotAFloat::OutOfRange) {
                let text = format!("{before} {number}{after}");
                prop_assert!(may_vanish(text.as_bytes()), "{}", text);
            }
        }
    }
}
