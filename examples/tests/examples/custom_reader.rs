use std::collections::BTreeMap;
use std::fs;

use crate::flights::read;
use crate::program::{Folder, counted, data};

/// Maps each sensor to its number of readings and their total, from lines of text.
fn expected(text: &str) -> BTreeMap<String, (u32, i64)> {
    let mut totals = BTreeMap::<String, (u32, i64)>::new();
    for line in text.lines() {
        let (sensor, value) = line.split_once(' ').unwrap();
        let (readings, total) = totals.entry(sensor.to_owned()).or_default();
        *readings += 1;
        *total += value.trim().parse::<i64>().unwrap();
    }
    totals
}

fn found(folder: &Folder) -> BTreeMap<String, (u32, i64)> {
    let database = folder.database();
    let mut query = database.prepare("SELECT sensor, readings, total FROM sensor_total").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn it_adds_up_the_readings_of_each_sensor() {
    let folder = Folder::new();
    folder.run("custom_reader", ["run", "--input", data("tape.dat").to_str().unwrap()]).ended_with(0);
    assert_eq!(found(&folder), expected(&read(&data("tape.dat"))));
}

#[test]
fn a_restart_resumes_at_the_position_and_not_at_the_beginning() {
    let folder = Folder::new();
    let tape = read(&data("tape.dat"));
    let mut torn = tape.clone();
    torn.replace_range(16 * 777..16 * 777 + 6, "??????");
    torn.replace_range(16 * 777 + 6..16 * 777 + 15, "noreading");
    folder.write("tape.dat", &torn);
    let arguments = ["run", "--input", "tape.dat"];
    let ran = folder.run("custom_reader", arguments).ended_with(1);
    assert!(ran.err.contains("record 778") || ran.out.contains("record 778"), "{}\n{}", ran.out, ran.err);
    // Only committed readings count: whole chunks of 50.
    assert_eq!(counted(&folder.database(), "total_readings").read, 750);
    assert_eq!(found(&folder).values().map(|(readings, _)| readings).sum::<u32>(), 750);

    // The repaired tape is damaged at the records that must not be read again.
    let mut mended = tape.clone().into_bytes();
    mended[..16 * 750].fill(b'#');
    fs::write(folder.file("tape.dat"), mended).unwrap();
    folder.run("custom_reader", arguments).ended_with(0);
    assert_eq!(found(&folder), expected(&tape));
}

#[test]
fn a_tape_that_has_lost_its_end_fails_the_job() {
    let folder = Folder::new();
    let tape = read(&data("tape.dat"));
    folder.write("tape.dat", &tape[..16 * 777 + 5]);
    let ran = folder.run("custom_reader", ["run", "--input", "tape.dat"]).ended_with(1);
    assert!(
        ran.err.contains("record 778 is not complete: the tape ends within it"),
        "{}\n{}",
        ran.out,
        ran.err
    );
}
