//! Receives: the error type of a component, as the attributes know it. Gives: what rules about errors can be held against.

use std::any::TypeId;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

/// How a component can fail.
#[derive(Clone, Copy)]
pub enum Raises {
    /// Not at all.
    Nothing,
    /// With an error of that type, which may have any sources.
    Type {
        /// The type.
        id: fn() -> TypeId,
        /// Its name, for messages.
        name: fn() -> &'static str,
    },
    /// With whatever it likes.
    Unknown,
}

impl Raises {
    /// May it fail?
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

/// Asks what it means to raise an `E`.
#[derive(Debug)]
pub struct RaisesOf<E>(PhantomData<fn() -> E>);

impl<E: Error + 'static> RaisesOf<E> {
    /// Errors are told by their type.
    pub const IS: Raises = Raises::Type { id: TypeId::of::<E>, name: std::any::type_name::<E> };
}

/// What is no error by itself may carry any: `anyhow::Error`, boxed errors, texts.
pub trait RaisesAny {
    /// Found where there is no constant of the type's own.
    const IS: Raises = Raises::Unknown;
}

impl<E> RaisesAny for RaisesOf<E> {}

/// The error of a `Result` under whatever name.
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
    fn an_error_is_told_by_its_type_and_anything_else_is_not() {
        use super::RaisesAny as _;
        let Raises::Type { id, .. } = RaisesOf::<<std::io::Result<()> as ResultOf>::Error>::IS else {
            panic!("an error has a type");
        };
        assert_eq!(id(), TypeId::of::<std::io::Error>());
        assert!(matches!(RaisesOf::<String>::IS, Raises::Unknown));
        assert!(matches!(RaisesOf::<Box<dyn Error>>::IS, Raises::Unknown));
    }
}
