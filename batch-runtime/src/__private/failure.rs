//! Converts the results of user functions of any type: errors to [`Failure`], values to JSON.
//!
//! Method lookup picks the conversion: generated code calls `(&&&&&&Thrown::of(&error)).failure(error)`, and rustc
//! tries the traits below in their order until the error meets the bound of one.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::definition::{BoxError, Failure, IsError, LocalError};
use crate::exact_json;

/// The type of an error.
#[derive(Debug)]
pub struct Thrown<E>(PhantomData<fn(E)>);

impl<E> Thrown<E> {
    #[must_use]
    pub const fn of(_: &E) -> Self {
        Self(PhantomData)
    }
}

/// Types that carry an error: `anyhow::Error`, `Box<dyn Error + Send + Sync>`.
pub trait AsCarrier<E> {
    fn failure(&self, error: E) -> Failure;
}

impl<E: AsRef<dyn Error + Send + Sync> + Send + Sync + 'static> AsCarrier<E> for &&&&&Thrown<E> {
    #[cold]
    fn failure(&self, error: E) -> Failure {
        let mut error = Some(error);
        let boxed = (&mut error as &mut dyn Any).downcast_mut::<Option<BoxError>>();
        if let Some(boxed) = boxed.and_then(Option::take) {
            return Failure::new(boxed);
        }
        Failure::holding(error.expect("only a boxed error was taken"))
    }
}

/// Errors that keep their type: `Error + Send + Sync`, and strings.
pub trait AsError<E> {
    fn failure(&self, error: E) -> Failure;
}

impl<E: Into<BoxError>> AsError<E> for &&&&Thrown<E> {
    #[cold]
    fn failure(&self, error: E) -> Failure {
        Failure::new(error)
    }
}

/// Errors that cannot be sent to another thread.
pub trait AsLocal<E> {
    fn failure(&self, error: E) -> Failure;
}

impl<E: Error + 'static> AsLocal<E> for &&&Thrown<E> {
    #[cold]
    fn failure(&self, error: E) -> Failure {
        Failure::new(LocalError::new(Box::new(error)))
    }
}

/// Boxed errors that cannot be sent to another thread.
pub trait AsBoxed<E> {
    fn failure(&self, error: E) -> Failure;
}

impl<E: Into<Box<dyn Error>>> AsBoxed<E> for &&Thrown<E> {
    #[cold]
    fn failure(&self, error: E) -> Failure {
        Failure::new(LocalError::new(error.into()))
    }
}

/// Types that implement `Display`.
pub trait AsText<E> {
    fn failure(&self, error: E) -> Failure;
}

impl<E: fmt::Display> AsText<E> for &Thrown<E> {
    #[cold]
    fn failure(&self, error: E) -> Failure {
        Failure::new(error.to_string())
    }
}

/// Types that are not errors. Used where another check has already reported the mistake.
pub trait Reported<E> {
    fn failure(&self, error: E) -> Failure;
}

impl<E> Reported<E> for Thrown<E> {
    fn failure(&self, _: E) -> Failure {
        Failure::new("not an error")
    }
}

/// Types that are not errors: the call does not compile, and the message says so.
pub trait NoError<E> {
    fn failure(&self, error: E) -> Failure
    where
        E: IsError;
}

impl<E> NoError<E> for Thrown<E> {
    fn failure(&self, _: E) -> Failure
    where
        E: IsError,
    {
        Failure::new("not an error")
    }
}

/// The value of a tasklet.
#[derive(Debug)]
pub struct Left<'v, V>(pub &'v V);

/// Values of serde types become outputs for later steps.
pub trait AsOutput {
    /// # Errors
    /// If the value cannot be serialised, or would be read back as another one.
    fn output_json(&self) -> Result<Option<String>, Failure>;
}

impl<V: Serialize + DeserializeOwned> AsOutput for &Left<'_, V> {
    fn output_json(&self) -> Result<Option<String>, Failure> {
        let json = exact_json::to_string(self.0);
        json.map(Some)
            .map_err(|error| Failure::new(format!("its value cannot be kept for later steps: {error}")))
    }
}

