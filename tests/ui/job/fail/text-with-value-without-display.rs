use batch_runtime::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct Total {
    rows: u64,
}

#[step]
fn load() -> Total {
    Total { rows: 0 }
}

#[job]
fn etl() {
    load;
    fail!("{load} rows");
}

fn main() {}
