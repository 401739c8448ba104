use batch_runtime::prelude::*;

struct Lines;

impl Lines {
    #[processor]
    fn length(&self, line: String) -> usize {
        line.len()
    }
}

fn main() {}
