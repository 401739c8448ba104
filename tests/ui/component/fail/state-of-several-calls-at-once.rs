use batch_runtime::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Seen(u64);

#[processor(concurrency = 8)]
fn number(line: String, #[state] seen: &mut Seen) -> (u64, String) {
    seen.0 += 1;
    (seen.0, line)
}

fn main() {}
