//! Parses a duration such as `"1h30m"` into nanoseconds.

/// The units, longest first, with their length in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads numbers with units, longer units first; `None` for anything else, and on overflow.
pub(crate) fn nanoseconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        // Only shorter units remain, so no unit appears twice or after a shorter one.
        let (_, nanoseconds) = units.find(|(unit, _)| *unit == &after[..end])?;
        total = total.checked_add(number.checked_mul(*nanoseconds)?)?;
        rest = after[end..].trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_added() {
        assert_eq!(nanoseconds("100ms"), Some(100_000_000));
        assert_eq!(nanoseconds("1h30m"), Some(5_400_000_000_000));
        assert_eq!(nanoseconds("2m 5s"), Some(125_000_000_000));
    }

    #[test]
    fn anything_else_is_not_a_duration() {
        for text in ["", "5", "s", "5 s", "5sec", "1s1s", "1s1m", "-1s", "1.5s", "1h,5m", "99999999d"] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
