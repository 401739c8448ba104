//! Remembers which component a panic unwound through.

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

/// Calls a component and attributes a panic in it to that component. Costs nothing unless it panics.
#[inline]
pub(crate) fn naming<T>(name: &'static str, call: impl FnOnce() -> T) -> T {
    let naming = Naming(name);
    let returned = call();
    mem::forget(naming);
    returned
}

/// Returns the innermost component that a panic on this thread unwound through since the last call.
pub(crate) fn take_passed() -> Option<&'static str> {
    PASSED.take()
}
