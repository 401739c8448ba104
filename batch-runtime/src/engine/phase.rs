//! Tells which user code is running, so that a panic is blamed on the right phase and record.

use std::cell::Cell;
use std::mem;

use crate::definition::{Failure, Phase};

/// Notes the phase if the call it stands beside panics; costs nothing if it does not.
struct Unwinding<'p>(&'p Cell<Phase>, Phase);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

thread_local! {
    static RECORD: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The record that a panic on this thread was about, where it was one, since this was asked last: its number in the chunk.
pub(crate) fn take_panicked_record() -> Option<u32> {
    RECORD.take()
}

/// Notes the record if the call it stands beside panics.
struct OfRecord(u64);

impl Drop for OfRecord {
    fn drop(&mut self) {
        RECORD.set(u32::try_from(self.0).ok());
    }
}

/// As [`noting`], of a call that is about one record.
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

#[inline]
pub(crate) fn in_phase<T>(phase: &Cell<Phase>, during: Phase, call: impl FnOnce() -> T) -> T {
    let unwinding = Unwinding(phase, during);
    let result = call();
    mem::forget(unwinding);
    result
}

/// What a listener of something that has happened failed with: it is reported, and changes nothing.
pub(crate) fn log_if_failed(result: Result<(), Failure>) {
    if let Err(failure) = result {
        tracing::warn!(%failure, "a listener failed");
    }
}
