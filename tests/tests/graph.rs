//! Compares the pictures of a job with reviewed files. `UPDATE_GOLDEN=1` rewrites the files.

#![allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "the language fixes what components take and return"
)]

use batch_runtime::graph::{GraphFormat, render};
use batch_runtime::prelude::*;
use batch_runtime::{JobDefinition, JobInfo};

#[reader]
fn flights(input: PathBuf) -> impl Iterator<Item = u32> {
    let _ = input;
    0..3
}

#[processor]
fn late(flight: u32) -> Option<u32> {
    (flight > 1).then_some(flight)
}

#[writer]
fn save(_flights: &[u32]) {}

#[step(chunk = 1_000, start_limit = 3)]
fn load() {
    flights(input = yesterday) | late | save
}

#[step(allow_start_if_complete = true)]
fn publish(region: String) {
    let _ = region;
}

#[step]
fn page() {}

#[step]
fn clean() {}

enum Quality {
    Good,
    Bad { rows: u64 },
}

#[decider]
fn quality() -> Quality {
    let _ = Quality::Bad { rows: 1 };
    Quality::Good
}

#[decider]
fn more() -> bool {
    false
}

#[flow]
fn finish() {
    clean;
    match page as last_page {
        Completed => {}
        Failed => stop!("look at \"page\" & <approve>"),
    }
}

#[job]
fn archive(#[param(default = 3)] _copies: u8) {
    publish(region = "eu \"west\"");
}

#[job]
fn etl(
    yesterday: PathBuf,
    #[param(identifying = false)] _note: Option<String>,
    #[param(secret)] _token: String,
    #[param(default = "eu")] region: String,
) {
    load;
    match quality {
        Quality::Good => publish,
        Quality::Bad { rows: 0 } => {}
        Quality::Bad { .. } => {
            publish(region = "quarantine") as set_aside;
            fail!("the file is damaged");
        }
    }
    while !more {
        page;
    }
    loop {
        match more {
            true => break,
            false => end!("NOTHING_LEFT"),
        }
    }
    finish;
    archive as archive_all;
}

#[job]
fn side_by_side(yesterday: PathBuf, region: String) {
    split! {
        load,
        { clean; publish },
    }
    while more {
        split! {
            max = 2;
            page,
            match quality {
                Quality::Good => {}
                Quality::Bad { .. } => fail!("the file is damaged"),
            },
            archive,
        }
    }
}

fn assert_golden(file: &str, format: GraphFormat) {
    assert_golden_of(<etl as JobDefinition>::INFO, file, format);
}

fn assert_golden_of(job: &JobInfo, file: &str, format: GraphFormat) {
    let drawn = render(job, format);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("graph").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    assert_eq!(drawn, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn a_job_is_drawn_with_characters() {
    assert_golden("etl.txt", GraphFormat::Text);
}

#[test]
fn a_job_is_drawn_as_a_mermaid_flowchart() {
    assert_golden("etl.mmd", GraphFormat::Mermaid);
}

#[test]
fn a_job_is_drawn_as_a_graphviz_digraph() {
    assert_golden("etl.dot", GraphFormat::Dot);
}

#[test]
fn branches_are_drawn_between_a_split_and_a_join() {
    let job = <side_by_side as JobDefinition>::INFO;
    assert_golden_of(job, "side_by_side.txt", GraphFormat::Text);
    assert_golden_of(job, "side_by_side.mmd", GraphFormat::Mermaid);
    assert_golden_of(job, "side_by_side.dot", GraphFormat::Dot);
}

#[test]
fn a_job_is_drawn_as_svg() {
    assert_golden("etl.svg", GraphFormat::Svg);
    assert_golden_of(<side_by_side as JobDefinition>::INFO, "side_by_side.svg", GraphFormat::Svg);
}

#[test]
fn a_format_is_known_by_the_name_it_shows() {
    for format in GraphFormat::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
}
