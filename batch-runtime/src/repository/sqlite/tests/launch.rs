//! Identity and launch.

use super::*;

#[test]
fn a_launch_writes_the_rows_that_spring_batch_reads() {
    let folder = Folder::new();
    let clock = Hands::at("2024-01-31T08:30:00.123Z");
    let repository = SqliteOptions::new().clock(clock).open(folder.file()).unwrap();
    let mut parameters = Parameters::new().with("run.id", ParameterValue::Long(1));
    let hidden = |value: &str, identifying, secret| crate::Parameter {
        value: ParameterValue::String(value.to_owned()),
        identifying,
        secret,
    };
    parameters.insert("note", hidden("n", false, false));
    parameters.insert("password", hidden("s3cret", false, true));
    let launched = repository.launch(&request(&parameters)).unwrap();

    assert_eq!(
        rows(&folder.file(), "SELECT * FROM BATCH_JOB_INSTANCE"),
        ["1|0|load|c10c24e08259063ee40f28b6aa617f12"]
    );
    assert_eq!(
        rows(&folder.file(), "SELECT * FROM BATCH_JOB_EXECUTION"),
        [
            "1|0|1|2024-01-31 08:30:00.123|2024-01-31 08:30:00.123|NULL|STARTED|EXECUTING||2024-01-31 08:30:00.123"
        ]
    );
    assert_eq!(
        rows(&folder.file(), "SELECT * FROM BATCH_JOB_EXECUTION_PARAMS ORDER BY 2"),
        ["1|note|java.lang.String|n|N", "1|run.id|java.lang.Long|1|Y"]
    );
    assert_eq!(
        rows(&folder.file(), "SELECT * FROM BATCH_JOB_EXECUTION_CONTEXT"),
        [r#"1|{"@class":"java.util.HashMap"}|NULL"#]
    );
    drop(launched);
    drop(repository);
    let bytes = std::fs::read(folder.file()).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"s3cret"));
}

#[test]
fn the_sequences_hold_the_last_number_given() {
    let folder = Folder::new();
    let repository = folder.open();
    for _ in 0..2 {
        let launched = launch(&repository);
        begin(&repository, launched.ownership);
        fail(&repository, launched.ownership);
    }
    for (table, id) in [("JOB_INSTANCE", "1"), ("JOB_EXECUTION", "2"), ("STEP_EXECUTION", "2")] {
        assert_eq!(rows(&folder.file(), &format!("SELECT ID FROM BATCH_{table}_SEQ")), [id]);
    }
}

#[test]
fn a_running_instance_refuses_a_second_launch() {
    let folder = Folder::new();
    let repository = folder.open();
    let first = launch(&repository);
    let error = repository.launch(&request(&parameters("a"))).unwrap_err();
    assert!(
        matches!(&error, RepositoryError::AlreadyRunning { execution, .. } if *execution == first.ownership.execution),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
}

#[test]
fn an_execution_whose_lock_is_free_is_taken_over() {
    let folder = Folder::new();
    let repository = folder.open();
    let first = launch(&repository);
    let mut step = begin(&repository, first.ownership);
    sql(&folder.file(), "CREATE TABLE item (n)");
    commit(&mut step, 5).unwrap();
    drop(first.lock);

    let second = launch(&repository);
    assert_eq!(second.restarted_from, Some(first.ownership.execution));
    assert_eq!(second.recovered.unwrap().pid, std::process::id());
    let lost = repository.execution(first.ownership.execution).unwrap();
    assert_eq!((lost.status, lost.exit.code.as_str()), (BatchStatus::Failed, "OWNER_LOST"));
    assert!(lost.exit.description.contains(&format!("process {}", std::process::id())));
    assert!(lost.ended.is_some());
    assert_eq!(repository.steps(lost.id).unwrap()[0].status, BatchStatus::Failed);

    assert!(matches!(commit(&mut step, 6), Err(ChunkError::Repository(RepositoryError::Fenced { .. }))));
    assert_eq!(rows(&folder.file(), "SELECT n FROM item"), ["5"]);
    let again = begin(&repository, second.ownership);
    assert_eq!((again.context, again.before.read, again.starts), (context(5), 5, 2));
}

fn refusal(repository: &SqliteRepository, request: &LaunchRequest<'_>) -> RepositoryError {
    let before = repository.executions(&ExecutionFilter::default()).unwrap();
    let error = repository.launch(request).unwrap_err();
    assert_eq!(repository.executions(&ExecutionFilter::default()).unwrap(), before, "{error}");
    error
}

#[test]
fn refusals_come_in_the_order_of_the_contract_and_write_nothing() {
    let folder = Folder::new();
    let repository = folder.open();
    let parameters = parameters("a");
    let never = LaunchRequest {
        restartable: false,
        holds: &|_| Err("node `a` is gone".to_owned()),
        ..request(&parameters)
    };
    for _ in 0..3 {
        let launched = launch(&repository);
        fail(&repository, launched.ownership);
    }
    let running = launch(&repository);
    // All reasons at once; then they are removed one by one.
    sql(&folder.file(), "UPDATE BATCH_JOB_EXECUTION SET STATUS = 'UNKNOWN' WHERE JOB_EXECUTION_ID = 1");
    sql(&folder.file(), "UPDATE BATCH_JOB_EXECUTION SET STATUS = 'COMPLETED' WHERE JOB_EXECUTION_ID = 2");
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::AlreadyRunning { execution, .. } if execution.0 == 4),
        "{error}"
    );
    fail(&repository, running.ownership);
    let error = refusal(&repository, &never);
    assert!(matches!(error, RepositoryError::NeedsRecovery { execution, .. } if execution.0 == 1), "{error}");
    repository.abandon(ExecutionId(1)).unwrap();
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::AlreadyComplete { execution, .. } if execution.0 == 2),
        "{error}"
    );
    sql(&folder.file(), "UPDATE BATCH_JOB_EXECUTION SET STATUS = 'FAILED' WHERE JOB_EXECUTION_ID = 2");
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::AlreadyComplete { execution, status: BatchStatus::Abandoned, .. } if execution.0 == 1),
        "{error}"
    );
    sql(&folder.file(), "UPDATE BATCH_JOB_EXECUTION SET STATUS = 'FAILED' WHERE JOB_EXECUTION_ID = 1");
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::NotRestartable { execution, .. } if execution.0 == 4),
        "{error}"
    );
    let error = refusal(&repository, &LaunchRequest { restartable: true, ..never });
    assert!(
        matches!(&error, RepositoryError::GraphChanged { what, was, is, .. }
            if what == "node `a` is gone" && was == is),
        "{error}"
    );
    launch(&repository);
}

