//! A program for the tests of heap profiles: one function keeps what it allocates, and another one frees it.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

use batch_runtime::prelude::*;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Keeps this many bytes.
#[inline(never)]
fn hoard(bytes: usize) {
    let kept = black_box(vec![1; bytes]);
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
}

/// Needs this many bytes for a moment.
#[inline(never)]
fn borrow(bytes: usize) -> usize {
    let text = black_box(vec![2_u8; bytes]);
    text.iter().map(|byte| usize::from(*byte == 2)).sum()
}

#[reader]
fn numbers() -> impl Iterator<Item = usize> {
    0..10
}

#[processor]
fn collect(number: usize, kilobytes: usize) -> usize {
    hoard(kilobytes * 1_000);
    number
}

#[writer]
fn copy(numbers: &[usize]) {
    borrow(numbers.len() * 100_000);
}

#[step(chunk = 10)]
fn load() {
    numbers | collect | copy
}

/// Keeps memory.
#[job]
fn keep(
    /// How many kilobytes it keeps for each of ten items
    #[param(default = 200)]
    kilobytes: usize,
) {
    load;
}

batch_runtime::main!(keep);
