use batch_runtime::prelude::*;

mod steps {
    use batch_runtime::prelude::*;

    #[step]
    pub fn load() {}
}
use steps::load as ld;

#[job]
fn etl() {
    ld;
    steps::load;
}

fn main() {}
