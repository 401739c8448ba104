use batch_runtime::prelude::*;



batch_runtime::main!();
