use batch_runtime::prelude::*;

#[derive(Debug, ParameterType)]
enum Region {
    Eu,
    FarEast,
}

#[step]
fn load(region: Region) {
    println!("{region:?}");
}

#[job]
fn etl(#[param(default = "fareast")] region: Region) {
    load;
}

fn main() {
    let _ = etl;
}
