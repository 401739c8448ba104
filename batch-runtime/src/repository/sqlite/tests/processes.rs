//! Owners in separate processes: each test runs itself again as the owner.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::definition::{DatabaseHandle, Sqlite};

/// Set for the owner: the repository's file.
const OWNER_OF: &str = "BATCH_TEST_OWNER_OF";

struct Owner {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Owner {
    /// Starts `test` as the owner, which has launched when this returns.
    fn start(test: &str, folder: &Folder) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg(format!("repository::sqlite::tests::processes::{test}"))
            .env(OWNER_OF, folder.file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut owner = Self { process, orders, answers };
        assert_eq!(owner.answer(), "committed");
        owner
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the owner said nothing more");
            // The test harness prints on the same line.
            if let Some((_, answer)) = line.split_once("owner: ") {
                return answer.trim().to_owned();
            }
        }
    }

    fn order_a_chunk(&mut self) -> String {
        self.orders.write_all(b"\n").unwrap();
        self.answer()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Acts as the owner: launches, commits a chunk, and one more for every line it receives.
fn owner() -> bool {
    let Some(path) = std::env::var_os(OWNER_OF) else { return false };
    let repository = SqliteRepository::open(&path).unwrap();
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    commit(&mut step, 1).unwrap();
    println!("owner: committed");
    for (position, _) in (2..).zip(std::io::stdin().lines()) {
        match commit(&mut step, position) {
            Ok(_) => println!("owner: committed"),
            Err(ChunkError::Repository(RepositoryError::Fenced { .. })) => println!("owner: fenced"),
            Err(error) => println!("owner: {error}"),
        }
    }
    true
}

/// The database for the rows of an owner that counts until it is killed.
fn counted_in(repository: &Path) -> DatabaseHandle {
    let sqlite = Sqlite::open(repository.with_file_name("warehouse.db"));
    DatabaseHandle::new(
        sqlite.on_connect(|connection| connection.execute_batch("CREATE TABLE IF NOT EXISTS item (n)")),
    )
}

fn begin_counting(repository: &SqliteRepository, owner: Ownership, elsewhere: bool) -> BegunStep {
    let handle = counted_in(repository.path());
    let elsewhere = elsewhere.then_some(("warehouse", &handle));
    begin_as(repository, owner, &StepStart { elsewhere, ..start("step") }).unwrap()
}

/// Writes consecutive numbers from the checkpoint on, and skips something with every third.
fn counting_owner(elsewhere: bool) -> bool {
    let Some(path) = std::env::var_os(OWNER_OF) else { return false };
    let options = SqliteOptions::new().intervals(Duration::from_millis(3), Duration::from_millis(1));
    let repository = options.open(&path).unwrap();
    let parameters = parameters("a");
    let launched = repository.launch(&LaunchRequest { max_recoveries: 99, ..request(&parameters) }).unwrap();
    let mut step = begin_counting(&repository, launched.ownership, elsewhere);
    let position = step.context.get("position").map_or(0, |position| position.as_i64().unwrap());
    let mut process_skip = 0;
    for (read, position) in (1..).zip(position + 1..) {
        let mut record = record(position);
        if position % 3 == 0 {
            process_skip += 1;
            record.skipped.push(SkippedItem {
                phase: SkipPhase::Process,
                position: String::new(),
                location: None,
                error: String::new(),
                item: Some(position.to_string()),
            });
        }
        record.counters = Counters { read, process_skip, ..Counters::default() };
        step.chunks
            .commit(&mut record, |chunk, _| {
                let tx = chunk.of::<Sqlite>()?;
                tx.execute("INSERT INTO item VALUES (?1)", [position]).map_err(Failure::new).map(|_| ())
            })
            .unwrap();
        if read == 1 {
            println!("owner: committed");
        }
    }
    true
}

/// Kills such owners at various moments and checks what they leave.
fn kill_and_restart(test: &str, elsewhere: bool) {
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    for round in 0..10 {
        let mut owner = Owner::start(test, &folder);
        std::thread::sleep(Duration::from_micros(700 * round));
        owner.signal(Signal::SIGKILL);
        owner.process.wait().unwrap();
    }
    let parameters = parameters("a");
    let launched = repository.launch(&LaunchRequest { max_recoveries: 99, ..request(&parameters) }).unwrap();
    let step = begin_counting(&repository, launched.ownership, elsewhere);
    let last = step.before.read;
    assert!(last >= 10);
    assert_eq!(step.context, context(i64::try_from(last).unwrap()));
    let file = if elsewhere { folder.0.join("warehouse.db") } else { folder.file() };
    assert_eq!(
        rows(&file, "SELECT COUNT(*), COUNT(DISTINCT n), MIN(n), MAX(n) FROM item"),
        [format!("{last}|{last}|1|{last}")]
    );
    let skips = last / 3;
    assert_eq!(step.before.process_skip, skips);
    assert_eq!(
        rows(&folder.file(), "SELECT COUNT(*), COUNT(DISTINCT ITEM), MAX(0 + ITEM) FROM BATCH_SKIPPED_ITEM"),
        [format!("{skips}|{skips}|{}", skips * 3)]
    );
}

#[test]
fn owners_killed_at_any_moment_lose_and_duplicate_no_row() {
    if !counting_owner(false) {
        kill_and_restart("owners_killed_at_any_moment_lose_and_duplicate_no_row", false);
    }
}

#[test]
fn owners_killed_at_any_moment_lose_and_duplicate_no_row_in_another_database() {
    if !counting_owner(true) {
        kill_and_restart("owners_killed_at_any_moment_lose_and_duplicate_no_row_in_another_database", true);
    }
}

fn items(folder: &Folder) -> Vec<String> {
    rows(&folder.file(), "SELECT n FROM item ORDER BY n")
}

#[test]
fn an_owner_that_lives_is_not_taken_over_and_one_that_was_killed_is() {
    if owner() {
        return;
    }
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let mut owner = Owner::start("an_owner_that_lives_is_not_taken_over_and_one_that_was_killed_is", &folder);
    let pid = owner.process.id();
    let error = repository.launch(&request(&parameters("a"))).unwrap_err().to_string();
    assert!(error.contains(&format!("process {pid} on host")), "{error}");
    assert!(repository.recover().unwrap().is_empty());
    assert_eq!(owner.order_a_chunk(), "committed");

    owner.signal(Signal::SIGKILL);
    owner.process.wait().unwrap();
    let launched = launch(&repository);
    assert_eq!(launched.recovered.unwrap().pid, pid);
    let step = begin(&repository, launched.ownership);
    assert_eq!((step.context, step.before.read), (context(2), 2));
    let lost = repository.execution(launched.restarted_from.unwrap()).unwrap();
    assert!(lost.exit.description.contains(&format!("process {pid} on host")), "{:?}", lost.exit);
    assert_eq!(items(&folder), ["1", "2"]);
}

#[test]
fn a_paused_owner_is_taken_over_by_force_only_and_is_fenced_when_it_wakes() {
    if owner() {
        return;
    }
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let mut owner =
        Owner::start("a_paused_owner_is_taken_over_by_force_only_and_is_fenced_when_it_wakes", &folder);
    owner.signal(Signal::SIGSTOP);
    let parameters = parameters("a");
    let error = repository.launch(&request(&parameters)).unwrap_err();
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    assert!(repository.recover().unwrap().is_empty());
    let force = LaunchRequest { recovery: Recovery::Force, ..request(&parameters) };
    let launched = repository.launch(&force).unwrap();
    assert_eq!(launched.recovered.unwrap().pid, owner.process.id());

    let mut step = begin(&repository, launched.ownership);
    assert_eq!(step.context, context(1));
    owner.signal(Signal::SIGCONT);
    assert_eq!(owner.order_a_chunk(), "fenced");
    commit(&mut step, 7).unwrap();
    assert_eq!(items(&folder), ["1", "7"]);
}

#[test]
fn an_unwritable_repository_is_refused() {
    use std::os::unix::process::CommandExt;

    if let Some(path) = std::env::var_os(OWNER_OF) {
        let path = PathBuf::from(path);
        for file in [path.join("batch.db"), path.join("new.db")] {
            let error = SqliteRepository::open(&file).unwrap_err();
            assert!(matches!(error, RepositoryError::Unusable { .. }), "{error:?}");
            println!("owner: {error}");
        }
        return;
    }
    let folder = Folder::new();
    drop(folder.open());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("repository::sqlite::tests::processes::an_unwritable_repository_is_refused")
        .env(OWNER_OF, &folder.0);
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
