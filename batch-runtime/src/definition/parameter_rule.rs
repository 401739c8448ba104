//! Checks the value of a parameter against `#[param(range = ..)]` and `#[param(check = ..)]`.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::parameter::ParameterType;
use super::parameter_value::ParameterValue;

/// A rule for the value of a parameter, beyond its type.
#[derive(Debug, Clone, Copy)]
pub enum ParameterRule {
    /// `#[param(range = 1..=100)]`, for each value of a list.
    Range {
        /// The range, as written.
        text: &'static str,
        /// Returns whether the value is in the range.
        holds: fn(&ParameterValue) -> bool,
    },
    /// `#[param(check = positive)]`
    Check {
        /// The function, as written.
        name: &'static str,
        /// Returns whether the function accepts the value; the error holds its reason.
        passes: fn(&ParameterValue) -> Result<(), Option<String>>,
    },
}

/// A type with ordered values, so that `#[param(range = ..)]` can limit them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no range",
    label = "`range` is for numbers and times",
    note = "write `check = f` with a function `fn f(value: &{Self}) -> bool` in its place"
)]
pub trait Ranged: ParameterType + PartialOrd {
    /// Always true.
    const IS: bool = true;
}

macro_rules! ranged {
    ($($type:ident)*) => { $(impl Ranged for $type {})* };
}

ranged!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 Date DateTime Timestamp);

/// A type that the check function of a parameter may return.
#[diagnostic::on_unimplemented(
    message = "the check of a parameter cannot return `{Self}`",
    label = "is neither `bool` nor a `Result`",
    note = "return `bool`, or `Result<(), E>` with an error that implements `Display`"
)]
pub trait Verdict {
    /// Returns whether the value passes, and if not, the reason.
    ///
    /// # Errors
    /// If it does not pass.
    fn verdict(self) -> Result<(), Option<String>>;
}

impl Verdict for bool {
    fn verdict(self) -> Result<(), Option<String>> {
        if self { Ok(()) } else { Err(None) }
    }
}

impl<E: Display> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), Option<String>> {
        self.map_err(|error| Some(error.to_string()))
    }
}

/// Returns whether the value, or each value of a list, is in the range. Values of another type were refused earlier.
pub fn within<T: Ranged>(value: &ParameterValue, inside: impl Fn(&T) -> bool) -> bool {
    let single = |value: &ParameterValue| T::from_value(Some(value)).is_ok_and(|value| inside(&value));
    match value {
        ParameterValue::List(texts) => {
            texts.iter().all(|text| T::parse(text).is_ok_and(|value| single(&value)))
        }
        value => single(value),
    }
}

/// Calls a user's check function. A panic refuses the value too.
///
/// # Errors
/// If the value does not pass.
pub fn passes<T: ParameterType>(
    value: &ParameterValue,
    check: impl FnOnce(&T) -> Result<(), Option<String>>,
) -> Result<(), Option<String>> {
    let value = T::from_value(Some(value)).map_err(Some)?;
    catch_unwind(AssertUnwindSafe(|| check(&value))).unwrap_or_else(|_| Err(Some("it panicked".to_owned())))
}
