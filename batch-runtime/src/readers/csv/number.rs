//! Receives: the text of a number. Gives: the number, where it is a short decimal, as most are.

/// The largest integer up to which every integer is a float.
const EXACT: u64 = 1 << 53;

const POWERS: [f64; 17] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16];

/// The number, if it has few digits, no exponent and no plus sign.
///
/// Digits and power of ten are floats without rounding then, so their quotient is rounded once: the result is the one
/// that the standard library finds.
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
    #[expect(clippy::cast_precision_loss, reason = "up to 2^53 there is none")]
    let number = whole as f64 / POWERS[decimals];
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_decimal_is_what_the_standard_library_makes_of_it() {
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
    fn what_is_no_number_is_left_to_the_standard_library() {
        for text in ["", "-", ".", "-.", "1..2", "1-", "--1", "1e5", "NaN", "inf", "9007199254740993"] {
            assert_eq!(short_decimal(text), None, "{text}");
        }
    }
}
