//! Converts between integers and reals if the number stays the same.

/// Returns the integer that equals the real exactly.
pub(super) fn whole_of(real: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range")]
    let whole = real as i64;
    ((-BEYOND..BEYOND).contains(&real) && real.fract() == 0.0).then_some(whole)
}

/// Returns the real that equals the integer exactly.
#[cfg(feature = "postgres")]
pub(super) fn of_whole(whole: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a real that differs is not returned")]
    let real = whole as f64;
    (whole_of(real) == Some(whole)).then_some(real)
}

/// Returns the `f32` that equals the real exactly.
#[cfg(feature = "postgres")]
pub(super) fn single(real: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "a real that differs is not returned")]
    let single = real as f32;
    (f64::from(single).to_bits() == real.to_bits() || real.is_nan()).then_some(single)
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_would_change_is_not_converted() {
        assert_eq!(of_whole(1 << 53), Some(9_007_199_254_740_992.0));
        assert_eq!(of_whole((1 << 53) + 1), None);
        assert_eq!(of_whole(i64::MAX), None);
        assert_eq!(single(0.5), Some(0.5));
        assert_eq!(single(0.1), None);
        assert_eq!(single(1e300), None);
        assert_eq!(single(f64::NEG_INFINITY), Some(f32::NEG_INFINITY));
        assert!(single(f64::NAN).is_some_and(f32::is_nan));
    }
}
