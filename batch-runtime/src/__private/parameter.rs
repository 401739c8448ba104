//! Gives the code of a job what it needs for its parameters.

use crate::definition::ParameterType;

/// The value that a text in the program stands for.
///
/// # Panics
/// Never: the text was judged while the program compiled.
#[must_use]
pub fn of_text<T: ParameterType>(text: &str) -> T {
    let value = T::parse(text).and_then(|value| T::from_value(Some(&value)));
    value.expect("a default was judged while the program compiled")
}

/// Does the job use the parameter? Where it does not, the code that follows is never reached, so rustc itself says that
/// the variable in it is unused: no macro can warn on stable.
#[derive(Debug)]
pub struct UsedParameter<const USED: bool>;

/// What is never there.
#[derive(Debug)]
pub enum Never {}

impl UsedParameter<true> {
    pub const fn go_on() {}
}

impl UsedParameter<false> {
    #[expect(clippy::must_use_candidate, reason = "there is no value to use")]
    pub const fn go_on() -> Never {
        panic!("only the compiler looks at this call")
    }
}
