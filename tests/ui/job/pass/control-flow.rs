//! Order, routes, loops, flows, bindings and nested jobs.

use batch_runtime::prelude::*;
use batch_runtime::graph::{Activity, Node, Subject};
use batch_runtime::{JobDefinition, Launch};

mod steps {
    use super::*;

    #[step]
    pub fn fetch(input: &Path, region: String) {
        let _ = (input, region);
    }

    #[step]
    pub fn page(limit: u16) {
        let _ = limit;
    }

    #[reader]
    pub fn numbers(count: u32) -> impl Iterator<Item = u32> {
        0..count
    }

    #[writer]
    pub fn drop_them(_numbers: &[u32]) {}

    #[step(chunk = 10)]
    pub fn load() {
        numbers(count = 5) | drop_them
    }
}
use steps::{fetch as get, load, page};

pub enum Quality {
    Good,
    Bad { rows: u64 },
    Unknown(u8),
}

#[decider]
fn quality(region: Option<String>) -> Result<Quality, String> {
    match region {
        None => Ok(Quality::Good),
        Some(region) if region.is_empty() => Ok(Quality::Unknown(1)),
        Some(_) => Ok(Quality::Bad { rows: 3 }),
    }
}

#[decider]
fn more(_job: &JobContext) -> bool {
    false
}

#[decider]
fn place() -> &'static str {
    "eu"
}

#[derive(Serialize, Deserialize)]
pub struct Total {
    rows: u64,
}

#[step]
fn count() -> Result<Total, std::io::Error> {
    Ok(Total { rows: 1 })
}

pub enum Way {
    Left,
    Right,
}

#[step]
fn choose() -> Way {
    let _ = Way::Right;
    Way::Left
}

#[step]
fn report(total: &Output<count>) {
    let _ = total.rows;
}

#[step]
fn alarm(total: Option<&Output<count>>) {
    let _ = total;
}

#[step]
fn tidy() {}

#[flow]
fn finish() {
    count;
    report;
}

#[job]
fn archive(region: String, #[param(default = 3)] copies: u8, note: Option<String>) {
    fetch_all(region = region, input = "/tmp/archive");
}

#[step]
fn fetch_all(input: PathBuf, region: String) {
    let _ = (input, region);
}

/// Loads everything.
///
/// And ranks it.
#[job(exclusive, max_recoveries = 5, restartable = false)]
pub fn etl(
    /// CSV file of flights
    input: PathBuf,
    #[param(default = "eu", identifying = false)] region: String,
    #[param(default = 10)] r#type: u16,
    #[param(secret)] token: Option<String>,
) {
    get;
    steps::fetch(region = "us", input = "/tmp/us.csv") as fetch_us;
    match quality {
        Quality::Good => load,
        Quality::Bad { rows: 0 } | Quality::Unknown(_) => {
            load;
            tidy
        }
        Quality::Bad { .. } => {
            alarm;
            fail!("the file is damaged");
        }
    }
    while more {
        page(limit = r#type);
    }
    while !more {
        match place {
            "eu" => break,
            _ => {}
        }
    }
    loop {
        match choose {
            Way::Left => break,
            Way::Right => stop!("waits for approval"),
        }
    }
    match tidy as tidy_up {
        Completed => {}
        Failed => end!("UNTIDY"),
    }
    #[cfg(any())]
    no_such_step;
    finish;
    archive(region = "eu") as archive_eu;
    archive
}

fn main() {
    let info = <etl as JobDefinition>::INFO;
    assert_eq!(info.name, "etl");
    assert_eq!(info.doc, "Loads everything.\n\nAnd ranks it.");
    assert_eq!(info.parameters[0].doc, "CSV file of flights");
    assert_eq!(info.parameters[2].name, "type");
    assert!(!info.parameters[1].identifying && info.parameters[3].secret);
    assert!(info.options.exclusive && !info.options.restartable && info.options.max_recoveries == 5);
    assert_eq!(info.flow.len(), 10);
    let names: Vec<&str> = info
        .flow
        .iter()
        .filter_map(|node| match node {
            Node::Run(used) => Some(used.name),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["fetch", "fetch_us", "finish", "archive_eu", "archive"]);
    let Node::Match { subject, arms, route, .. } = &info.flow[2] else { panic!() };
    assert!(matches!(subject, Subject::Decider(_)));
    assert_eq!(arms[1].label, "Quality::Bad { rows: 0 } | Quality::Unknown(_)");
    assert_eq!(route(Box::new(Quality::Bad { rows: 7 })), 2);
    let Node::Match { subject: Subject::Ended(Activity::Step(_)), used, .. } = &info.flow[6] else { panic!() };
    assert_eq!(used.name, "tidy_up");

    let launch: Launch = etl(PathBuf::from("/tmp/flights.csv"), "eu".to_owned(), 7, Some("secret".to_owned()));
    assert_eq!(launch.job.name, "etl");
    assert!(launch.parameters.get("token").unwrap().secret);
    assert!(!launch.parameters.get("region").unwrap().identifying);
    assert_eq!(launch.parameters.get("type").unwrap().value.to_string(), "7");
    quality(None).ok();
    tidy();
}
