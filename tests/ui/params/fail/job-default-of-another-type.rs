use batch_runtime::prelude::*;

#[step]
fn load(limit: u32, region: String) { println!("{limit} {region}") }

#[job]
fn etl(#[param(default = "three")] limit: u32, #[param(default = 3)] region: String) {
    load;
}

fn main() {}
