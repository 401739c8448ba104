//! An unusable repository: one line, exit code 2, before the job does anything.

use std::fs;
use std::process::Command;

use crate::disk;
use crate::world::{ENTRIES, Ended, LEDGER, RUN, World, executions, look};

const READ_ONLY: &str = "is read-only: make the file and its folder writable, or name another";

/// Both running and listing are refused, and nothing is touched.
#[track_caller]
fn refused(world: &World, what: &str) {
    let message = format!("repository {}: {what}", world.file("batch.db").display());
    for line in [RUN, "executions"] {
        world.refuses(line, 2, &message);
    }
}

#[test]
fn a_file_that_is_not_a_database_is_left_alone() {
    for content in ["not a database", &"not a database ".repeat(1000)] {
        let world = World::new();
        world.write("batch.db", content);
        refused(&world, "is not a SQLite database: name another file, or move this one away");
    }
}

#[test]
fn a_folder_is_not_a_repository() {
    let world = World::new();
    fs::create_dir(world.file("batch.db")).unwrap();
    refused(&world, "is a folder: name a file in it");
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let world = World::new();
    let (file, folder) = (world.file("there/batch.db"), world.file("there"));
    let problem = format!("folder {} does not exist: create it", folder.display());
    world.refuses(
        &format!("{RUN} --repository there/batch.db"),
        2,
        &format!("repository {}: {problem}", file.display()),
    );
}

#[test]
fn a_newer_schema_is_not_written_by_an_older_program() {
    let world = World::half_done();
    let database = look(&world.file("batch.db"));
    database.execute("UPDATE BATCH_SCHEMA SET VERSION = 99", []).unwrap();
    database.close().unwrap();
    refused(
        &world,
        "has schema version 99, but this program supports at most version 7: use a newer program, or another file",
    );
}

#[test]
fn a_damaged_database_is_left_untouched_for_recovery() {
    let world = World::half_done();
    let mut content = fs::read(world.file("batch.db")).unwrap();
    content.truncate(content.len() / 2);
    world.write("batch.db", content);
    refused(
        &world,
        "is damaged: restore it from a backup, or name another file (`sqlite3 FILE '.recover'` saves what is left)",
    );
}

#[test]
fn a_locked_database_is_waited_for_and_then_given_up() {
    let world = World::half_done();
    let repository = world.file("batch.db");
    let holder = look(&repository);
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // Without a limit the program would wait forever, and the test with it.
    let ended = world.run(RUN);
    let told = |who: &str| {
        let place = repository.display();
        format!(
            "error: repository {place}: is locked by another process{who}: wait until it has finished, or end it\n"
        )
    };
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    if cfg!(target_os = "linux") {
        let (before, after) = ended.err.split_once(&format!(", {} (", std::process::id())).unwrap();
        let (_name, after) = after.split_once(')').unwrap();
        assert_eq!(format!("{before}{after}"), told(""));
    } else {
        assert_eq!(ended.err, told(""));
    }
    holder.execute_batch("ROLLBACK").unwrap();
    holder.close().unwrap();
    assert_eq!(executions(&repository), 1);
    world.completes(RUN, ENTRIES);
}

#[cfg(unix)]
#[test]
fn a_repository_without_write_permission_is_reported() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    let world = World::half_done();
    let (repository, folder) = (world.file("batch.db"), world.file("."));
    let allow = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mut command = world.command(LEDGER, RUN.split_whitespace());
    if folder.metadata().unwrap().uid() == 0 {
        // Root may write everything, so the user `nobody` runs the program, and must be able to reach it.
        // Another process makes the copy: a process started by a parallel test would inherit the file opened for
        // writing, and Linux does not start a program that is open for writing.
        assert!(Command::new("cp").arg(LEDGER).arg(world.file("ledger")).status().unwrap().success());
        allow(&folder, 0o755);
        command = world.command(world.file("ledger").to_str().unwrap(), RUN.split_whitespace());
        command.uid(65_534);
    }
    allow(&repository, 0o444);
    let before = world.content();
    Ended::of(&mut command).is_refused(2, &format!("repository {}: {READ_ONLY}", repository.display()));
    assert!(world.content() == before, "the refusal left {:?}", world.names());
    allow(&repository, 0o644);
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_read_only_repository_is_reported_before_anything_is_done() {
    let world = World::half_done();
    fs::create_dir(world.file("kept")).unwrap();
    let Some(kept) = disk::mount(&world.file("kept"), "4m") else { return };
    fs::copy(world.file("batch.db"), world.file("kept/batch.db")).unwrap();
    kept.remount("ro");
    let before = fs::read(world.file("kept/batch.db")).unwrap();
    let line = format!("{RUN} --repository kept/batch.db");
    world.refuses(&line, 2, &format!("repository {}: {READ_ONLY}", world.file("kept/batch.db").display()));
    for look in ["executions", "show 1", "show 1 --skipped"] {
        let ended = world.ask(LEDGER, &format!("{look} --repository kept/batch.db"));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{look}: {}", ended.out);
    }
    assert_eq!(fs::read(world.file("kept/batch.db")).unwrap(), before);
    kept.remount("rw");
    assert_eq!(world.run(&line).code, Some(0));
}