#[test]
fn a_restart_inherits_journal_graph_and_context() {
    let folder = Folder::new();
    let repository = folder.open();
    let first = launch(&repository);
    assert!(first.journal.is_empty() && first.context.is_empty() && first.restarted_from.is_none());
    let entries = [
        JournalEntry {
            path: "load".to_owned(),
            outcome: "COMPLETED".to_owned(),
            exit: Some(ExitStatus::code("COMPLETED").because("all")),
            output: Some(("load".to_owned(), "[1]".to_owned())),
        },
        JournalEntry {
            path: "match quality".to_owned(),
            outcome: "Good".to_owned(),
            exit: None,
            output: None,
        },
    ];
    for entry in &entries {
        repository.record(first.ownership, std::slice::from_ref(entry)).unwrap();
    }
    let finish = ExecutionFinish { context: Some(context(9)), ..ended(BatchStatus::Stopped, "STOPPED") };
    repository.finish(first.ownership, &finish).unwrap();

    let seen = std::sync::Mutex::new(None);
    let holds = |so_far: &SoFar<'_>| {
        *seen.lock().unwrap() = Some((so_far.journal.to_vec(), so_far.graph.to_owned()));
        Ok(Vec::new())
    };
    let parameters = parameters("a");
    let second = repository
        .launch(&LaunchRequest { graph: "load; more", holds: &holds, ..request(&parameters) })
        .unwrap();
    assert_eq!(second.journal, entries);
    assert_eq!(second.context, context(9));
    assert_eq!(second.restarted_from, Some(first.ownership.execution));
    assert_eq!(*seen.lock().unwrap(), Some((entries.to_vec(), "load".to_owned())));
    assert_eq!(
        rows(&folder.file(), "SELECT GRAPH FROM BATCH_JOB_GRAPH ORDER BY JOB_EXECUTION_ID"),
        ["load", "load; more"]
    );
}

#[test]
fn other_parameters_are_another_instance() {
    let repository = SqliteRepository::temporary().unwrap();
    let first = launch(&repository);
    let second = repository.launch(&request(&parameters("b"))).unwrap();
    assert_ne!(first.ownership.instance, second.ownership.instance);
    assert_eq!(second.ownership.epoch, 1);
}

#[test]
fn an_exclusive_job_has_one_running_execution_whatever_the_parameters() {
    let repository = SqliteRepository::temporary().unwrap();
    let first = launch(&repository);
    let other = parameters("b");
    let exclusive = LaunchRequest { exclusive: true, ..request(&other) };
    let error = refusal(&repository, &exclusive);
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    let other_job = LaunchRequest { job: "other", ..exclusive };
    repository.launch(&other_job).unwrap();
    drop(first.lock);
    repository.launch(&exclusive).unwrap();
    assert_eq!(repository.execution(first.ownership.execution).unwrap().exit.code, "OWNER_LOST");
}

#[test]
fn the_epoch_rises_with_every_launch_and_takeover() {
    let repository = SqliteRepository::temporary().unwrap();
    let first = launch(&repository);
    fail(&repository, first.ownership);
    let second = launch(&repository);
    assert_eq!((first.ownership.epoch, second.ownership.epoch), (1, 2));
    drop(second.lock);
    assert_eq!(repository.recover().unwrap(), [second.ownership.execution]);
    assert_eq!(repository.execution(second.ownership.execution).unwrap().epoch, 3);
    assert_eq!(launch(&repository).ownership.epoch, 4);
}

