use batch_runtime::prelude::*;

#[writer]
fn save(numbers: &[u32], #[state] seen: &mut usize) {
    *seen += numbers.len();
}

fn main() {}
