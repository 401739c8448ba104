//! Locks of executions, and how times are written.

use super::*;

#[test]
fn a_lock_of_an_earlier_repository_at_the_path_refuses_the_launch() {
    let folder = Folder::new();
    let before = folder.open();
    let _running = launch(&before);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", folder.file().display()));
    }
    let error = folder.open().launch(&request(&parameters("a"))).unwrap_err();
    assert!(error.to_string().contains("a process still holds the lock of execution"));
}

#[test]
fn lock_files_work_like_lock_bytes() {
    let folder = Folder::new();
    let mut options = SqliteOptions::new();
    options.locks = Some(Locks::files_beside);
    let repository = options.open(folder.file()).unwrap();
    let first = launch(&repository);
    assert!(matches!(
        repository.launch(&request(&parameters("a"))),
        Err(RepositoryError::AlreadyRunning { .. })
    ));
    drop(first.lock);
    let second = launch(&repository);
    assert_eq!(second.restarted_from, Some(first.ownership.execution));
    let left: Vec<_> = std::fs::read_dir(folder.0.join("batch.db.locks"))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(left, ["2"]);
}

#[test]
fn times_are_written_as_spring_batch_reads_them() {
    let folder = Folder::new();
    let clock = ManualClock::at("2024-01-31T08:30:00.123Z");
    let repository = SqliteOptions::new().clock(clock.clone()).open(folder.file()).unwrap();
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    clock.set("2024-01-31T08:30:01Z");
    step.chunks.commit(&mut record(1), |_, _| Ok(())).unwrap();
    assert_eq!(
        rows(&folder.file(), "SELECT CREATE_TIME, START_TIME, LAST_UPDATED FROM BATCH_STEP_EXECUTION"),
        ["2024-01-31 08:30:00.123|2024-01-31 08:30:00.123|2024-01-31 08:30:01.000"]
    );
    clock.set("2024-01-31T08:30:09.5Z");
    repository.finish(launched.ownership, &ended(BatchStatus::Failed, "FAILED")).unwrap();
    assert_eq!(
        rows(
            &folder.file(),
            "SELECT CREATE_TIME, START_TIME, END_TIME, LAST_UPDATED FROM BATCH_JOB_EXECUTION"
        ),
        ["2024-01-31 08:30:00.123|2024-01-31 08:30:00.123|2024-01-31 08:30:09.500|2024-01-31 08:30:09.500"]
    );
    let execution = repository.execution(launched.ownership.execution).unwrap();
    assert_eq!(execution.created, "2024-01-31T08:30:00.123Z".parse().unwrap());
}
