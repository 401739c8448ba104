//! Files that can be a repository, and files that cannot.

use super::super::schema::{MIGRATIONS, VERSION};
use super::*;

fn refused(result: Result<SqliteRepository, RepositoryError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, RepositoryError::Unusable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn a_file_that_is_not_a_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    let text = "carrier,origin\nUA,EWR\n".repeat(100);
    std::fs::write(folder.file(), &text).unwrap();
    for result in [SqliteRepository::open(folder.file()), SqliteRepository::open_existing(folder.file())] {
        let error = refused(result);
        assert!(error.contains("batch.db: is not a SQLite database: name another file"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), text);
}

#[test]
fn a_folder_is_refused() {
    let folder = Folder::new();
    let error = refused(SqliteRepository::open(&folder.0));
    assert!(error.contains("is a folder: name a file in it"), "{error}");
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let error = refused(SqliteRepository::open(folder.0.join("missing").join("batch.db")));
    assert!(error.contains("missing does not exist: create it"), "{error}");
    assert!(!folder.0.join("missing").exists());
}

#[test]
fn a_query_creates_no_file() {
    let folder = Folder::new();
    let error = refused(SqliteRepository::open_existing(folder.file()));
    assert!(error.contains("does not exist: `run` creates it"), "{error}");
    assert!(!folder.file().exists());
    sql(&folder.file(), "CREATE TABLE item (n)");
    let error = refused(SqliteRepository::open_existing(folder.file()));
    assert!(error.contains("holds no repository: `run` creates one"), "{error}");
    assert_eq!(rows(&folder.file(), "SELECT name FROM sqlite_schema"), ["item"]);
    folder.open();
    SqliteRepository::open_existing(folder.file()).unwrap();
}

#[test]
fn a_schema_of_a_newer_program_is_refused_and_left_alone() {
    let folder = Folder::new();
    drop(folder.open());
    sql(&folder.file(), "UPDATE BATCH_SCHEMA SET VERSION = 99");
    for result in [SqliteRepository::open(folder.file()), SqliteRepository::open_existing(folder.file())] {
        let error = refused(result);
        assert!(error.contains("has schema version 99"), "{error}");
    }
    assert_eq!(rows(&folder.file(), "SELECT VERSION FROM BATCH_SCHEMA"), ["99"]);
}

/// A repository as an earlier version of this program left it, with one failed execution of one step.
fn of_version(version: u16, folder: &Folder) {
    for (_, migration) in MIGRATIONS.iter().filter(|(makes, _)| *makes <= version) {
        sql(&folder.file(), migration);
    }
    let schema =
        format!("INSERT INTO BATCH_SCHEMA VALUES ({version}, 'b2a1c0de-0000-4000-8000-000000000000')");
    sql(&folder.file(), &schema);
    sql(
        &folder.file(),
        "PRAGMA journal_mode = WAL;
         INSERT INTO BATCH_JOB_INSTANCE VALUES (1, 0, 'other', 'key');
         INSERT INTO BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, STATUS)
             VALUES (1, 0, 1, '2024-01-31 08:30:00.123', 'FAILED');
         INSERT INTO BATCH_STEP_EXECUTION (STEP_EXECUTION_ID, VERSION, STEP_NAME, JOB_EXECUTION_ID, CREATE_TIME, STATUS)
             VALUES (1, 0, 'step', 1, '2024-01-31 08:30:00.123', 'FAILED');
         INSERT INTO BATCH_JOB_EXECUTION_SEQ VALUES (1);
         INSERT INTO BATCH_JOB_INSTANCE_SEQ VALUES (1);
         INSERT INTO BATCH_STEP_EXECUTION_SEQ VALUES (1);",
    );
}

/// The tables and indexes in a file. `ALTER TABLE` inserts columns without the white space of `CREATE TABLE`, so it is
/// left out.
fn tables(file: &Path) -> Vec<String> {
    let tables = rows(file, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name");
    let without = |text: String| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        words.replace("( ", "(").replace(" )", ")").replace(" ,", ",")
    };
    tables.into_iter().map(without).collect()
}

#[test]
fn a_repository_of_any_earlier_version_is_updated_and_keeps_its_data() {
    let new = Folder::new();
    drop(new.open());
    let opens = [SqliteRepository::open, SqliteRepository::open_existing];
    for (version, open) in (1..VERSION).flat_map(|version| opens.map(|open| (version, open))) {
        let folder = Folder::new();
        of_version(version, &folder);
        let repository = open(folder.file()).unwrap();
        assert_eq!(tables(&folder.file()), tables(&new.file()));
        let schema = rows(&folder.file(), "SELECT VERSION, REPOSITORY FROM BATCH_SCHEMA");
        assert_eq!(schema, [format!("{VERSION}|b2a1c0de-0000-4000-8000-000000000000")]);
        assert_eq!(repository.execution(ExecutionId(1)).unwrap().status, BatchStatus::Failed);
        assert_eq!(launch(&repository).ownership.execution, ExecutionId(2));
    }
}

