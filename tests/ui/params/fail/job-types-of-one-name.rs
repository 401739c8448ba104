use batch_runtime::prelude::*;

 
mod old {
    #[derive(Clone, Copy, batch_runtime::ParameterType)]
    pub enum Region {
        Eu,
    }
}

mod new {
    #[derive(Clone, Copy, batch_runtime::ParameterType)]
    pub enum Region {
        Eu,
    }
}

#[step]
fn load(region: new::Region) {
    let _ = region;
}

#[job]
fn etl(region: old::Region) {
    load;
}

fn main() {}
