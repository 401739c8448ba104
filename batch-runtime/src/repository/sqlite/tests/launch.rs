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
