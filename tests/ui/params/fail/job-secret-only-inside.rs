use batch_runtime::prelude::*;

#[step]
fn fetch(token: String) {
    let _ = token;
}

#[job]
fn inner(#[param(secret)] token: String) {
    fetch;
}

#[job]
fn etl(token: String) {
    inner;
}

fn main() {}
