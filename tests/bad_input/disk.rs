//! Full disks, on a file system that the test mounts. If it cannot mount one, it says so and passes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{ENTRIES, RUN, TWO_CHUNKS, World, accounts, booked};

/// A small file system in memory, unmounted when it is dropped.
pub(crate) struct Mount(PathBuf);

/// `None`, with a note on standard error, if this user may not mount.
#[track_caller]
pub(crate) fn mount(folder: &Path, size: &str) -> Option<Mount> {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder);
    let why = match command.output() {
        Ok(output) if output.status.success() => return Some(Mount(folder.to_owned())),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("mount").to_owned(),
        Err(error) => error.to_string(),
    };
    let place = std::panic::Location::caller();
    // Not `eprintln!`, because the harness hides its text if the test succeeds.
    let _ = writeln!(std::io::stderr(), "NOT TESTED, as no file system can be mounted ({why}): {place}");
    None
}

impl Mount {
    pub(crate) fn remount(&self, options: &str) {
        let mut command = Command::new("mount");
        let status = command.args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(status.success(), "remount,{options}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A lazy unmount, because a process of the test may still be running.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_under_the_output_keeps_the_commits() {
    let world = World::new();
    fs::create_dir(world.file("out")).unwrap();
    let Some(disk) = mount(&world.file("out"), "256k") else { return };
    let line = format!("{RUN} --output out/copy.csv");
    world.fails(
        &format!("{line} --padding 100000"),
        "export failed: writing in `copy`: cannot write out/copy.csv.part: No space left on device (os error 28); \
         free some space and run the job again; committed data is kept",
    );
    assert!(!world.file("out/copy.csv").exists());
    assert_eq!(world.read("out/copy.csv.part").replace('.', ""), TWO_CHUNKS[..31]);
    assert!(booked(&world.file("batch.db")).is_empty());
    disk.remount("size=8m");
    assert_eq!(world.run(&line).code, Some(0));
    assert_eq!(world.read("out/copy.csv").replace('.', ""), ENTRIES);
    assert_eq!(booked(&world.file("batch.db")), accounts(ENTRIES));
}

/// Checks that a run with a repository on a disk of that size fails with a one-line message, and completes once there
/// is room.
fn a_full_repository(size: &str, padding: u32, codes: &[i32]) {
    let world = World::new();
    fs::create_dir(world.file("kept")).unwrap();
    let Some(disk) = mount(&world.file("kept"), size) else { return };
    let line = format!("{RUN} --repository kept/batch.db");
    let ended = world.run(&format!("{line} --padding {padding}"));
    let begins = format!("error: repository {}: ", world.file("kept/batch.db").display());
    assert!(ended.err.starts_with(&begins), "{size}: {}", ended.err);
    assert!(
        (ended.err.contains("room") || ended.err.contains("free space"))
            && ended.err.ends_with("start again\n"),
        "{size}: {}",
        ended.err
    );
    assert_eq!((ended.err.lines().count(), ended.out.as_str()), (1, ""), "{size}: {}", ended.err);
    assert!(ended.code.is_some_and(|code| codes.contains(&code)), "{size}: {:?}", ended.code);
    if ended.code == Some(2) {
        assert_eq!(world.names(), ["in.csv", "kept"], "{size}: something was done without a record");
    }
    disk.remount("size=16m");
    let ended = world.run(&line);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{size}: {}", ended.out);
    assert_eq!(world.read("copy.csv").replace('.', ""), ENTRIES, "{size}");
    assert_eq!(booked(&world.file("kept/batch.db")), accounts(ENTRIES), "{size}");
}

#[test]
fn a_disk_that_has_no_room_for_a_repository_refuses_the_launch() {
    for size in ["32k", "140k"] {
        a_full_repository(size, 0, &[2]);
    }
}

#[test]
fn a_disk_that_fills_up_under_the_repository_loses_no_entry_and_duplicates_none() {
    for size in ["220k", "240k", "260k", "280k", "300k"] {
        a_full_repository(size, 0, &[1, 2]);
    }
    a_full_repository("512k", 200_000, &[1]);
}

#[test]
fn a_writer_that_finds_the_disk_full_fails_its_step() {
    let world = World::new();
    fs::create_dir(world.file("kept")).unwrap();
    let Some(disk) = mount(&world.file("kept"), "1m") else { return };
    let line = format!("{RUN} --repository kept/batch.db");
    // More than SQLite keeps in memory, so that the insertion fails and not the commit.
    world.fails(
        &format!("{line} --padding 3000000"),
        "book failed: writing in `books`: database or disk is full",
    );
    disk.remount("size=16m");
    assert_eq!(world.run(&line).code, Some(0));
    assert_eq!(booked(&world.file("kept/batch.db")), accounts(ENTRIES));
}
