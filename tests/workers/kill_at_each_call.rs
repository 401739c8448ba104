//! Kills a worker, its manager, and both before each durable system call; afterwards every number is there once.
//!
//! `CRASH=all` tries every call instead of a sample, and prints the number of deaths.

use std::process::Command;

use batch_tests::missing;

use super::world::{Run, World, numbers};

/// The calls that change something that another process could find.
const CALLS: &str = "write,writev,pwrite64,fsync,fdatasync,ftruncate,rename,unlink,openat,fcntl,exit_group";
/// The number of points of each shape in the sample.
const SAMPLE: usize = 5;

/// The number of calls in a row that kill nobody, after which a shape is done.
const MOST_MISSED: usize = 3;

/// A job, and what is left in the end.
struct Shape {
    line: &'static str,
    step: &'static str,
    check: fn(&World),
}

fn written(items: &[i64], expected: &[i64]) {
    let missing = expected.iter().filter(|number| !items.contains(number)).count();
    let surplus = items.len() + missing - expected.len();
    assert_eq!((missing, surplus), (0, 0), "lost, duplicated; {items:?}");
}

const SHAPES: [Shape; 4] = [
    Shape {
        line: "load --parts 2 --size 30",
        step: "fill",
        check: |world| written(&world.items(), &numbers(60)),
    },
    Shape {
        line: "write_file --parts 2 --size 30 --output out.csv",
        step: "print",
        check: |world| {
            let lines: Vec<String> = numbers(60).iter().map(i64::to_string).collect();
            assert_eq!(world.read("out.csv"), format!("n\n{}\n", lines.join("\n")));
            assert_eq!(world.files("out.csv"), ["out.csv"]);
        },
    },
    Shape {
        line: "load_elsewhere --parts 2 --size 30 --warehouse-url stock.db",
        step: "fill_stock",
        check: |world| written(&world.items_in("stock.db"), &numbers(60)),
    },
    Shape {
        line: "load_even --parts 2 --size 30 --odd-every 10",
        step: "fill_even",
        check: |world| {
            let even: Vec<i64> = numbers(60).into_iter().filter(|number| number % 10 != 1).collect();
            written(&world.items(), &even);
            let skipped = world.column(
                "SELECT ITEM FROM BATCH_SKIPPED_ITEM JOIN BATCH_STEP_EXECUTION USING (STEP_EXECUTION_ID)
                 ORDER BY CAST(ITEM AS INTEGER)",
            );
            assert_eq!(skipped, ["1", "11", "21", "31", "41", "51"]);
        },
    },
];

/// The process that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Worker,
    Manager,
    Both,
}

/// The strace command that kills a process before its call with that number.
fn killing(call: usize) -> Vec<String> {
    let inject = format!("inject={CALLS}:signal=SIGKILL:when={call}");
    ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={CALLS}"), "-e", &inject]
        .map(str::to_owned)
        .into()
}

/// A command for workers, the first of which is killed before that call.
fn workers(call: Option<usize>) -> String {
    let program = env!("CARGO_BIN_EXE_parts");
    match call {
        None => format!("{program} {{worker}}"),
        Some(call) => {
            let killing = killing(call).join(" ");
            format!(
                "sh -c \"if [ {{n}} = 1 ]; then exec {killing} {program} {{worker}}; else exec {program} {{worker}}; fi\""
            )
        }
    }
}

fn launch(world: &World, shape: &Shape, manager: Option<usize>, worker: Option<usize>) -> Run {
    let mut words: Vec<String> = manager.map(killing).unwrap_or_default();
    // The workers are children of the manager, and are not to be traced with it.
    words.retain(|word| word != "-f");
    words.push(env!("CARGO_BIN_EXE_parts").to_owned());
    words.push("run".to_owned());
    words.extend(shape.line.split_whitespace().map(str::to_owned));
    words.extend(["--workers".to_owned(), workers(worker), "--most-workers".to_owned(), "2".to_owned()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(world.path("")).env_remove("BATCH_REPOSITORY");
    world.start_command(command).wait()
}

/// Tries one death. Returns whether anybody died.
fn dies(shape: &Shape, victim: Victim, call: usize) -> bool {
    let world = World::new();
    let manager = (victim != Victim::Worker).then_some(call);
    // If both die, the worker dies at another call than the manager.
    let worker = match victim {
        Victim::Worker => Some(call),
        Victim::Manager => None,
        Victim::Both => Some(call * 7 % 60 + 1),
    };
    let run = launch(&world, shape, manager, worker);
    let has_died = match victim {
        Victim::Worker => run.err.contains("was lost") || run.err.contains("could not run"),
        Victim::Manager | Victim::Both => run.code != 0,
    };
    let run = if run.code == 0 { run } else { launch(&world, shape, None, None) };
    // The process may have died after the end of the job.
    let is_complete = run.code == 0 || run.err.contains("is already COMPLETED");
    assert!(is_complete, "{victim:?} before call {call} of {}: {run}", shape.line);
    (shape.check)(&world);
    let status =
        world.column("SELECT STATUS FROM BATCH_JOB_EXECUTION ORDER BY JOB_EXECUTION_ID DESC LIMIT 1");
    assert_eq!(status, ["COMPLETED"]);
    let read = world.column(&format!(
        "SELECT SUM(READ_COUNT + READ_SKIP_COUNT) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = '{}'",
        shape.step
    ));
    assert_eq!(read, ["60"], "{victim:?} before call {call} of {}", shape.line);
    has_died
}

fn sweep(victim: Victim) {
    if !missing::has_program("strace") {
        return;
    }
    let all = std::env::var("CRASH").is_ok_and(|crash| crash == "all");
    let mut deaths = 0;
    for shape in &SHAPES {
        let mut call = 1;
        // The points differ between shapes, but not between runs, so that a failure can be repeated.
        let stride = if all { 1 } else { 150 / SAMPLE + shape.step.len() % 7 };
        // The death of an idle worker is not noticed, and the next call may kill it at work.
        let mut missed = 0;
        while missed < MOST_MISSED {
            if dies(shape, victim, call) {
                (deaths, missed) = (deaths + 1, 0);
            } else {
                missed += 1;
            }
            call += stride;
        }
        if all {
            println!("{victim:?}, {}: {} points, lost 0, duplicated 0", shape.line, call - 1);
        }
    }
    println!("{victim:?}: {deaths} deaths, lost 0, duplicated 0");
    assert!(deaths >= SHAPES.len());
}

#[test]
fn a_worker_that_dies_before_any_durable_call_loses_and_duplicates_nothing() {
    sweep(Victim::Worker);
}

#[test]
fn a_manager_that_dies_before_any_durable_call_loses_and_duplicates_nothing() {
    sweep(Victim::Manager);
}

#[test]
fn a_manager_and_a_worker_that_both_die_lose_and_double_nothing() {
    sweep(Victim::Both);
}
