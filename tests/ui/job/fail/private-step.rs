use batch_runtime::prelude::*;

mod steps {
    use batch_runtime::prelude::*;

    #[step]
    fn load() {}
}

#[job]
fn etl() {
    steps::load;
}

fn main() {}