#[test]
fn many_processes_may_update_one_repository() {
    let folder = Folder::new();
    of_version(1, &folder);
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (folder, barrier) = (&folder, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let repository = folder.open();
                repository.launch(&request(&parameters(&number.to_string()))).unwrap();
            });
        }
    });
    assert_eq!(rows(&folder.file(), "SELECT VERSION FROM BATCH_SCHEMA"), [VERSION.to_string()]);
}

#[test]
fn a_locked_repository_of_the_first_version_answers_queries_and_the_next_launch_updates_it() {
    let folder = Folder::new();
    of_version(1, &folder);
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let options = SqliteOptions::new().wait(std::time::Duration::ZERO);
    let repository = options.open_existing(folder.file()).unwrap();
    assert_eq!(repository.steps(ExecutionId(1)).unwrap().len(), 1);
    assert!(repository.skipped_items(ExecutionId(1)).unwrap().is_empty());
    assert!(repository.running_steps(&[ExecutionId(1)]).unwrap().is_empty());
    other.execute_batch("ROLLBACK").unwrap();
    launch(&repository);
    assert_eq!(rows(&folder.file(), "SELECT VERSION FROM BATCH_SCHEMA"), [VERSION.to_string()]);
}

#[test]
fn tables_of_another_framework_are_left_alone() {
    let folder = Folder::new();
    sql(&folder.file(), "CREATE TABLE BATCH_JOB_INSTANCE (n)");
    let error = refused(SqliteRepository::open(folder.file()));
    assert!(error.contains("holds the tables of another batch framework"), "{error}");
    assert_eq!(rows(&folder.file(), "SELECT name FROM sqlite_schema"), ["BATCH_JOB_INSTANCE"]);
}

#[test]
fn commits_have_the_durability_that_the_launch_asks_for() {
    let folder = Folder::new();
    let repository = folder.open();
    for (durability, mode) in [(Durability::Machine, 2), (Durability::Process, 1), (Durability::Machine, 2)] {
        let parameters = parameters("a");
        let launched = repository.launch(&LaunchRequest { durability, ..request(&parameters) }).unwrap();
        let mut step = begin(&repository, launched.ownership);
        step.chunks
            .commit(&mut record(1), |chunk, _| {
                let tx = chunk.of::<crate::Sqlite>()?;
                let pragma = |name: &str| {
                    tx.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
                        .unwrap()
                };
                assert_eq!(pragma("synchronous"), rusqlite::types::Value::Integer(mode));
                assert_eq!(pragma("foreign_keys"), rusqlite::types::Value::Integer(1));
                assert_eq!(pragma("journal_mode"), rusqlite::types::Value::Text("wal".to_owned()));
                Ok(())
            })
            .unwrap();
        assert_eq!(repository.execution(launched.ownership.execution).unwrap().durability, durability);
        fail(&repository, launched.ownership);
    }
}

#[test]
fn a_temporary_repository_is_removed_with_its_last_user() {
    let repository = SqliteRepository::temporary().unwrap();
    let path = repository.path().to_owned();
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    drop(repository);
    assert!(path.exists());
    drop((step, launched));
    let name = path.file_name().unwrap().to_str().unwrap();
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().starts_with(name))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_link_to_the_file_shares_its_locks() {
    let folder = Folder::new();
    let repository = folder.open();
    let link = folder.0.join("link.db");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    let _running = launch(&repository);
    let error = SqliteRepository::open(link).unwrap().launch(&request(&parameters("a"))).unwrap_err();
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
}

/// The environment variable that passes the folder to a second run of the test, which may not write in that folder.
#[cfg(unix)]
const FOLDER: &str = "BATCH_TEST_FOLDER";

#[cfg(unix)]
#[test]
fn an_unwritable_repository_is_refused() {
    use std::os::unix::process::CommandExt;

    if let Some(path) = std::env::var_os(FOLDER) {
        let path = PathBuf::from(path);
        for file in [path.join("batch.db"), path.join("new.db")] {
            let error = SqliteRepository::open(&file).unwrap_err();
            assert!(matches!(error, RepositoryError::Unusable { .. }), "{error:?}");
            println!("seen: {error}");
        }
        return;
    }
    let folder = Folder::new();
    drop(folder.open());
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("repository::sqlite::tests::opening::an_unwritable_repository_is_refused")
        .env(FOLDER, &folder.0);
    let set = |path: &Path, mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, permissions).unwrap();
    };
    set(&folder.file(), 0o444);
    set(&folder.0, 0o555);
    if std::os::unix::fs::MetadataExt::uid(&folder.0.metadata().unwrap()) == 0 {
        // Root may write everything, so run as nobody.
        command.uid(65_534);
    }
    let output = command.output().unwrap();
    set(&folder.0, 0o755);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("batch.db: is read-only: make the file and its folder writable, or name another"),
        "{text}"
    );
    assert!(text.contains("new.db: cannot be opened: the file and its folder must be"), "{text}");
    assert!(!folder.0.join("new.db").exists());
}