/// All other values only decide how the job continues.
pub trait AsRoute {
    /// # Errors
    /// Never.
    fn output_json(&self) -> Result<Option<String>, Failure>;
}

impl<V> AsRoute for Left<'_, V> {
    fn output_json(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! failure {
        ($error:expr) => {{
            let error = $error;
            (&&&&&&Thrown::of(&error)).failure(error)
        }};
    }

    #[derive(Debug, PartialEq)]
    struct Own;
    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("mine")
        }
    }
    impl Error for Own {}

    #[test]
    fn an_error_keeps_its_type() {
        assert_eq!(failure!(Own).cause().downcast_ref::<Own>(), Some(&Own));
    }

    #[test]
    fn strings_and_boxed_errors_are_errors() {
        assert_eq!(failure!("text").to_string(), "text");
        assert_eq!(failure!(String::from("text")).to_string(), "text");
        assert!(failure!(BoxError::from(Own)).cause().is::<Own>());
    }

    #[test]
    fn an_error_that_stays_on_its_thread_keeps_its_messages() {
        let error: Box<dyn Error> = Box::new(Own);
        assert_eq!(failure!(error).to_string(), "mine");
    }

    #[derive(Debug)]
    struct Outer(Own);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_inside_anyhow_is_found() {
        use anyhow::Context as _;
        let plain = failure!(anyhow::Error::from(Own));
        assert_eq!(plain.find::<Own>(), Some(&Own));
        assert_eq!(plain.to_string(), "mine");
        let source = failure!(anyhow::Error::from(Outer(Own)));
        assert_eq!(source.find::<Own>(), Some(&Own));
        let failure = failure!(Err::<(), _>(Own).context("loading").context("today").unwrap_err());
        assert_eq!(failure.find::<Own>(), Some(&Own));
        assert_eq!(failure.to_string(), "today: loading: mine");
    }

    #[test]
    fn an_error_that_stays_on_its_thread_falls_under_its_rule() {
        use crate::definition::{FaultRules, Rank, SkipRule};
        const RULES: &FaultRules = &FaultRules {
            skip: &[SkipRule {
                what: "Own",
                of: None,
                rank: Rank::Type,
                covers: crate::__private::faults::is_of::<Own>,
                skips: true,
                limit: None,
            }],
            retry: &[],
        };
        let is_skipped = |failure: &Failure| RULES.skipped_by(failure, 0).is_some();
        assert!(is_skipped(&failure!(Box::<dyn Error>::from(Own))));
        assert!(is_skipped(&failure!(Box::<dyn Error>::from(Outer(Own)))));
        assert!(!is_skipped(&failure!(Box::<dyn Error>::from("mine"))));
    }

    #[test]
    fn an_error_that_is_not_send_keeps_its_type_on_its_thread() {
        #[derive(Debug)]
        struct Bound(std::rc::Rc<Own>);
        impl fmt::Display for Bound {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl Error for Bound {}
        assert!(failure!(Bound(std::rc::Rc::new(Own))).inspect(<dyn Error>::is::<Bound>));
    }

    #[test]
    fn a_failure_that_was_boxed_stays_one_failure() {
        let failure = failure!(BoxError::from(Failure::new(Own).in_component("late")));
        assert_eq!(failure.component(), Some("late"));
    }

    #[test]
    fn anything_that_implements_display_is_an_error() {
        assert_eq!(failure!(17).to_string(), "17");
    }

    #[test]
    #[expect(
        clippy::needless_borrow,
        reason = "generated code has the references, which decide what is called"
    )]
    fn a_serde_value_is_left_and_another_is_not() {
        struct Plain;
        assert_eq!((&&Left(&3_u8)).output_json().unwrap().as_deref(), Some("3"));
        assert_eq!((&&Left(&Plain)).output_json().unwrap(), None);
    }
}
