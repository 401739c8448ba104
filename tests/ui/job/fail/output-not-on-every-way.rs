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
enum Quality {
    Good,
    Bad,
}

#[decider]
fn quality() -> Quality {
    Quality::Good
}

#[job]
fn etl() {
    match quality {
        Quality::Good => count,
        Quality::Bad => {}
    }
    report;
}

fn main() {}
