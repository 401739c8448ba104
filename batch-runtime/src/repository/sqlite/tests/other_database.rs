//! Steps whose rows go to a file that is the repository's own under another name.

use super::*;
use crate::definition::{DatabaseHandle, Sqlite};

fn begin_in(
    repository: &SqliteRepository,
    owner: Ownership,
    database: Sqlite,
) -> Result<BegunStep, RepositoryError> {
    let handle = DatabaseHandle::new(database);
    begin_as(repository, owner, &StepStart { elsewhere: Some(("warehouse", &handle)), ..start("step") })
}

#[cfg(unix)]
#[test]
fn the_repository_s_own_file_under_another_name_is_opened_as_its_function_says() {
    let folder = Folder::new();
    let repository = folder.open();
    let link = folder.0.join("link.db");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    let sqlite =
        Sqlite::open(link).on_connect(|connection| connection.execute_batch("CREATE TEMP TABLE mine (n)"));
    let launched = launch(&repository);
    let mut step = begin_in(&repository, launched.ownership, sqlite).unwrap();
    step.chunks
        .commit(&mut record(5), |chunk, _| {
            chunk.of::<Sqlite>()?.execute("INSERT INTO mine VALUES (1)", []).map_err(Failure::new).map(|_| ())
        })
        .unwrap();
    assert_eq!(rows(&folder.file(), "SELECT READ_COUNT FROM BATCH_STEP_EXECUTION"), ["5"]);
}

#[cfg(unix)]
#[test]
fn a_hard_link_to_the_repository_is_refused() {
    let folder = Folder::new();
    let repository = folder.open();
    let link = folder.0.join("link.db");
    std::fs::hard_link(folder.file(), &link).unwrap();
    let launched = launch(&repository);
    let error = begin_in(&repository, launched.ownership, Sqlite::open(link)).unwrap_err().to_string();
    assert!(error.contains("link.db (database `warehouse`): is a hard link to the repository"), "{error}");
}
