//! The jobs nearest to the mistakes in `fail`.

use batch_runtime::prelude::*;

mod steps {
    use batch_runtime::prelude::*;

    #[step]
    pub fn load() {}
}
use steps::load as ld;

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
    let _ = Quality::Bad;
    Quality::Good
}

#[decider]
fn rest() -> Result<Option<u8>, String> {
    Ok(Some(1))
}

#[step]
fn tidy() {}

/// One step under two names, and through an alias.
#[job]
fn names() {
    ld;
    steps::load as load_again;
    tidy as load_once_more;
}

/// One step in two arms, and after a `match` whose arm with it ends the job.
#[job]
fn exclusive_arms() {
    match quality {
        Quality::Good => tidy,
        Quality::Bad => {
            tidy;
            ld;
            end!()
        }
    }
    ld;
}

/// Every path to the step leads through `count`.
#[job]
fn output_on_every_way() {
    match quality {
        Quality::Good => count,
        Quality::Bad => fail!("no rows"),
    }
    report;
}

/// The failed arm leads elsewhere.
#[job]
fn output_of_a_matched_step() {
    match tidy {
        Completed => count,
        Failed => end!("UNTIDY"),
    }
    match count as count_again {
        Total(0) => end!("EMPTY"),
        _ => {}
    }
    report;
}

/// A restart reaches the statements after `stop!`.
#[job]
fn after_stop() {
    tidy;
    stop!("waits for approval");
    ld;
}

/// Loops end with `break`, or with the job.
#[job]
fn loops() {
    loop {
        match quality {
            Quality::Good => break,
            Quality::Bad => tidy,
        }
    }
    loop {
        match rest {
            Some(0) | None => end!(),
            Some(_) => ld,
        }
    }
}

/// rustc checks the order of the arms and the wildcard.
#[job]
fn outcomes() {
    match tidy {
        Failed => {}
        _ => ld,
    }
}

/// A nested job takes the parameters it needs; those with a default or of an `Option` may be left out.
#[job]
fn inner(input: PathBuf, #[param(default = 3)] copies: u8, limit: Option<u32>) {
    use_input(copies = copies);
}

#[step]
fn use_input(input: &Path, copies: u8, limit: Option<u32>) {
    let _ = (input, copies, limit);
}

#[job]
fn outer(input: PathBuf, #[param(secret)] token: String) {
    inner;
    inner(input = "/tmp/other") as inner_again;
}

/// A type is the same by any path, and a job's `T` can be passed as `Option<T>`.
#[job]
fn spelled_otherwise(input: std::path::PathBuf, copies: u8, limit: u32) {
    use_input;
}

fn main() {
    #[step]
    fn local() {}

    #[job]
    fn in_a_function() {
        local;
    }

    for launch in [names(), exclusive_arms(), output_on_every_way(), output_of_a_matched_step()] {
        assert!(launch.parameters.is_empty());
    }
    let _ = (after_stop(), loops(), outcomes(), in_a_function());
    let _ = inner("/tmp/input".into(), 3, None);
    let _ = outer("/tmp/input".into(), String::new());
    let launch = spelled_otherwise("/tmp/input".into(), 1, 2);
    assert_eq!(launch.parameters.iter().count(), 3);
}
