//! Converts between integers and floats if the number stays the same.

/// Returns the integer that equals the float exactly.
pub(super) fn to_integer(float: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range")]
    let whole = float as i64;
    ((-BEYOND..BEYOND).contains(&float) && float.fract() == 0.0).then_some(whole)
}

/// Returns the float that equals the integer exactly.
pub(super) fn to_f64(whole: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a float that differs is not returned")]
    let float = whole as f64;
    (to_integer(float) == Some(whole)).then_some(float)
}

/// Returns the `f32` that equals the `f64` exactly.
pub(super) fn to_f32(float: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "a float that differs is not returned")]
    let single = float as f32;
    (f64::from(single).to_bits() == float.to_bits() || float.is_nan()).then_some(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_would_change_is_not_converted() {
        assert_eq!(to_f64(1 << 53), Some(9_007_199_254_740_992.0));
        assert_eq!(to_f64((1 << 53) + 1), None);
        assert_eq!(to_f64(i64::MAX), None);
        assert_eq!(to_f32(0.5), Some(0.5));
        assert_eq!(to_f32(0.1), None);
        assert_eq!(to_f32(1e300), None);
        assert_eq!(to_f32(f64::NEG_INFINITY), Some(f32::NEG_INFINITY));
        assert!(to_f32(f64::NAN).is_some_and(f32::is_nan));
    }
}
