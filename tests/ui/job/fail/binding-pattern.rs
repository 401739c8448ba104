use batch_runtime::prelude::*;

enum Quality {
    Good,
    Bad { rows: u64 },
    Strange(u8),
}

#[decider]
fn quality() -> Quality {
    let _ = [Quality::Bad { rows: 1 }, Quality::Strange(2)];
    Quality::Good
}
#[step]
fn load() {}

#[job]
fn etl() {
    match quality {
        Quality::Bad { rows } => load,
        Quality::Strange(code) => {}
        other => {}
    }
}

fn main() {}
