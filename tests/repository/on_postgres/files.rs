//! Files that a lost owner may still hold: its successor continues with copies, which the lost owner cannot reach.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use batch_runtime::Launch;
use batch_runtime::engine::{self, RunOptions};
use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;
use batch_runtime::repository::BatchStatus;
use batch_runtime::writers::JsonLinesWriter;

use super::jobs::{completes, meet, prepare};
use super::schema;
use crate::place::Place as _;

#[reader]
fn numbers() -> VecReader<i64> {
    VecReader::new((1..=25).collect::<Vec<_>>())
}

/// Waits at the number 13, once.
#[processor]
fn wait(number: i64, trouble: &str) -> i64 {
    if number == 13 {
        meet(trouble);
    }
    number
}

#[writer]
fn list(output: PathBuf) -> JsonLinesWriter<i64> {
    JsonLinesWriter::create(output)
}

#[step(chunk = 4)]
fn write_file() {
    numbers | wait | list
}

/// One file.
#[job]
fn whole(trouble: String, output: PathBuf) {
    write_file;
}

#[step(chunk = 4, partitions = 3)]
fn write_parts() {
    numbers | wait | list
}

/// A file of three parts.
#[job]
fn parts(trouble: String, output: PathBuf) {
    write_parts;
}

/// The file of a nested job.
#[job]
fn outer(trouble: String, output: PathBuf) {
    whole;
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs the job with an owner that loses its lease while it works on the file, and wakes up after its successor is done.
fn lose_a_lease_over_a_file(name: &str, job: fn(String, PathBuf) -> Launch) {
    let Some(place) = schema() else { return };
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("numbers.jsonl");
    let launch = || job(name.to_owned(), output.clone());
    let ((waits, is_waiting), (goes_on, may_go_on)) = (channel(), channel());
    prepare(name, move || {
        waits.send(()).unwrap();
        may_go_on.recv().unwrap();
    });
    let (repository, first) = (place.open(), launch());
    let owner = std::thread::spawn(move || engine::run(&repository, &first, &RunOptions::default()));
    is_waiting.recv().unwrap();
    place.sql("UPDATE BATCH_PROCESS SET LOST = clock_timestamp(), LOST_TO = 'somebody'");

    let report = completes(&place.open(), &launch());
    assert!(report.recovered.is_some());
    let expected = (1..=25).map(|number: i64| number.to_string() + "\n").collect::<String>();
    assert_eq!(fs::read_to_string(&output).unwrap(), expected);
    goes_on.send(()).unwrap();
    let ended = owner.join().unwrap();
    assert!(ended.as_ref().map_or(true, |report| report.status != BatchStatus::Completed), "{ended:?}");
    assert_eq!(fs::read_to_string(&output).unwrap(), expected);
    assert_eq!(names(folder.path()), ["numbers.jsonl"]);
}

#[test]
fn an_owner_whose_lease_ran_out_cannot_reach_the_file_of_its_successor() {
    lose_a_lease_over_a_file("file", whole);
}

#[test]
fn an_owner_whose_lease_ran_out_cannot_reach_the_files_of_its_successors_partitions() {
    lose_a_lease_over_a_file("files of partitions", parts);
}

#[test]
fn an_owner_whose_lease_ran_out_cannot_reach_the_file_of_its_successors_nested_job() {
    lose_a_lease_over_a_file("file of a nested job", outer);
}