#[test]
fn strict_never_takes_over() {
    let repository = SqliteRepository::temporary().unwrap();
    drop(launch(&repository).lock);
    let parameters = parameters("a");
    let strict = LaunchRequest { recovery: Recovery::Strict, ..request(&parameters) };
    assert!(matches!(refusal(&repository, &strict), RepositoryError::AlreadyRunning { .. }));
}

#[test]
fn a_crash_loop_ends_until_somebody_forces_the_launch() {
    let repository = SqliteRepository::temporary().unwrap();
    let parameters = parameters("a");
    let request = LaunchRequest { max_recoveries: 2, ..request(&parameters) };
    for _ in 0..3 {
        drop(repository.launch(&request).unwrap().lock);
    }
    let error = refusal(&repository, &request);
    assert!(matches!(error, RepositoryError::TooManyRecoveries { times: 3, .. }), "{error}");
    // `recover` does not change that.
    repository.recover().unwrap();
    let error = refusal(&repository, &request);
    assert!(matches!(error, RepositoryError::TooManyRecoveries { times: 3, .. }), "{error}");
    let forced = LaunchRequest { recovery: Recovery::Force, ..request };
    drop(repository.launch(&forced).unwrap().lock);
    drop(repository.launch(&request).unwrap().lock);
}

#[test]
fn of_launches_that_race_one_wins() {
    for shared in [true, false] {
        let folder = Folder::new();
        let one = folder.open();
        let barrier = std::sync::Barrier::new(8);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let repository = if shared { one.clone() } else { folder.open() };
                        barrier.wait();
                        repository.launch(&request(&parameters("a")))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for error in lost {
            assert!(matches!(error, Err(RepositoryError::AlreadyRunning { .. })), "{error:?}");
        }
        assert_eq!(rows(&folder.file(), "SELECT COUNT(*) FROM BATCH_JOB_EXECUTION"), ["1"]);
    }
}

#[test]
fn two_running_executions_of_an_instance_are_impossible_for_any_program() {
    let folder = Folder::new();
    let repository = folder.open();
    let _running = launch(&repository);
    let connection = Connection::open(folder.file()).unwrap();
    let insert = "INSERT INTO BATCH_JOB_EXECUTION (VERSION, JOB_INSTANCE_ID, CREATE_TIME, STATUS)
                  VALUES (0, 1, '2024-01-31 08:30:00.123', ?1)";
    for status in ["STARTING", "STARTED", "STOPPING"] {
        assert!(connection.execute(insert, [status]).is_err());
    }
    connection.execute(insert, ["FAILED"]).unwrap();
}

#[test]
fn an_execution_that_another_framework_runs_is_not_taken_over() {
    let folder = Folder::new();
    let repository = folder.open();
    fail(&repository, launch(&repository).ownership);
    sql(
        &folder.file(),
        "INSERT INTO BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, STATUS)
         VALUES (7, 0, 1, '2024-01-31 08:30:00.123', 'STARTED')",
    );
    let parameters = parameters("a");
    let error = refusal(&repository, &request(&parameters));
    assert!(
        matches!(error, RepositoryError::AlreadyRunning { execution, .. } if execution.0 == 7),
        "{error}"
    );
}

#[test]
fn a_lock_of_an_earlier_repository_at_the_path_refuses_the_launch() {
    let folder = Folder::new();
    let before = folder.open();
    let _running = launch(&before);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", folder.file().display()));
    }
    let error = folder.open().launch(&request(&parameters("a"))).unwrap_err();
    assert!(error.to_string().contains("held by a process that uses an earlier repository at this path"));
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
fn every_write_of_the_row_raises_its_version() {
    let folder = Folder::new();
    let repository = folder.open();
    let versions = || rows(&folder.file(), "SELECT VERSION FROM BATCH_JOB_EXECUTION");
    let launched = launch(&repository);
    assert_eq!(versions(), ["0"]);
    repository.request_stop(launched.ownership.execution).unwrap();
    assert_eq!(versions(), ["1"]);
    repository.finish(launched.ownership, &ended(BatchStatus::Stopped, "STOPPED")).unwrap();
    assert_eq!(versions(), ["2"]);
}

#[test]
fn the_end_of_an_execution_is_written_as_spring_batch_reads_it() {
    let folder = Folder::new();
    let clock = Hands::at("2024-01-31T08:30:00Z");
    let repository = SqliteOptions::new().clock(clock.clone()).open(folder.file()).unwrap();
    let launched = launch(&repository);
    clock.set("2024-01-31T08:30:09.5Z");
    let exit = ExitStatus::code("FAILED").because("ä".repeat(3_000));
    let finish = ExecutionFinish { status: BatchStatus::Failed, exit, context: None };
    repository.finish(launched.ownership, &finish).unwrap();
    assert_eq!(
        rows(
            &folder.file(),
            "SELECT STATUS, EXIT_CODE, LENGTH(EXIT_MESSAGE), START_TIME, END_TIME, LAST_UPDATED FROM BATCH_JOB_EXECUTION"
        ),
        ["FAILED|FAILED|2500|2024-01-31 08:30:00.000|2024-01-31 08:30:09.500|2024-01-31 08:30:09.500"]
    );
}
