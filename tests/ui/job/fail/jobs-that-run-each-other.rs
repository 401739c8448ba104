use batch_runtime::prelude::*;

#[job]
fn monday() {
    tuesday;
}

#[job]
fn tuesday() {
    monday;
}

fn main() {}
