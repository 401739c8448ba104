batch_runtime::main!();
