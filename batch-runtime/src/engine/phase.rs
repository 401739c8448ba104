//! Remembers which user code is running, so that a panic is blamed on the right phase and record.

use std::cell::Cell;
use std::mem;

use crate::definition::{Failure, Phase};

thread_local! {
    static RECORD: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Takes the record that the last panic on this thread was about, by its number within the chunk; `None` if the panic
/// did not concern a single record.
pub(crate) fn take_panicked_record() -> Option<u32> {
    RECORD.take()
}

/// Calls its function when it is dropped during a panic.
struct OnPanic<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[inline]
fn on_panic<T>(note: impl FnMut(), call: impl FnOnce() -> T) -> T {
    let guard = OnPanic(note);
    let result = call();
    // The call did not panic, so `note` must not run.
    mem::forget(guard);
    result
}

/// Calls user code; if it panics, `phase` is set to `during`.
#[inline]
pub(crate) fn in_phase<T>(phase: &Cell<Phase>, during: Phase, call: impl FnOnce() -> T) -> T {
    on_panic(move || phase.set(during), call)
}

/// As [`in_phase`], for a call about a single record.
#[inline]
pub(crate) fn in_phase_of_record<T>(
    phase: &Cell<Phase>,
    during: Phase,
    record: u64,
    call: impl FnOnce() -> T,
) -> T {
    let note = move || {
        phase.set(during);
        RECORD.set(u32::try_from(record).ok());
    };
    on_panic(note, call)
}

/// Logs the failure of a listener that was notified after the fact. The failure has no other effect.
pub(crate) fn log_if_failed(result: Result<(), Failure>) {
    if let Err(failure) = result {
        tracing::warn!(%failure, "a listener failed");
    }
}
