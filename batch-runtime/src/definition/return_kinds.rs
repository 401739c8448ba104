//! Turns the return value of a processor into items: one, at most one, several, or an error.

use std::marker::PhantomData;

use super::{Failure, Many, Sink};

/// Turns the return value of a processor into items: [`One`], [`Maybe`], [`Several`] or [`Fallible`].
///
/// The kind is named rather than inferred from the type, since an `Option` or a `Vec` may itself be the item.
pub trait Yields<R> {
    /// The items.
    type Out;

    /// Passes the items on.
    ///
    /// # Errors
    /// The error that the processor returned, or that of a later processor.
    fn put(returned: R, out: &mut impl Sink<Self::Out>) -> Result<(), Failure>;
}

/// `T`: one item.
#[derive(Debug, Clone, Copy)]
pub enum One {}

/// `Option<T>`: `None` filters the item.
#[derive(Debug, Clone, Copy)]
pub enum Maybe {}

/// `Many<I>`: any number of items.
#[derive(Debug, Clone, Copy)]
pub enum Several {}

/// `Result<R, E>` as the outcome of one item of a bulk processor, where `R` is of kind `K`.
#[derive(Debug, Clone, Copy)]
pub struct Fallible<K>(PhantomData<K>);

impl<T> Yields<T> for One {
    type Out = T;

    #[inline]
    fn put(returned: T, out: &mut impl Sink<T>) -> Result<(), Failure> {
        out.push(returned)
    }
}

impl<T> Yields<Option<T>> for Maybe {
    type Out = T;

    #[inline]
    fn put(returned: Option<T>, out: &mut impl Sink<T>) -> Result<(), Failure> {
        match returned {
            Some(item) => out.push(item),
            None => Ok(()),
        }
    }
}

impl<I: IntoIterator> Yields<Many<I>> for Several {
    type Out = I::Item;

    #[inline]
    fn put(returned: Many<I>, out: &mut impl Sink<I::Item>) -> Result<(), Failure> {
        returned.0.into_iter().try_for_each(|item| out.push(item))
    }
}

impl<R, K: Yields<R>> Yields<Result<R, Failure>> for Fallible<K> {
    type Out = K::Out;

    #[inline]
    fn put(returned: Result<R, Failure>, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        K::put(returned?, out)
    }
}
