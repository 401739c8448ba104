//! Workers on another machine, which sees other files under the same paths: what the manager sees as the folder `data` is
//! another folder by the time that the worker starts.

use std::fs;
use std::path::PathBuf;

use super::world::{Run, World, numbers, until};

/// The manager's folder, and the worker's folder until it is renamed to the manager's.
const HERE: &str = "data";
const THERE: &str = "there";

/// The machine of the manager, and that of the worker.
struct Machines(World);

impl Machines {
    fn new() -> Self {
        let world = World::new();
        for machine in [HERE, THERE] {
            fs::create_dir(world.path(machine)).unwrap();
        }
        Self(world)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path(file), text).unwrap();
    }

    /// Runs a job whose only worker is on the other machine.
    fn run(&self, line: &str) -> Run {
        let mut manager = self.0.start(&format!("{line} --workers remote"));
        until("the partitions", || {
            let offered = self.0.column("SELECT COUNT(*) FROM BATCH_PARTITION WHERE OFFERED_FOR IS NOT NULL");
            offered.first().is_some_and(|many| many != "0")
        });
        fs::rename(self.0.path(HERE), self.0.path("of the manager")).unwrap();
        fs::rename(self.0.path(THERE), self.0.path(HERE)).unwrap();
        let worker = self.0.start_with("worker", &[]);
        let run = manager.wait();
        worker.signal("-TERM");
        run
    }

    /// The files that the worker has left.
    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.0.path(HERE)).unwrap().map(|file| file.unwrap().path()).collect()
    }
}

#[track_caller]
fn fails_with(run: &Run, what: &[&str]) {
    assert_eq!(run.code, 1, "{run}");
    for what in what {
        assert!(run.err.contains(what), "{run}");
    }
}

const SHARE: &str = "give both the same folder under the same path, such as a shared folder";

#[test]
fn a_worker_refuses_another_file_under_the_path_of_its_partition() {
    let machines = Machines::new();
    for (file, text) in [("data/a.txt", "1\n2\n"), ("data/b.txt", "3\n4\n")] {
        machines.write(file, text);
    }
    for (file, text) in [("there/a.txt", "1\n2\n"), ("there/b.txt", "3\n5\n")] {
        machines.write(file, text);
    }
    let run = machines.run("load_files --folder data");
    fails_with(&run, &["data/b.txt is another file on the worker than on the manager", SHARE]);
    assert!(!machines.0.items().contains(&5), "{:?}", machines.0.items());
}

#[test]
fn a_worker_without_the_file_of_its_partition_says_that_the_folder_must_be_shared() {
    let machines = Machines::new();
    for file in ["data/a.txt", "data/b.txt", "there/a.txt"] {
        machines.write(file, "1\n2\n");
    }
    let run = machines.run("load_files --folder data");
    fails_with(&run, &["the worker cannot read data/b.txt, which the manager can read", SHARE]);
}

#[test]
fn a_worker_with_none_of_the_files_says_that_the_folder_must_be_shared() {
    let machines = Machines::new();
    machines.write("data/a.txt", "1\n2\n");
    let run = machines.run("load_files --folder data");
    let remedy = "the manager found files there: give the worker the same folder";
    fails_with(&run, &["no file matches `*.txt` in data", remedy]);
}

#[test]
fn a_worker_in_another_folder_than_the_managers_writes_no_part_of_the_file() {
    let machines = Machines::new();
    let run = machines.run("write_file --parts 3 --size 10 --output data/out.csv");
    let refusal = "out.csv in another folder than this worker";
    fails_with(&run, &[refusal, SHARE, "or write to a database"]);
    let commits =
        machines.0.column("SELECT SUM(COMMIT_COUNT) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE 'print%'");
    assert_eq!(commits, ["0"]);
    assert!(machines.files().is_empty(), "{:?}", machines.files());
}

#[test]
fn a_worker_with_the_same_files_runs_all_partitions() {
    let machines = Machines::new();
    for machine in [HERE, THERE] {
        machines.write(&format!("{machine}/a.txt"), "0\n1\n");
        machines.write(&format!("{machine}/b.txt"), "2\n3\n");
    }
    let run = machines.run("load_files --folder data");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(machines.0.items(), numbers(4));
}

#[test]
fn a_file_that_is_corrected_before_a_restart_counts_as_the_same_file() {
    let machines = Machines::new();
    machines.write("data/a.txt", "0\n1\n");
    machines.write("data/b.txt", "2\nno number\n");
    let failed = machines.0.run("load_files --folder data --workers local:2");
    assert_eq!(failed.code, 1, "{failed}");
    machines.write("data/b.txt", "2\n3\n");
    let run = machines.0.run("load_files --folder data --workers local:2");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(machines.0.items(), numbers(4));
}
