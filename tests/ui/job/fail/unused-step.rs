#![deny(dead_code)]

use batch_runtime::prelude::*;

#[step]
fn load() {}

#[step]
fn forgotten() {}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[writer]
fn print(_numbers: &[u32]) {}

#[step(chunk = 100)]
fn forgotten_too() {
    numbers | print
}

#[job]
fn etl() {
    load;
}

fn main() {
    let _ = etl();
}
