use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::program::{Folder, counted};

/// The contents of the files, computed from their text: the entries with a valid account, and their sums by account.
struct Expected {
    read: u64,
    entries: BTreeMap<i64, (i64, i64)>,
    balances: BTreeMap<i64, (i64, i64)>,
}

/// An account whose last digit is that of its hash.
fn is_valid(account: i64) -> bool {
    let mut hash = account / 10 + 7;
    for _ in 0..200 {
        hash = (11 + 48_271 * hash).rem_euclid(i64::from(i32::MAX));
    }
    hash.to_string().chars().last() == account.to_string().chars().last()
}

impl Expected {
    fn of(folder: &Folder) -> Self {
        let mut expected = Self { read: 0, entries: BTreeMap::new(), balances: BTreeMap::new() };
        for file in fs::read_dir(folder.file("transactions")).unwrap() {
            for line in fs::read_to_string(file.unwrap().path()).unwrap().lines().skip(1) {
                let fields: Vec<i64> = line.split(',').map(|field| field.parse().unwrap()).collect();
                expected.read += 1;
                if is_valid(fields[1]) {
                    expected.entries.insert(fields[0], (fields[1], fields[2]));
                    let (entries, cents) = expected.balances.entry(fields[1]).or_default();
                    *entries += 1;
                    *cents += fields[2];
                }
            }
        }
        expected
    }

    #[track_caller]
    fn are_in(&self, database: &Connection) {
        let rows = |sql: &str| -> Vec<(i64, (i64, i64))> {
            let mut query = database.prepare(sql).unwrap();
            let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
            rows.collect::<rusqlite::Result<_>>().unwrap()
        };
        let entries = rows("SELECT id, account, cents FROM entry ORDER BY id");
        assert_eq!(entries, self.entries.clone().into_iter().collect::<Vec<_>>());
        let balances = rows("SELECT account, entries, cents FROM balance ORDER BY account");
        assert_eq!(balances, self.balances.clone().into_iter().collect::<Vec<_>>());
        let counted = counted(database, "load_files");
        assert_eq!((counted.read, counted.write), (self.read, self.entries.len() as u64));
    }
}

fn with_files() -> Folder {
    let folder = Folder::new();
    folder.run("transaction_files", ["run", "make_files", "--files", "6", "--records", "1500"]).ended_with(0);
    folder
}

#[test]
fn threads_of_one_process_load_all_files() {
    let folder = with_files();
    folder.run("transaction_files", ["run", "transaction_files"]).ended_with(0);
    Expected::of(&folder).are_in(&folder.database());
}

#[test]
fn three_workers_load_all_files_even_if_one_is_killed() {
    let folder = with_files();
    let mut command = folder.command("transaction_files");
    command.args(["run", "transaction_files", "--workers", "local:3"]);
    let manager = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The first worker that holds a partition.
    let worker = (0..2_000)
        .find_map(|_| {
            thread::sleep(Duration::from_millis(5));
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
            let database = Connection::open_with_flags(folder.file("batch.db"), flags).ok()?;
            let holder = "SELECT PID FROM BATCH_PROCESS JOIN BATCH_PARTITION USING (PROCESS_ID)";
            database.query_row(holder, [], |row| row.get::<_, u32>(0)).ok()
        })
        .expect("a worker takes a partition");
    Command::new("kill").args(["-KILL", &worker.to_string()]).status().unwrap();
    let ended = manager.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    Expected::of(&folder).are_in(&folder.database());
}

#[test]
fn workers_that_were_started_by_hand_load_all_files() {
    let folder = with_files();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let mut command = folder.command("transaction_files");
            // The test ends them: they must not end before the first file is offered.
            command.args(["worker", "--idle-exit", "15m"]).spawn().unwrap()
        })
        .collect();
    folder.run("transaction_files", ["run", "transaction_files", "--workers", "remote"]).ended_with(0);
    for mut worker in workers {
        Command::new("kill").args(["-TERM", &worker.id().to_string()]).status().unwrap();
        assert!(worker.wait().unwrap().success());
    }
    Expected::of(&folder).are_in(&folder.database());
}
