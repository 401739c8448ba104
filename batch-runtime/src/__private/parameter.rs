//! Support for the parameters of a job in generated code.

use crate::definition::ParameterType;

/// The value of a literal in the program.
///
/// # Panics
/// Never: the text was checked at compile time.
#[must_use]
pub fn of_text<T: ParameterType>(text: &str) -> T {
    let value = T::parse(text).and_then(|value| T::from_value(Some(&value)));
    value.expect("a default is checked at compile time")
}

/// Whether the job uses the parameter. If it does not, the code after `go_on` is unreachable, so rustc itself
/// warns that the variable in that code is unused: a macro cannot emit warnings on stable Rust.
#[derive(Debug)]
pub struct UsedParameter<const USED: bool>;

/// A type without values.
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
