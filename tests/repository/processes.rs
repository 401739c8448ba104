//! Owners in separate processes: each test runs itself again as the owner.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use batch_runtime::DatabaseHandle;
use batch_runtime::repository::{
    BegunStep, Counters, LaunchRequest, Ownership, RepositoryError, SkipPhase, SkippedItem, StepStart,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{OWNER_OF, Place, Repo, Setup};
use crate::support::*;

every_kind![
    owners_killed_at_any_moment_lose_and_duplicate_no_row,
    an_owner_that_lives_is_not_taken_over_and_one_that_was_killed_is,
    a_paused_owner_is_taken_over_by_force_only_and_is_fenced_when_it_wakes,
];

every_pair![owners_killed_at_any_moment_lose_and_duplicate_no_row_in_another_database];

pub(crate) struct Owner {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Owner {
    /// Starts a test as the owner, which has launched when this returns.
    pub(crate) fn start(test: &str, addresses: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg(test)
            .env(OWNER_OF, addresses)
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

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
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

    pub(crate) fn order_a_chunk(&mut self) -> String {
        self.orders.write_all(b"\n").unwrap();
        self.answer()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.process.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn is_owner() -> bool {
    std::env::var_os(OWNER_OF).is_some()
}

/// Acts as the owner: launches, commits a chunk, and one more for every line it receives.
pub(crate) fn own<P: Place>(repository: &Repo) {
    let launched = launch(repository);
    let mut step = begin(repository, launched.ownership);
    commit::<P>(&mut step, 1).unwrap();
    println!("owner: committed");
    for (position, _) in (2..).zip(std::io::stdin().lines()) {
        match commit::<P>(&mut step, position) {
            Ok(_) => println!("owner: committed"),
            chunk if is_fenced(&chunk) => println!("owner: fenced"),
            Err(error) => println!("owner: {error}"),
        }
    }
}

fn launch_often(repository: &Repo) -> batch_runtime::repository::Launched {
    let parameters = parameters("a");
    repository.launch(&LaunchRequest { max_recoveries: 99, ..request(&parameters) }).unwrap()
}

fn begin_counting(repository: &Repo, owner: Ownership, elsewhere: Option<&DatabaseHandle>) -> BegunStep {
    let elsewhere = elsewhere.map(|handle| ("warehouse", handle));
    begin_as(repository, owner, &StepStart { elsewhere, ..start("step") }).unwrap()
}

/// Writes consecutive numbers from the checkpoint on, and skips something with every third.
fn count<R: Place, W: Place>(here: &R, elsewhere: Option<&DatabaseHandle>) {
    let repository = here.open_with(Setup { mirror: Some(Duration::from_millis(3)), wait: None });
    let launched = launch_often(&repository);
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
        step.chunks.commit(&mut record, |chunk, _| W::insert(chunk, position)).unwrap();
        if read == 1 {
            println!("owner: committed");
        }
    }
}

/// Kills such owners at various moments and checks what they leave.
fn kill_and_restart<R: Place, W: Place>(
    test: &str,
    here: &R,
    there: &W,
    addresses: &str,
    elsewhere: Option<&DatabaseHandle>,
) {
    let repository = here.open();
    make_items(there);
    for round in 0..10 {
        let mut owner = Owner::start(test, addresses);
        std::thread::sleep(Duration::from_micros(700 * round));
        owner.kill();
    }
    let launched = launch_often(&repository);
    let step = begin_counting(&repository, launched.ownership, elsewhere);
    let last = step.before.read;
    assert!(last >= 10);
    assert_eq!(step.context, context(i64::try_from(last).unwrap()));
    assert_eq!(
        there.rows("SELECT COUNT(*), COUNT(DISTINCT n), MIN(n), MAX(n) FROM item"),
        [format!("{last}|{last}|1|{last}")]
    );
    let skips = last / 3;
    assert_eq!(step.before.process_skip, skips);
    assert_eq!(
        here.rows("SELECT COUNT(*), COUNT(DISTINCT ITEM), MAX(CAST(ITEM AS BIGINT)) FROM BATCH_SKIPPED_ITEM"),
        [format!("{skips}|{skips}|{}", skips * 3)]
    );
}

fn owners_killed_at_any_moment_lose_and_duplicate_no_row<P: Place>(place: &P) {
    if is_owner() {
        return count::<P, P>(place, None);
    }
    let test = format!("processes::{}::owners_killed_at_any_moment_lose_and_duplicate_no_row", P::KIND);
    kill_and_restart(&test, place, place, &place.address(), None);
}

fn owners_killed_at_any_moment_lose_and_duplicate_no_row_in_another_database<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let handle = Some(there.handle());
    if is_owner() {
        return count::<R, W>(here, handle.as_ref());
    }
    let name = "owners_killed_at_any_moment_lose_and_duplicate_no_row_in_another_database";
    let test = format!("processes::{}_and_{}::{name}", R::KIND, W::KIND);
    let addresses = format!("{}\n{}", here.address(), there.address());
    kill_and_restart(&test, here, there, &addresses, handle.as_ref());
}

fn an_owner_that_lives_is_not_taken_over_and_one_that_was_killed_is<P: Place>(place: &P) {
    if is_owner() {
        return own::<P>(&place.open());
    }
    let repository = place.open();
    make_items(place);
    let name = "an_owner_that_lives_is_not_taken_over_and_one_that_was_killed_is";
    let mut owner = Owner::start(&format!("processes::{}::{name}", P::KIND), &place.address());
    let pid = owner.id();
    let error = repository.launch(&request(&parameters("a"))).unwrap_err().to_string();
    assert!(error.contains(&format!("process {pid} on host")), "{error}");
    assert!(repository.recover().unwrap().is_empty());
    assert_eq!(owner.order_a_chunk(), "committed");

    owner.kill();
    let launched = launch(&repository);
    assert_eq!(launched.recovered.unwrap().pid, pid);
    let step = begin(&repository, launched.ownership);
    assert_eq!((step.context, step.before.read), (context(2), 2));
    let lost = repository.execution(launched.restarted_from.unwrap()).unwrap();
    assert!(lost.exit.description.contains(&format!("process {pid} on host")), "{:?}", lost.exit);
    assert_eq!(items(place), ["1", "2"]);
}

fn a_paused_owner_is_taken_over_by_force_only_and_is_fenced_when_it_wakes<P: Place>(place: &P) {
    if is_owner() {
        return own::<P>(&place.open());
    }
    let repository = place.open();
    make_items(place);
    let name = "a_paused_owner_is_taken_over_by_force_only_and_is_fenced_when_it_wakes";
    let mut owner = Owner::start(&format!("processes::{}::{name}", P::KIND), &place.address());
    owner.signal(Signal::SIGSTOP);
    let error = repository.launch(&request(&parameters("a"))).unwrap_err();
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    assert!(repository.recover().unwrap().is_empty());
    let launched = force(&repository);
    assert_eq!(launched.recovered.as_ref().unwrap().pid, owner.id());

    let mut step = begin(&repository, launched.ownership);
    assert_eq!(step.context, context(1));
    owner.signal(Signal::SIGCONT);
    assert_eq!(owner.order_a_chunk(), "fenced");
    commit::<P>(&mut step, 7).unwrap();
    assert_eq!(items(place), ["1", "7"]);
}
