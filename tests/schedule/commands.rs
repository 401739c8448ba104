//! The commands of schedules.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::World;

#[test]
fn nothing_is_due_at_first_and_that_is_not_a_failure() {
    let world = World::new();
    let run = world.run("run weekly --due");
    assert_eq!((run.code, run.out.as_str()), (Some(0), "nothing is due for weekly\n"), "{run}");
}

#[test]
fn what_is_due_is_run_in_order() {
    let world = World::new();
    world.begin_ago("in_order", 3);
    let run = world.run("run in_order --due --json");
    assert_eq!(run.code, Some(0), "{run}");
    let document: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let runs = document["runs"].as_array().unwrap();
    assert!(runs.len() >= 3 && runs.iter().all(|run| run["status"] == "COMPLETED"), "{document}");
    assert!(world.column("SELECT minute FROM noted ORDER BY rowid").is_sorted());
}

#[test]
fn a_run_that_fails_decides_the_exit_code() {
    let world = World::new();
    world.begin_ago("failing", 1);
    let run = world.run("run failing --due");
    assert_eq!(run.code, Some(1), "{run}");
    let again = world.run("run failing --due");
    assert_eq!(again.code, Some(0), "its restart has to wait: {again}");
}

/// A failed run holds the later times until somebody deals with it.
fn holds_later_times(world: &World) {
    world.begin_ago("holding", 3);
    std::fs::write(world.path("broken"), "").unwrap();
    assert_eq!(world.run("run holding --due").code, Some(1));
    let list = world.run("schedule list");
    let held = "holding: execution 1 failed or was stopped, and ";
    let remedy = " for it: `restart 1` resumes it, and `abandon 1` gives it up";
    assert!(list.out.contains(held) && list.out.contains(remedy), "{list}");
    let due = world.run("run holding --due --json");
    let document: serde_json::Value = serde_json::from_str(&due.out).unwrap();
    assert_eq!((due.code, &document["held_by"]), (Some(0), &1.into()), "{due}");
    assert_eq!(document["runs"].as_array().unwrap().len(), 0, "{due}");

    std::fs::remove_file(world.path("broken")).unwrap();
    assert_eq!(world.run("restart 1").code, Some(0));
    assert!(!world.run("schedule list").out.contains("holding: "));
    let due = world.run("run holding --due");
    assert_eq!(due.code, Some(0), "{due}");
    let ended = world.column("SELECT OUTCOME FROM BATCH_SCHEDULE_FIRE WHERE JOB_NAME = 'holding'");
    assert!(ended.len() >= 3 && ended.iter().all(|outcome| outcome == "DONE"), "{ended:?}");
}

#[test]
fn a_failed_run_can_hold_the_later_times_until_it_has_completed() {
    holds_later_times(&World::new());
}

#[cfg(feature = "postgres")]
#[test]
fn a_failed_run_holds_the_later_times_in_postgresql_too() {
    if let Some(world) = World::on_postgres() {
        holds_later_times(&world);
    }
}

#[test]
fn the_daemon_hands_its_options_on_to_the_jobs() {
    let world = World::new();
    world.begin_ago("in_order", 2);
    let command = format!("cat > {}", world.path("told.json").display());
    let mut daemon =
        world.command("schedule --log log.jsonl --log-filter info --durability process --on-end");
    let mut daemon = daemon.arg(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let told = || std::fs::read_to_string(world.path("told.json")).unwrap_or_default();
    until("the end of a run", || {
        told().contains("\"durability\": \"process\"") || told().contains("\"durability\":\"process\"")
    });
    kill(Pid::from_raw(daemon.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    let log = std::fs::read_to_string(world.path("log.jsonl")).unwrap();
    assert!(log.contains("\"job\":\"in_order\""), "{log}");
}

#[test]
fn the_daemon_refuses_what_its_jobs_would_refuse() {
    let world = World::new();
    let run = world.run("schedule --log missing/log.jsonl");
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.err.contains("cannot be opened"), "{run}");
}

#[test]
fn schedules_are_listed_in_words_with_their_next_times() {
    let world = World::new();
    let list = world.run("schedule list");
    assert_eq!(list.code, Some(0), "{list}");
    assert!(list.out.contains("at 03:00, on Monday"), "{list}");
    assert!(!world.path("batch.db").exists(), "a look creates nothing");
    world.begin_ago("in_order", 2);
    world.run("run in_order --due");
    let list = world.run("schedule list --json");
    let document: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    let schedules = document["schedules"].as_array().unwrap();
    let of = |job: &str| schedules.iter().find(|schedule| schedule["job"] == job).unwrap();
    let weekly = of("weekly");
    assert_eq!(weekly["zone"], "Asia/Seoul");
    assert_eq!(weekly["next"].as_array().unwrap().len(), 3);
    assert!(weekly["next"][0]["time"].as_str().unwrap().ends_with("T18:00:00Z"), "{weekly}");
    assert_eq!(of("in_order")["last"]["status"], "COMPLETED");
}

#[test]
fn a_schedule_is_paused_and_resumed() {
    let world = World::new();
    let paused = world.run("schedule pause in_order");
    assert_eq!(paused.code, Some(0), "{paused}");
    assert!(world.run("schedule list").out.contains("paused"));
    assert!(world.run("schedule pause in_order").out.contains("already paused"));
    let resumed = world.run("schedule resume in_order");
    assert!(resumed.out.contains("resumed"), "{resumed}");
}

#[test]
fn a_backfill_runs_the_times_of_some_days_oldest_first() {
    let world = World::new();
    let shown = world.run("run weekly --backfill 2026-01-05..2026-01-20");
    assert_eq!(shown.code, Some(0), "{shown}");
    let expected = "weekly runs for 3 scheduled times:\n  2026-01-04T18:00:00Z\n  2026-01-11T18:00:00Z\n  2026-01-18T18:00:00Z\nnothing was run: add `--yes` to run them\n";
    assert_eq!(shown.out, expected);
    let run = world.run("run weekly --backfill 2026-01-05..2026-01-20 --yes --at-once 2 --json");
    assert_eq!(run.code, Some(0), "{run}");
    let document: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["runs"].as_array().unwrap().len(), 3, "{document}");
    let again = world.run("run weekly --backfill 2026-01-05..2026-01-20 --yes");
    assert_eq!(again.out, "there is nothing to run for weekly on these days\n");
}

#[test]
fn a_backfill_runs_only_the_failed_times_if_asked() {
    let world = World::new();
    let none = world.run("run failing --backfill 2026-01-05 --failed-only --yes");
    assert!(none.out.contains("nothing to run"), "{none}");
}

#[test]
fn the_days_of_a_backfill_are_checked() {
    let world = World::new();
    for days in ["2026-01-05..2026-01-04", "2026-02-30", "soon"] {
        let run = world.run(&format!("run weekly --backfill {days}"));
        assert_eq!(run.code, Some(2), "{run}");
        assert!(run.err.contains("such as 2026-01-05..2026-03-30"), "{run}");
    }
}

#[test]
fn a_parameter_that_identifies_a_run_is_not_given_to_a_scheduled_one() {
    let world = World::new();
    let run = world.run("run in_order --due --minute 2026-01-01T00:00");
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.err.contains("`minute` identifies a run"), "{run}");
}

