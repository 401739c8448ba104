use batch_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Total(u64);

#[step]
fn count() -> Total {
    Total(3)
}

#[step]
fn report(total: &Output<count>) {
    let _ = total.0;
}

#[step]
fn load() {}

#[job]
fn etl() {
    match load {
        Completed => count,
        Failed => {}
    }
    report;
}

fn main() {}
