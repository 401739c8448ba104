//! Values in the texts of `end!`, `fail!` and `stop!`.

use batch_runtime::graph::Node;
use batch_runtime::prelude::*;
use batch_runtime::JobDefinition;

mod steps {
    use super::*;

    #[step]
    pub fn count() -> u64 {
        0
    }

    #[step]
    pub fn load(region: &str) -> Vec<String> {
        vec![region.to_owned()]
    }
}
use steps::load;

#[decider]
fn more() -> bool {
    false
}

#[flow]
fn tail() {
    steps::count as counted;
    stop!(r#"look at {counted:08.1} "rows""#);
}

#[job]
fn etl(input: PathBuf, _day: Date, year: u16, r#type: Option<u8>) {
    steps::count;
    load(region = "eu") as load_eu;
    load(region = "us") as load_us;
    while more {
        stop!("{count} rows of {year}");
    }
    loop {
        match more {
            true => fail!("{input}, {day}: {type:?} of {load:?}, {count} and {count:>5} {{}}"),
            false => break,
        }
    }
    #[cfg(any())]
    no_such_step;
    #[cfg(any())]
    fail!("{no_such_step}");
    #[cfg(all())]
    stop!("{count}");
    end!("DONE", "{year}",)
}

#[job]
fn with_flow() {
    tail;
}

fn main() {
    let nodes = <etl as JobDefinition>::INFO.flow;
    let Some(Node::End("DONE", why)) = nodes.last() else { panic!() };
    assert_eq!(why.written, "{year}");
    assert!(why.values.is_some());
    let _ = with_flow();
}
