//! `doctor` finds the unfinished files of complete and abandoned instances, and no others.

use std::fs;
use std::path::{Path, PathBuf};

use batch_runtime::operator::{Finding, JobOperator};
use batch_runtime::prelude::*;
use batch_runtime::testing::Sandbox;
use batch_runtime::writers::{ByKey, CsvWriter, by_key};
use batch_runtime::{ExecutionId, Launch};

#[derive(Debug, Serialize)]
struct Line {
    number: u32,
}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    1..=6
}

#[processor]
fn line(number: u32, fail_at: u32) -> Result<Line, String> {
    if number == fail_at { Err(format!("{number} is bad")) } else { Ok(Line { number }) }
}

#[writer]
fn to_file(output: PathBuf) -> CsvWriter<Line> {
    CsvWriter::create(output)
}

#[step(chunk = 2)]
fn export() {
    numbers | line | to_file
}

#[job]
fn exporting(output: PathBuf, #[param(identifying = false)] fail_at: u32) {
    export;
}

#[job]
fn exporting_if_possible(output: PathBuf, #[param(identifying = false)] fail_at: u32) {
    match export {
        Completed => {}
        Failed => {}
    }
}

#[writer]
fn to_folder(folder: PathBuf) -> ByKey<CsvWriter<Line>, u32> {
    by_key(|line: &Line| line.number % 2, move |key| CsvWriter::create(folder.join(format!("{key}.csv"))))
}

#[step(chunk = 2)]
fn sort() {
    numbers | line | to_folder
}

#[job]
fn sorting(folder: PathBuf, #[param(identifying = false)] fail_at: u32) {
    sort;
}

#[partitioner]
fn tens() -> Vec<(String, u32)> {
    vec![("low".to_owned(), 0), ("high".to_owned(), 10)]
}

#[reader]
fn ten(from: Partition<u32>) -> impl Iterator<Item = u32> {
    *from..*from + 5
}

#[step(chunk = 2, partitioner = tens)]
fn export_in_parts() {
    ten | line | to_file
}

#[job]
fn parting(output: PathBuf, #[param(identifying = false)] fail_at: u32) {
    export_in_parts;
}

fn operator(sandbox: &Sandbox) -> JobOperator {
    JobOperator::new(sandbox.repository().unwrap())
}

fn findings(sandbox: &Sandbox) -> Vec<Finding> {
    operator(sandbox).findings().unwrap()
}

/// Runs a job that fails, and returns its execution.
fn fail(sandbox: &Sandbox, launch: &Launch) -> ExecutionId {
    let report = sandbox.run(launch).unwrap();
    assert_eq!(report.status, batch_runtime::repository::BatchStatus::Failed);
    report.execution
}

/// The files of a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[track_caller]
fn only_finding(sandbox: &Sandbox) -> String {
    let findings = findings(sandbox);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].kind, "leftover");
    findings[0].what.clone()
}

/// An empty folder within the sandbox.
fn folder(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path("out");
    fs::create_dir(&folder).unwrap();
    folder
}

#[test]
fn the_unfinished_file_of_an_abandoned_instance_is_found_until_it_is_deleted() {
    let sandbox = Sandbox::new().unwrap();
    let folder = folder(&sandbox);
    let failed = fail(&sandbox, &exporting(folder.join("a.csv"), 5));
    assert_eq!(findings(&sandbox), [], "a restart goes on with the file");

    operator(&sandbox).abandon(failed).unwrap();
    let [file] = &files(&folder)[..] else { panic!("one file is left") };
    assert_eq!(
        only_finding(&sandbox),
        format!(
            "execution 1 of job `exporting` was abandoned, and an unfinished file of it is still there: {}",
            file.display()
        )
    );
    fs::remove_file(file).unwrap();
    assert_eq!(findings(&sandbox), []);
}

#[test]
fn the_files_of_other_instances_and_of_other_programs_are_none_of_its_business() {
    let sandbox = Sandbox::new().unwrap();
    let folder = folder(&sandbox);
    let abandoned = fail(&sandbox, &exporting(folder.join("a.csv"), 5));
    let [mine] = &files(&folder)[..] else { panic!("one file is left") };
    operator(&sandbox).abandon(abandoned).unwrap();
    fail(&sandbox, &exporting(folder.join("b.csv"), 5));
    for name in ["a.csv.part", "a.csv.0123456789abcdef.part", "c.part"] {
        fs::write(folder.join(name), "of somebody else").unwrap();
    }
    let found = only_finding(&sandbox);
    assert!(
        found.ends_with(&format!("an unfinished file of it is still there: {}", mine.display())),
        "{found}"
    );
}

#[test]
fn all_files_of_a_writer_of_many_files_are_found_in_their_folder() {
    let sandbox = Sandbox::new().unwrap();
    let folder = folder(&sandbox);
    let failed = fail(&sandbox, &sorting(folder.clone(), 5));
    operator(&sandbox).abandon(failed).unwrap();
    let left = files(&folder);
    assert_eq!(left.len(), 2, "{left:?}");
    let found = only_finding(&sandbox);
    assert!(found.contains("2 unfinished files of it"), "{found}");
    assert!(left.iter().all(|file| found.contains(&file.display().to_string())), "{found}");
}

#[test]
fn the_files_of_partitions_are_found() {
    let sandbox = Sandbox::new().unwrap();
    let folder = folder(&sandbox);
    let failed = fail(&sandbox, &parting(folder.join("a.csv"), 13));
    operator(&sandbox).abandon(failed).unwrap();
    let left = files(&folder);
    assert!(left.len() > 1, "{left:?}");
    let found = only_finding(&sandbox);
    assert!(found.contains(&format!("{} unfinished files of it", left.len())), "{found}");
}

#[test]
fn the_file_of_a_failed_step_in_a_complete_job_is_found() {
    let sandbox = Sandbox::new().unwrap();
    let folder = folder(&sandbox);
    sandbox.run(&exporting_if_possible(folder.join("a.csv"), 5)).unwrap().completed().unwrap();
    let [file] = &files(&folder)[..] else { panic!("one file is left") };
    let found = only_finding(&sandbox);
    assert!(found.starts_with("execution 1 of job `exporting_if_possible` is complete, and "), "{found}");
    assert!(found.ends_with(&file.display().to_string()), "{found}");
}

#[test]
fn a_complete_instance_without_leftovers_is_in_order() {
    let sandbox = Sandbox::new().unwrap();
    let folder = folder(&sandbox);
    sandbox.run(&exporting(folder.join("a.csv"), 0)).unwrap().completed().unwrap();
    assert_eq!(findings(&sandbox), []);
    assert_eq!(files(&folder), [folder.join("a.csv")]);
}

#[test]
fn a_folder_that_is_gone_is_not_a_problem() {
    let sandbox = Sandbox::new().unwrap();
    let folder = folder(&sandbox);
    let failed = fail(&sandbox, &exporting(folder.join("a.csv"), 5));
    operator(&sandbox).abandon(failed).unwrap();
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(findings(&sandbox), []);
}
