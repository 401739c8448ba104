//! Operations on the user's types, selected by method lookup: copying a state, showing an item as JSON, asking a
//! policy.

use std::error::Error;
use std::marker::PhantomData;

use serde::Serialize;

use crate::definition::Process;
use crate::engine::Kept;
use crate::exact_json;

/// The type of a state or an item.
#[derive(Debug)]
pub struct Copier<S>(PhantomData<S>);

impl<S> Copier<S> {
    pub const OF: Self = Self(PhantomData);
}

/// States and items that are `Clone`.
pub trait Copied<S> {
    fn copier(&self) -> Option<fn(&S) -> S>;
}

impl<S: Clone> Copied<S> for Copier<S> {
    fn copier(&self) -> Option<fn(&S) -> S> {
        Some(S::clone)
    }
}

/// All others.
pub trait NotCopied<S> {
    fn copier(&self) -> Option<fn(&S) -> S>;
}

impl<S> NotCopied<S> for &Copier<S> {
    fn copier(&self) -> Option<fn(&S) -> S> {
        None
    }
}

/// Keeps a copy of each item while the item is processed, if the step wants a copy or if a copy costs nothing.
#[derive(Debug)]
pub struct Keeping<T, const WANTED: bool>(PhantomData<T>);

impl<T, const WANTED: bool> Keeping<T, WANTED> {
    pub const OF: Self = Self(PhantomData);
}

/// Items that are `Clone`, in a step that wants copies.
pub trait KeptByClone<T> {
    fn keep<P: Process<T>>(&self, processor: P) -> Kept<P>;
}

impl<T: Clone> KeptByClone<T> for Keeping<T, true> {
    fn keep<P: Process<T>>(&self, processor: P) -> Kept<P> {
        Kept::new(processor)
    }
}

/// Items that are `Copy`, in a step that does not ask for copies.
pub trait KeptByCopy<T> {
    fn keep<P: Process<T>>(&self, processor: P) -> Kept<P>;
}

impl<T: Copy> KeptByCopy<T> for Keeping<T, false> {
    fn keep<P: Process<T>>(&self, processor: P) -> Kept<P> {
        Kept::new(processor)
    }
}

/// All others.
pub trait NotKept<T> {
    fn keep<P: Process<T>>(&self, processor: P) -> P;
}

impl<T, const WANTED: bool> NotKept<T> for &Keeping<T, WANTED> {
    fn keep<P: Process<T>>(&self, processor: P) -> P {
        processor
    }
}

/// An item that is skipped.
#[derive(Debug)]
pub struct Shown<'i, T>(pub &'i T);

/// Items that serialise.
pub trait AsItem {
    fn item_json(&self) -> Option<String>;
}

impl<T: Serialize> AsItem for Shown<'_, T> {
    fn item_json(&self) -> Option<String> {
        exact_json::shown(self.0).ok()
    }
}

/// All others.
pub trait NoItem {
    fn item_json(&self) -> Option<String>;
}

impl<T> NoItem for &Shown<'_, T> {
    fn item_json(&self) -> Option<String> {
        None
    }
}

/// Implemented by `#[skip_policy]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a skip policy",
    label = "decides nothing about skips",
    note = "put `#[skip_policy]` on a function `fn name(error: &MyError, skipped: u64) -> bool`"
)]
pub trait SkipPolicy {
    /// Named by generated code to check the trait.
    const IS: () = ();

    /// See [`Covers`](crate::definition::Covers).
    fn covers(error: &(dyn Error + 'static), so_far: u64) -> Option<bool>;
}

/// Implemented by `#[retry_policy]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retry policy",
    label = "decides nothing about retries",
    note = "put `#[retry_policy]` on a function `fn name(error: &MyError, repeated: u64) -> bool`"
)]
pub trait RetryPolicy {
    /// Named by generated code to check the trait.
    const IS: () = ();

    /// See [`Covers`](crate::definition::Covers).
    fn covers(error: &(dyn Error + 'static), so_far: u64) -> Option<bool>;
}

/// Covers all errors of a type, for a rule that names a type.
#[must_use]
pub fn is_of<E: Error + 'static>(error: &(dyn Error + 'static), _so_far: u64) -> Option<bool> {
    error.is::<E>().then_some(true)
}

#[cfg(test)]
mod tests {
    use super::{AsItem as _, Copied as _, Copier, NoItem as _, NotCopied as _, Shown};

    struct Plain;

    #[test]
    fn only_a_state_that_is_clone_is_copied() {
        assert!(Copier::<u32>::OF.copier().is_some());
        assert!((&Copier::<Plain>::OF).copier().is_none());
    }

    #[test]
    fn only_an_item_that_serialises_is_shown() {
        assert_eq!(Shown(&7).item_json().as_deref(), Some("7"));
        assert_eq!(Shown(&f64::NAN).item_json().as_deref(), Some("\"NaN\""));
        assert!((&Shown(&Plain)).item_json().is_none());
    }
}
