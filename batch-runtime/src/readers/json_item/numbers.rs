//! Refuses JSON in which a number would become a different number. `serde_json` refuses a number that is too large for
//! a float, but reads one that is too close to zero, such as `1e-999`, as zero.

use std::fmt::Display;

use crate::readers::floats::{self, NotAFloat};

/// What `serde_json` says about a number that is too large.
pub(in crate::readers) const OUT_OF_RANGE: &str = "number out of range";

/// Refuses a text if a number in it became zero when `read` deserialized it.
///
/// Only the type knows which numbers it takes as floats, and of which size: others may be ignored, or kept as text. So
/// this function replaces each number that would become zero by a number of the same length that is too large.
/// `serde_json` refuses the replacement exactly where the original became zero.
pub(super) fn refuse_vanished<E: Display>(text: &str, read: impl Fn(&str) -> Result<(), E>) -> Result<(), E> {
    let Some(too_large) = with_numbers_too_large(text) else { return Ok(()) };
    match read(&too_large) {
        Err(error) if error.to_string().contains(OUT_OF_RANGE) => Err(error),
        _ => Ok(()),
    }
}

/// Replaces the numbers that become zero as floats; `None` if there are none.
fn with_numbers_too_large(text: &str) -> Option<String> {
    let mut changed: Option<String> = None;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                let number = &text[at..at + length];
                if let Some(too_large) = too_large(number) {
                    changed.get_or_insert_with(|| text.to_owned()).replace_range(at..at + length, &too_large);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    changed
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
}

/// The offset after the string that begins at `at`.
pub(super) fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// Returns a number of the same length that is too large for every float type in which the original becomes zero.
fn too_large(number: &str) -> Option<String> {
    let is_large = !number.contains('-') && !number.starts_with("0.");
    let (filler, digits) = if floats::double(number) == Err(NotAFloat::OutOfRange) {
        ("9", "9999")
    } else if floats::single(number) == Err(NotAFloat::OutOfRange) && !is_large {
        ("0", "99")
    } else {
        return None;
    };
    let filler = filler.repeat(number.len().checked_sub("9e".len() + digits.len())?);
    Some(format!("9e{filler}{digits}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::{DeserializeOwned, IgnoredAny};
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::super::from_str;

    const VANISHING: [&str; 4] = ["1e-999", "-1.5E-400", "0.0001e-323", "123456789e-340"];

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Measured<T> {
        id: u32,
        value: T,
    }

    fn refused<T: DeserializeOwned>(text: &str) -> bool {
        from_str::<T>(text).is_err_and(|error| error.to_string().starts_with("number out of range"))
    }

    #[test]
    fn a_number_that_would_become_zero_is_refused_as_one_that_is_too_large() {
        let long = format!("0.{}1", "0".repeat(330));
        for number in VANISHING.into_iter().chain(["1e400", &long]) {
            assert!(refused::<f64>(number), "{number}");
            let text = format!("{{\"id\": 1, \"value\": {number}}}");
            assert!(refused::<Measured<f64>>(&text), "{number}");
            assert!(refused::<Measured<Option<f64>>>(&text), "{number}");
            assert!(refused::<Measured<Value>>(&text), "{number}");
            assert!(refused::<BTreeMap<String, f64>>(&text), "{number}");
            assert!(refused::<Value>(&text), "{number}");
            assert!(refused::<Vec<f32>>(&format!("[1, {number}]")), "{number}");
        }
    }

    #[test]
    fn the_size_of_the_float_decides() {
        let long = format!("0.{}7", "0".repeat(45));
        for number in ["1e-60", "7e-46", "-1e39", "1e300", &long] {
            assert!(refused::<Measured<f32>>(&format!("{{\"id\":1,\"value\":{number}}}")), "{number}");
            assert!(
                from_str::<Measured<f64>>(&format!("{{\"id\":1,\"value\":{number}}}")).is_ok(),
                "{number}"
            );
        }
        assert_eq!(from_str::<f32>("1e-45").unwrap().to_bits(), 1);
        assert_eq!(from_str::<f64>("5e-324").unwrap().to_bits(), 1);
    }

    #[test]
    fn a_number_that_is_kept_as_text_or_not_read_is_accepted() {
        for number in VANISHING {
            let text = format!("{{\"id\": 1, \"value\": {number}}}");
            assert_eq!(from_str::<Measured<Box<RawValue>>>(&text).unwrap().value.get(), number);
            assert!(from_str::<Measured<IgnoredAny>>(&text).is_ok());
            let text = format!("{{\"id\": 1, \"value\": \"\\\"{number}\", \"x\": {number}}}");
            assert_eq!(from_str::<Measured<String>>(&text).unwrap().value, format!("\"{number}"));
        }
    }

    #[test]
    fn a_zero_is_a_zero_however_it_is_written() {
        for zero in ["0", "-0.0", "0e-999", "0.00e-400", &format!("0.{}", "0".repeat(400))] {
            assert!(from_str::<f64>(zero).is_ok_and(|number| number == 0.0), "{zero}");
        }
    }

    #[test]
    fn the_error_has_the_place_of_the_number() {
        let error = from_str::<Value>("{\"a\": \"1e-999\",\n \"b\": 1e-999}").unwrap_err();
        assert_eq!(
            (error.line(), error.to_string().starts_with("number out of range at line 2 column")),
            (2, true)
        );
    }
}
