//! The errors of a component, as far as the attributes know them. Rules about errors are checked against these.

use std::any::TypeId;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

/// How a component can fail.
#[derive(Clone, Copy)]
pub enum Raises {
    /// It cannot fail.
    Nothing,
    /// With an error of that type, which may have any source.
    Type {
        /// The type.
        id: fn() -> TypeId,
        /// Its name, for messages.
        name: fn() -> &'static str,
    },
    /// With any error.
    Unknown,
}

impl Raises {
    /// Returns whether it can fail.
    #[must_use]
    pub const fn is_something(self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

impl fmt::Debug for Raises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Type { name, .. } => name(),
            Self::Unknown => "Unknown",
        })
    }
}

/// Determines how a component whose error is `E` can fail.
#[derive(Debug)]
pub struct RaisesOf<E>(PhantomData<fn() -> E>);

impl<E: Error + 'static> RaisesOf<E> {
    /// An error is known by its type.
    pub const IS: Raises = Raises::Type { id: TypeId::of::<E>, name: std::any::type_name::<E> };
}

/// A type that is not an error itself may carry any error: `anyhow::Error`, boxed errors, strings.
pub trait RaisesAny {
    /// Used for types without an inherent constant.
    const IS: Raises = Raises::Unknown;
}

impl<E> RaisesAny for RaisesOf<E> {}

/// The error of a `Result` under any alias.
pub trait ResultOf {
    /// The error.
    type Error;
}

impl<T, E> ResultOf for Result<T, E> {
    type Error = E;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_type_and_anything_else_is_not() {
        use super::RaisesAny as _;
        let Raises::Type { id, .. } = RaisesOf::<<std::io::Result<()> as ResultOf>::Error>::IS else {
            panic!("an error has a type");
        };
        assert_eq!(id(), TypeId::of::<std::io::Error>());
        assert!(matches!(RaisesOf::<String>::IS, Raises::Unknown));
        assert!(matches!(RaisesOf::<Box<dyn Error>>::IS, Raises::Unknown));
    }
}