#[test]
fn units_of_other_schedulers_are_written_into_a_directory() {
    let world = World::new();
    let directory = world.path("units");
    std::fs::create_dir(&directory).unwrap();
    let run = world.run("schedule export --format systemd --directory units");
    assert_eq!(run.code, Some(0), "{run}");
    let timer = std::fs::read_to_string(directory.join("batch-weekly.timer")).unwrap();
    assert!(timer.contains("OnCalendar=Mon *-*-* 03:00:00 Asia/Seoul\n"), "{timer}");
    let service = std::fs::read_to_string(directory.join("batch-weekly.service")).unwrap();
    assert!(service.contains("run weekly --due\n"), "{service}");
}

#[test]
fn the_daemon_runs_what_is_due_and_ends_cleanly_on_a_signal() {
    let world = World::new();
    world.begin_ago("in_order", 5);
    let mut daemon = world.start("schedule");
    let done = "SELECT COUNT(*) FROM BATCH_SCHEDULE_FIRE WHERE JOB_NAME = 'in_order' AND OUTCOME = 'DONE'";
    until("what is due", || world.column(done)[0].parse::<u32>().unwrap() >= 5);
    kill(Pid::from_raw(daemon.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    let running =
        "SELECT COUNT(*) FROM BATCH_JOB_EXECUTION WHERE STATUS IN ('STARTING', 'STARTED', 'STOPPING')";
    assert_eq!(world.column(running), ["0"]);
}

#[test]
fn a_job_that_the_daemon_runs_is_stopped_with_it_and_resumed_by_the_next() {
    let world = World::new();
    world.begin_ago("long", 1);
    let mut daemon = world.start("schedule");
    until("a chunk", || world.column("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'saved'")[0] == "1");
    kill(Pid::from_raw(daemon.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    // The daemon also runs the other jobs of the program, if a minute begins meanwhile.
    let of_long =
        "SELECT e.STATUS FROM BATCH_JOB_EXECUTION e JOIN BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
        WHERE i.JOB_NAME = 'long'";
    assert_eq!(world.column(of_long), ["STOPPED"]);
    let resumed = world.run("run long --due");
    assert_eq!(resumed.code, Some(0), "{resumed}");
    let of_first = "SELECT COUNT(*) FROM BATCH_JOB_EXECUTION WHERE STATUS = 'COMPLETED' AND JOB_INSTANCE_ID =
        (SELECT MIN(JOB_INSTANCE_ID) FROM BATCH_JOB_INSTANCE WHERE JOB_NAME = 'long')";
    assert_eq!(world.column(of_first), ["1"]);
}

#[test]
fn a_run_that_a_person_stops_is_held() {
    let world = World::new();
    world.begin_ago("long", 1);
    let mut run = world.start("run long --due");
    until("a chunk", || world.column("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'saved'")[0] == "1");
    let stop = world.run("stop 1");
    assert_eq!(stop.code, Some(0), "{stop}");
    assert_eq!(run.wait().unwrap().code(), Some(3));
    let held = "SELECT OUTCOME FROM BATCH_SCHEDULE_FIRE ORDER BY FIRE_TIME LIMIT 1";
    assert_eq!(world.column(held), ["HELD"]);
    assert!(world.run("schedule list").out.contains("1 run is held"));
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < end, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_doctor_finds_a_schedule_that_nothing_follows() {
    let world = World::new();
    world.begin_ago("in_order", 90);
    let run = world.run("doctor");
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.out.contains("job `in_order` has been due for 1 h"), "{run}");
    assert!(run.out.contains("`run in_order --due` runs it"), "{run}");
}
