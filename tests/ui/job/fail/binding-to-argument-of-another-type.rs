use batch_runtime::prelude::*;

#[step]
fn load(region: String) {
    let _ = region;
}

#[job]
fn etl(area: u32) {
    load(region = area);
}

fn main() {}
