//! Remembers which component a panic went through.

use std::cell::Cell;
use std::mem;

thread_local! {
    static PASSED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

struct Naming(&'static str);

impl Drop for Naming {
    fn drop(&mut self) {
        PASSED.set(PASSED.get().or(Some(self.0)));
    }
}

/// Calls a component; a panic in it is known to be its own. Costs nothing where there is none.
#[inline]
pub(crate) fn naming<T>(name: &'static str, call: impl FnOnce() -> T) -> T {
    let naming = Naming(name);
    let returned = call();
    mem::forget(naming);
    returned
}

/// The innermost component that a panic went through on this thread since this was asked last.
pub(crate) fn take_passed() -> Option<&'static str> {
    PASSED.take()
}
