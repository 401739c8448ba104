use batch_runtime::prelude::*;

#[step]
fn load(region: String, copies: u8) {
    let _ = (region, copies);
}

#[job]
fn etl() {
    load(region = 3, copies = 300);
}

fn main() {}
