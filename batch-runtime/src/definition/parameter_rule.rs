//! Judges the value of a parameter by what `#[param(range = ..)]` and `#[param(check = ..)]` say of it.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::parameter::ParameterType;
use super::parameter_value::ParameterValue;

/// What the value of a parameter must be, beside being of its type.
#[derive(Debug, Clone, Copy)]
pub enum ParameterRule {
    /// `#[param(range = 1..=100)]`, for each value of a list.
    Range {
        /// The range, as it is written.
        text: &'static str,
        /// Is the value in it?
        holds: fn(&ParameterValue) -> bool,
    },
    /// `#[param(check = positive)]`
    Check {
        /// The function, as it is written.
        name: &'static str,
        /// Does the function let the value pass? If not, the error is what it says of it.
        passes: fn(&ParameterValue) -> Result<(), Option<String>>,
    },
}

/// A type whose values have an order that `#[param(range = ..)]` can name a part of.
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

/// What a function that checks a parameter may return.
#[diagnostic::on_unimplemented(
    message = "a check of a parameter does not return `{Self}`",
    label = "says neither yes nor no",
    note = "return `bool`, or `Result<(), E>` with an error that can be shown"
)]
pub trait Verdict {
    /// May the value pass? If not, what is said of it.
    ///
    /// # Errors
    /// When it may not.
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

/// Is every single value within? Values that are of another type were refused before.
pub fn within<T: Ranged>(value: &ParameterValue, inside: impl Fn(&T) -> bool) -> bool {
    let single = |value: &ParameterValue| T::from_value(Some(value)).is_ok_and(|value| inside(&value));
    match value {
        ParameterValue::List(texts) => {
            texts.iter().all(|text| T::parse(text).is_ok_and(|value| single(&value)))
        }
        value => single(value),
    }
}

/// Asks a function of the user's, whose panic is a refusal as well.
///
/// # Errors
/// When the value may not pass.
pub fn passes<T: ParameterType>(
    value: &ParameterValue,
    check: impl FnOnce(&T) -> Result<(), Option<String>>,
) -> Result<(), Option<String>> {
    let value = T::from_value(Some(value)).map_err(Some)?;
    catch_unwind(AssertUnwindSafe(|| check(&value))).unwrap_or_else(|_| Err(Some("it panicked".to_owned())))
}
