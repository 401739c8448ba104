use batch_runtime::prelude::*;

#[step(renamed_from = "load cities")]
fn load_all_cities() {}

#[step(renamed_from = load)]
fn load_towns() {}

#[job]
fn all() {
    load_all_cities;
    load_towns;
}

fn main() {}
