use batch_runtime::prelude::*;

struct Jobs;
#[step]
fn load() {}

impl Jobs {
    #[job]
    fn etl(&self) {
        load;
    }
}

fn main() {}
