//! Converts between integers and floats if the number stays the same.

/// Returns the integer that equals the float exactly.
pub(super) fn to_integer<T: TryFrom<i128> + TryFrom<u128>>(float: f64) -> Option<T> {
    /// 2¹²⁸, and the half of it.
    const BEYOND: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
    const HALF: f64 = BEYOND / 2.0;
    if float.fract() != 0.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the range")]
    if (-HALF..0.0).contains(&float) {
        return T::try_from(float as i128).ok();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a whole number within the range"
    )]
    if (0.0..BEYOND).contains(&float) { T::try_from(float as u128).ok() } else { None }
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
    fn a_whole_float_is_any_integer_that_equals_it() {
        assert_eq!(to_integer(9_223_372_036_854_775_808.0), Some(1_u64 << 63));
        assert_eq!(to_integer::<i64>(9_223_372_036_854_775_808.0), None);
        assert_eq!(to_integer(-9_223_372_036_854_775_808.0), Some(i64::MIN));
        assert_eq!(to_integer(2_f64.powi(127)), Some(1_u128 << 127));
        assert_eq!(to_integer(-(2_f64.powi(127))), Some(i128::MIN));
        assert_eq!((to_integer(-0.0), to_integer(255.0)), (Some(0_u8), Some(255_u8)));
        for float in [256.0, -1.0, 0.5, 2_f64.powi(128), f64::INFINITY, f64::NAN] {
            assert_eq!(to_integer::<u8>(float), None, "{float}");
        }
    }

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
