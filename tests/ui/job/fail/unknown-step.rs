use batch_runtime::prelude::*;

mod steps {
    use batch_runtime::prelude::*;

    #[step]
    pub fn report() {}
}
#[step]
fn load() {}

#[job]
fn etl() {
    laod;
    steps::reprot;
}

fn main() {}
