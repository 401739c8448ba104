use std::collections::BTreeSet;

use crate::flights::read;
use crate::program::{Folder, counted, data};

/// The first delivery of each message, in order.
fn expected(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    text.lines().skip(1).filter(|line| seen.insert(*line)).map(str::to_owned).collect()
}

fn found(folder: &Folder) -> Vec<String> {
    let database = folder.database();
    let mut query = database
        .prepare("SELECT device || ',' || sequence || ',' || decidegrees FROM message ORDER BY rowid")
        .unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn each_message_is_loaded_once() {
    let folder = Folder::new();
    let deliveries = read(&data("deliveries.csv"));
    folder.run("state", ["run", "--input", data("deliveries.csv").to_str().unwrap()]).ended_with(0);
    let expected = expected(&deliveries);
    assert_eq!((deliveries.lines().count() - 1, expected.len()), (600, 480));
    assert_eq!(found(&folder), expected);
    let counters = counted(&folder.database(), "load_messages");
    assert_eq!((counters.read, counters.filter, counters.write), (600, 120, 480));
}

#[test]
fn messages_delivered_before_a_failure_are_known_after_the_restart() {
    let folder = Folder::new();
    let deliveries = read(&data("deliveries.csv"));
    let arguments = ["run", "--input", "deliveries.csv"];
    let lines: Vec<&str> = deliveries.lines().collect();
    // The 301st record is torn. Some of the later messages were delivered before, which only the state can tell.
    let torn = |line: &str| "x".repeat(line.len());
    let text: String = lines
        .iter()
        .enumerate()
        .map(|(at, line)| if at == 301 { torn(line) + "\n" } else { format!("{line}\n") })
        .collect();
    folder.write("deliveries.csv", text);
    folder.run("state", arguments).ended_with(1);
    let before: BTreeSet<String> = found(&folder).into_iter().collect();
    assert!(lines[301..].iter().any(|line| before.contains(*line)), "the data must exercise the state");

    folder.write("deliveries.csv", &deliveries);
    folder.run("state", arguments).ended_with(0);
    assert_eq!(found(&folder), expected(&deliveries));
}
