//! Receives: a check. Gives: a type that is erroneous where the check is, so that one mistake is reported once.

use crate::definition::{Failure, InAnyOrder, Scope};

/// `<T as If<{ check; true }>>::Is` is `T` where the check compiles; else an erroneous type, about which rustc
/// reports nothing more.
pub trait If<const HOLDS: bool> {
    type Is: ?Sized;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> If<true> for T {
    type Is = T;
}

/// The value as that type, which it is unless an error was reported before.
#[inline]
pub fn same<T>(value: T) -> T {
    value
}

/// Named by generated code, to ask whether what binds a writer binds one that takes chunks in any order.
pub const fn in_any_order<'s, W: InAnyOrder, F: Copy + FnOnce(&Scope<'s>) -> Result<W, Failure>>(_: F) {}
