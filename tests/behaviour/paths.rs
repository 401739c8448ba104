//! Paths: all spellings of a file are one instance, and any file name works.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::readers::{CsvReader, ReadError};
use batch_runtime::repository::{BatchStatus, RepositoryError};
use batch_runtime::writers::CsvWriter;
use batch_runtime::{JobDefinition as _, Launch, engine};

use crate::support::World;

#[derive(Debug, Serialize, Deserialize)]
struct Number {
    n: u32,
}

#[reader]
fn numbers(input: PathBuf) -> Result<CsvReader<Number>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn check(number: Number, fail_at: Option<u32>) -> Result<Number, String> {
    if fail_at == Some(number.n) { Err(format!("{} is bad", number.n)) } else { Ok(number) }
}

#[writer]
fn copy(output: PathBuf) -> CsvWriter<Number> {
    CsvWriter::create(output)
}

#[step(chunk = 2)]
fn copy_numbers() {
    numbers | check | copy
}

#[job]
fn copying(
    input: PathBuf,
    #[param(identifying = false)] output: PathBuf,
    #[param(identifying = false)] fail_at: Option<u32>,
) {
    copy_numbers;
}

#[job]
fn nesting(
    input: PathBuf,
    #[param(identifying = false)] output: PathBuf,
    #[param(identifying = false)] fail_at: Option<u32>,
) {
    copying;
}

const INPUT: &str = "n\n1\n2\n3\n4\n5\n";

fn world() -> World {
    let world = World::new();
    fs::create_dir(world.path("run7")).unwrap();
    fs::write(world.path("run7/a.csv"), INPUT).unwrap();
    world
}

fn launch(world: &World, input: &str, fail_at: Option<u32>) -> Launch {
    copying(world.path(input), world.path("out.csv"), fail_at)
}

fn is_complete(refused: &engine::JobError) -> bool {
    matches!(refused, engine::JobError::Repository(RepositoryError::AlreadyComplete { .. }))
}

#[test]
fn a_file_under_all_its_spellings_is_one_instance() {
    let world = world();
    symlink("run7/a.csv", world.path("link.csv")).unwrap();
    symlink("run7", world.path("folder")).unwrap();
    world.completes(&launch(&world, "run7/a.csv", None));
    for spelling in ["./run7/a.csv", "run7/../run7/a.csv", "x/../run7/a.csv", "link.csv", "folder/a.csv"] {
        let refused = world.try_run(&launch(&world, spelling, None)).unwrap_err();
        assert!(is_complete(&refused), "{spelling}: {refused}");
    }
}

#[test]
fn a_link_that_now_points_to_another_file_is_another_instance() {
    let world = world();
    fs::write(world.path("run7/b.csv"), INPUT).unwrap();
    symlink("run7/a.csv", world.path("current.csv")).unwrap();
    world.completes(&launch(&world, "current.csv", None));
    fs::remove_file(world.path("current.csv")).unwrap();
    symlink("run7/b.csv", world.path("current.csv")).unwrap();
    fs::remove_file(world.path("out.csv")).unwrap();
    world.completes(&launch(&world, "current.csv", None));
}

#[test]
fn a_restart_continues_with_the_original_file_even_if_the_link_has_changed() {
    let world = world();
    fs::write(world.path("run7/b.csv"), "n\n7\n").unwrap();
    symlink("run7/a.csv", world.path("current.csv")).unwrap();
    let failed = world.fails(&launch(&world, "current.csv", Some(4)));
    fs::remove_file(world.path("current.csv")).unwrap();
    symlink("run7/b.csv", world.path("current.csv")).unwrap();
    restart(&world, failed.execution, copying::INFO);
    assert_eq!(fs::read_to_string(world.path("out.csv")).unwrap(), INPUT);
}

fn restart(world: &World, execution: batch_runtime::ExecutionId, job: &'static batch_runtime::JobInfo) {
    let operator = JobOperator::new(world.repository.clone()).with_jobs(&[job]);
    let good = batch_runtime::parse_parameters(job, [("fail_at", "99")]).unwrap();
    let report = operator.restart_with(execution, &good).unwrap();
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
}

#[test]
fn a_restart_is_of_the_same_instance_although_a_link_has_replaced_the_file() {
    for (job, launch) in [
        (copying::INFO, copying as fn(PathBuf, PathBuf, Option<u32>) -> Launch),
        (nesting::INFO, nesting as fn(PathBuf, PathBuf, Option<u32>) -> Launch),
    ] {
        let world = world();
        let failed = world.fails(&launch(world.path("run7/a.csv"), world.path("out.csv"), Some(4)));
        fs::rename(world.path("run7/a.csv"), world.path("archived.csv")).unwrap();
        symlink("../archived.csv", world.path("run7/a.csv")).unwrap();
        restart(&world, failed.execution, job);
        assert_eq!(fs::read_to_string(world.path("out.csv")).unwrap(), INPUT);
    }
}

#[test]
fn files_whose_names_are_not_utf_8_are_read_and_written_and_a_restart_finds_them() {
    let world = world();
    let (input, output) = (OsStr::from_bytes(b"caf\xe9.csv"), OsStr::from_bytes(b"out\xff.csv"));
    let (input, output) = (world.folder().join(input), world.folder().join(output));
    fs::write(&input, INPUT).unwrap();
    let failed = world.fails(&copying(input.clone(), output.clone(), Some(4)));
    assert!(failed.exit.description.contains("caf\\xE9.csv, line 5"), "{}", failed.exit.description);
    world.completes(&copying(input.clone(), output.clone(), None));
    assert_eq!(fs::read_to_string(&output).unwrap(), INPUT);
    let stored = world
        .texts("SELECT DISTINCT PARAMETER_VALUE FROM BATCH_JOB_EXECUTION_PARAMS WHERE IDENTIFYING = 'Y'");
    let folder = fs::canonicalize(world.folder()).unwrap();
    assert_eq!(stored, [format!("file://{}/caf%E9.csv", folder.display())]);
    // A different name that would look the same if invalid bytes were replaced.
    let other = world.folder().join(OsStr::from_bytes(b"caf\xe8.csv"));
    fs::write(&other, INPUT).unwrap();
    fs::remove_file(&output).unwrap();
    world.completes(&copying(other, output, None));
}

#[test]
fn a_relative_path_that_looks_like_an_escaped_one_is_taken_as_it_is() {
    let spec = &copying::INFO.parameters[0];
    let value = (spec.parse)(OsStr::new("file:///%41")).unwrap();
    let expected = fs::canonicalize(std::env::current_dir().unwrap()).unwrap().join("file:/%41");
    assert_eq!(PathBuf::from_value(Some(&value)).unwrap(), Path::new(&expected));
}
