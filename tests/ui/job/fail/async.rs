use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
async fn etl() {
    load;
}

fn main() {}
