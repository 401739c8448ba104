//! Parses short integers and decimals, the most common numbers, faster than the standard library.

/// The largest integer up to which a float holds every integer exactly.
const EXACT: u64 = 1 << 53;

const POWERS: [f64; 17] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16];

/// The number of digits that every `u64` can hold.
const SHORT_INTEGER: usize = 19;

/// Parses an integer with few digits and no sign. This stays out of the code that is compiled for each field of an item.
#[inline(never)]
pub(super) fn short_integer(text: &str) -> Option<u64> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > SHORT_INTEGER {
        return None;
    }
    let mut number = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit >= 10 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// Parses a number with few digits, no exponent and no plus sign.
///
/// The digits and the power of ten are then exact floats, so their quotient is rounded only once: the result
/// equals that of the standard library.
#[inline]
pub(super) fn short_decimal(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() >= POWERS.len() {
        return None;
    }
    let mut whole = 0_u64;
    let mut point = None;
    for (place, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            whole = whole * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(place);
        } else {
            return None;
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point - 1);
    let no_digits = digits.len() == usize::from(point.is_some());
    if no_digits || whole > EXACT {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "integers up to 2^53 are exact")]
    let number = whole as f64 / POWERS[decimals];
    Some(if negative { -number } else { number })
}

/// How to read a text whose type is not declared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Looks {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// The number of digits that every float keeps.
const KEPT_DIGITS: usize = 15;

/// Guesses the type of a text; `None` means text. A number with a leading zero, or with more digits than its
/// type keeps, stays text: a postal code, an ISBN.
pub(super) fn looks_like(text: &str) -> Option<Looks> {
    match text {
        "true" => return Some(Looks::Bool(true)),
        "false" => return Some(Looks::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    // `inf`, `nan` and `infinity` are also words, and `+5` may be part of a telephone number: they stay
    // text.
    let is_padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if is_padded || !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        if text == "-0" {
            return Some(Looks::Float(-0.0));
        }
        let unsigned = text.parse().map(Looks::Unsigned);
        return unsigned.or_else(|_| text.parse().map(Looks::Signed)).ok();
    }
    let number: f64 = text.parse().ok()?;
    let is_kept = number.is_finite()
        && (significant(digits) <= KEPT_DIGITS && number != 0.0
            || number == 0.0 && significant(digits) == 0
            || zmij::Buffer::new().format(number) == text);
    is_kept.then_some(Looks::Float(number))
}

/// Counts the digits from the first to the last that is not zero.
fn significant(digits: &str) -> usize {
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_decimal_parses_as_in_the_standard_library() {
        let mut state = 3_u64;
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let mut short = 0;
        for _ in 0..20_000 {
            let characters: &[u8] = if below(20) == 0 { b"0123456789.-+eE" } else { b"0123456789" };
            let mut text: String = (0..below(19))
                .map(|_| char::from(characters[usize::try_from(below(characters.len() as u64)).unwrap()]))
                .collect();
            if below(2) == 0 {
                let place = below(text.len() as u64 + 1);
                text.insert(usize::try_from(place).unwrap(), '.');
            }
            if below(2) == 0 {
                text.insert(0, '-');
            }
            if let Some(number) = short_decimal(&text) {
                short += 1;
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()), "{text}");
            }
        }
        assert!(short > 10_000);
    }

    #[test]
    fn a_short_integer_parses_as_in_the_standard_library() {
        for text in ["0", "7", "007", "42", "1000000", "9999999999999999999", "0000000000000000000"] {
            assert_eq!(short_integer(text), text.parse().ok(), "{text}");
        }
        for text in ["", "-1", "+1", "1 ", "1.", "１", "10000000000000000000", "00000000000000000001"] {
            assert_eq!(short_integer(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_read_as_a_number_only_if_no_digit_is_lost() {
        use Looks::{Bool, Float, Signed, Unsigned};
        for (text, looks) in [
            ("true", Some(Bool(true))),
            ("0", Some(Unsigned(0))),
            ("-5", Some(Signed(-5))),
            ("18446744073709551615", Some(Unsigned(u64::MAX))),
            ("1.50", Some(Float(1.5))),
            ("0.30000000000000004", Some(Float(0.300_000_000_000_000_04))),
            ("1e3", Some(Float(1000.0))),
            ("0.00", Some(Float(0.0))),
            ("0479480001", None),
            ("00501", None),
            ("-007", None),
            ("00.5", None),
            ("+49", None),
            ("18446744073709551616", None),
            ("12345678901234567890123", None),
            ("0.1234567890123456789", None),
            ("1e-999", None),
            ("1e999", None),
            ("1.2.3", None),
            ("inf", None),
            ("", None),
            ("-", None),
            (".", None),
        ] {
            assert_eq!(looks_like(text), looks, "{text}");
        }
    }

    #[test]
    fn anything_but_a_short_decimal_is_left_to_the_standard_library() {
        for text in ["", "-", ".", "-.", "1..2", "1-", "--1", "1e5", "NaN", "inf", "9007199254740993"] {
            assert_eq!(short_decimal(text), None, "{text}");
        }
    }
}
