//! Remembers which user code is running, so that a panic is blamed on the right phase and record.

use std::cell::Cell;
use std::mem;

use crate::definition::{Failure, Phase};

/// Sets the phase when it is dropped during a panic. A call that returns forgets it, so it costs nothing then.
struct Unwinding<'p>(&'p Cell<Phase>, Phase);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

thread_local! {
    static RECORD: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Takes the number, within the chunk, of the record that the last panic on this thread was about, if it was about one.
pub(crate) fn take_panicked_record() -> Option<u32> {
    RECORD.take()
}

/// Sets the record when it is dropped during a panic.
struct OfRecord(u64);

impl Drop for OfRecord {
    fn drop(&mut self) {
        RECORD.set(u32::try_from(self.0).ok());
    }
}

/// As [`in_phase`], for a call about a single record.
#[inline]
pub(crate) fn in_phase_of_record<T>(
    phase: &Cell<Phase>,
    during: Phase,
    record: u64,
    call: impl FnOnce() -> T,
) -> T {
    let of_record = OfRecord(record);
    let result = in_phase(phase, during, call);
    mem::forget(of_record);
    result
}

/// Calls user code; if it panics, `phase` is set to `during`.
#[inline]
pub(crate) fn in_phase<T>(phase: &Cell<Phase>, during: Phase, call: impl FnOnce() -> T) -> T {
    let unwinding = Unwinding(phase, during);
    let result = call();
    mem::forget(unwinding);
    result
}

/// Logs the failure of a listener that was notified after the fact. It has no other effect.
pub(crate) fn log_if_failed(result: Result<(), Failure>) {
    if let Err(failure) = result {
        tracing::warn!(%failure, "a listener failed");
    }
}
