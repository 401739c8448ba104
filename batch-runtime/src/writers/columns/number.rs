//! Formats a float as the shortest text that parses back to the same float.

/// Appends the number.
#[inline]
pub(super) fn append_f64(number: f64, out: &mut Vec<u8>) {
    if let Some(hundredths) = hundredths(number) {
        append_hundredths(hundredths, out);
    } else {
        out.extend_from_slice(zmij::Buffer::new().format(number).as_bytes());
    }
}

/// Returns the number in hundredths, if it has at most two decimals.
///
/// Most amounts and measurements are such numbers, and searching for the shortest text takes several times as
/// long. A decimal of at most 15 digits is uniquely determined by its float, so if the hundredths equal the
/// number, they are the shortest text.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the comparison refuses numbers out of range")]
#[expect(clippy::cast_precision_loss, reason = "integers below 10^15 are exact")]
#[expect(clippy::float_cmp, reason = "only the identical float will do")]
fn hundredths(number: f64) -> Option<i64> {
    let hundredths = (number * 100.0 + 0.5_f64.copysign(number)) as i64;
    // Zero has a sign, which hundredths do not keep.
    let known = hundredths != 0
        && hundredths.unsigned_abs() < 1_000_000_000_000_000
        && hundredths as f64 / 100.0 == number;
    known.then_some(hundredths)
}

#[inline]
fn append_hundredths(hundredths: i64, out: &mut Vec<u8>) {
    if hundredths < 0 {
        out.push(b'-');
    }
    let (whole, rest) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or_default();
    if rest % 10 == 0 {
        out.extend_from_slice(&[b'.', digit(rest / 10)]);
    } else {
        out.extend_from_slice(&[b'.', digit(rest / 10), digit(rest)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: f64) -> String {
        let mut out = Vec::new();
        append_f64(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn agrees(number: f64) {
        assert_eq!(text(number), zmij::Buffer::new().format(number));
    }

    #[test]
    fn a_number_with_few_decimals_is_written_as_the_shortest_text() {
        for (number, expected) in [
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.01, "0.01"),
            (-0.07, "-0.07"),
            (10.1, "10.1"),
            (1.005, "1.005"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(text(number), expected);
        }
    }

    #[test]
    fn every_number_is_written_as_the_search_for_the_shortest_text_would() {
        let mut state = 5_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        for _ in 0..5_000 {
            agrees(f64::from_bits(next()));
            let digits = next() % 10_u64.pow(u32::try_from(1 + next() % 17).unwrap());
            for decimals in 0..5 {
                let number: f64 = format!("{digits}e-{decimals}").parse().unwrap();
                agrees(number);
                agrees(-number);
                agrees(number.next_up());
                agrees(number.next_down());
            }
        }
    }
}
