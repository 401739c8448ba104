use batch_runtime::prelude::*;

#[step]
fn load(region: String) {
    let _ = region;
}

#[job]
fn etl(area: String) {
    load(region = aera);
}

fn main() {}
