//! Turns a failed check into an erroneous type, so that each mistake is reported only once.

use crate::definition::{Failure, InAnyOrder, Scope};

/// `<T as If<{ check; true }>>::Is` is `T` if the check compiles; otherwise it is an erroneous type, about
/// which rustc reports nothing more.
pub trait If<const HOLDS: bool> {
    type Is: ?Sized;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> If<true> for T {
    type Is = T;
}

/// Returns the value as a `T`. Its type may differ from `T` only if an error was already reported.
#[inline]
pub fn same<T>(value: T) -> T {
    value
}

/// Named by generated code to check that a bound writer accepts chunks in any order.
pub const fn in_any_order<'s, W: InAnyOrder, F: Copy + FnOnce(&Scope<'s>) -> Result<W, Failure>>(_: F) {}
