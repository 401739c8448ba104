//! Pauses the owner of an execution just before a transaction begins or just after it commits, lets another process take
//! over by force and complete, and wakes the owner up.

use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use crate::point::{Outcome, Reference, complete, inspect};
use crate::process::{self, Ended, HANG, KILLED};
use crate::shape::{Folder, Inputs, PROGRAM, SHAPES};
use crate::strace;

/// An owner that is paused after its `number`th call that locks or unlocks.
#[derive(Debug)]
pub(crate) struct Pause {
    shape: usize,
    number: usize,
    /// Also kills the process that takes over, so that a third one takes over from it.
    kill: Option<&'static str>,
}

/// The calls that copy an unfinished file and put the copy in its place.
const KILLS: [&str; 5] = [
    "copy_file_range:signal=SIGKILL:when=1",
    "fsync:signal=SIGKILL:when=1",
    "fsync:signal=SIGKILL:when=2",
    "rename:signal=SIGKILL:when=1",
    "rename:signal=SIGKILL:when=2",
];

/// The writer's lock in the write-ahead log.
const WRITERS_LOCK: &str = "l_start=120, l_len=1}";

/// A process paused within a transaction holds the writer's lock, so no other process can take over. Therefore only shapes
/// whose calls always come in the same order can be paused after a call known from another run.
fn in_order(references: &[Reference]) -> impl Iterator<Item = usize> {
    let shapes = references.iter().map(|reference| reference.shape);
    shapes.filter(|shape| !SHAPES[*shape].side_by_side && !SHAPES[*shape].in_any_order)
}

/// The points of each shape at which its process holds no lock that others wait for.
pub(crate) fn all(references: &[Reference], inputs: &Inputs, one_in: usize) -> Vec<Pause> {
    in_order(references).flat_map(|shape| of(shape, inputs).into_iter().step_by(one_in)).collect()
}

/// The same points of shapes that write a file, each with a kill of the process that takes over.
pub(crate) fn all_twice(references: &[Reference], inputs: &Inputs, one_in: usize) -> Vec<Pause> {
    let writes_files = |word: &&str| ["--output", "--folder"].contains(word);
    let shapes = in_order(references).filter(|shape| SHAPES[*shape].words().iter().any(writes_files));
    let pauses = shapes.flat_map(|shape| of(shape, inputs));
    let killed =
        pauses.zip(KILLS.into_iter().cycle()).map(|(pause, kill)| Pause { kill: Some(kill), ..pause });
    killed.step_by(one_in).collect()
}

fn of(shape: usize, inputs: &Inputs) -> Vec<Pause> {
    let folder = Folder::new(inputs);
    let ended = process::run(&mut strace::command(&folder, &SHAPES[shape], "fcntl", &[]));
    assert_eq!(ended, Ended::Code(0), "{} undisturbed: {}", SHAPES[shape].job, folder.said());
    let lines = strace::lines(&folder).into_iter().filter(|line| line.starts_with("fcntl("));
    // A stop, unlike a kill, takes effect after the call that it is injected into: after the call before the writer's
    // lock is taken, and after the call that releases it. A process paused there holds nothing that others need; after
    // the last of these calls it still has a file to rename.
    let numbers = lines.enumerate().filter(|(_, line)| line.contains(WRITERS_LOCK)).filter_map(
        |(index, line)| match () {
            () if line.contains("F_WRLCK") && index > 0 => Some(index),
            () if line.contains("F_UNLCK") => Some(index + 1),
            () => None,
        },
    );
    numbers.map(|number| Pause { shape, number, kill: None }).collect()
}

/// Pauses the owner there, takes over, wakes it up, and checks the result.
pub(crate) fn try_pause(pause: &Pause, references: &[Reference], inputs: &Inputs) -> Outcome {
    let Pause { shape, number, kill } = *pause;
    let mut outcome = Outcome::default();
    let folder = Folder::new(inputs);
    let stop = format!("fcntl:signal=SIGSTOP:when={number}");
    let mut owner = process::start(&mut strace::command(&folder, &SHAPES[shape], "fcntl", &[stop]));
    let sleeping = wait_until_it_sleeps(&folder, &mut owner);
    let free = sleeping.filter(|sleeping| {
        let free = !holds_the_writers_lock(&folder);
        if !free {
            process::send("-CONT", sleeping);
        }
        free
    });
    let Some(sleeping) = free else {
        process::wait(owner, HANG);
        complete(&folder, &SHAPES[shape], &mut outcome.damage);
        return outcome;
    };

    let owners = folder.set_said_aside();
    if let Some(kill) = kill {
        // `strace` counts from its own start, and its notes are kept next to those of the owner.
        let mut forced = Command::new("strace");
        forced.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=copy_file_range,fsync,rename"]);
        forced.arg("-e").arg(format!("inject={kill}")).arg(PROGRAM);
        forced.args(SHAPES[shape].words()).args(["--recovery", "force"]);
        if process::run(folder.enter(&mut forced)) == KILLED {
            outcome.deaths += 1;
        }
    }
    let mut forced = Command::new(PROGRAM);
    forced.args(SHAPES[shape].words()).args(["--recovery", "force"]);
    match process::run(folder.enter(&mut forced)) {
        Ended::Code(0) => {}
        Ended::Code(4) if folder.said().contains("is already COMPLETED") => {}
        ended => {
            let what = format!("the takeover ended with {ended:?}: {}", folder.said());
            outcome.damage.contradictions.push(what);
        }
    }
    process::send("-CONT", &sleeping);
    let woken = process::wait(owner, HANG);
    let said = std::fs::read_to_string(owners).unwrap_or_default();
    match woken {
        // The owner had nothing more to write, or was not launched yet.
        Ended::Code(0 | 4) => {}
        Ended::Code(1) if said.contains("taken over") && !said.contains("panicked") => outcome.failures += 1,
        other => {
            let what = format!("the owner woke up and ended with {other:?}: {said}");
            outcome.damage.contradictions.push(what);
        }
    }
    let reference =
        references.iter().find(|reference| reference.shape == shape).expect("every shape has run");
    inspect(&folder, reference, &[], &mut outcome.damage);
    for what in &outcome.damage.contradictions {
        println!("WRONG {} paused after lock {number}: {what}", SHAPES[shape].job);
    }
    outcome
}

/// Whether the owner has been paused within a transaction: on a busy machine it looks for a stop request more often, and
/// the calls after that have other numbers.
fn holds_the_writers_lock(folder: &Folder) -> bool {
    let lines = strace::lines(folder);
    let last = lines.iter().rev().find(|line| line.contains(WRITERS_LOCK));
    last.is_some_and(|line| line.contains("F_WRLCK"))
}

/// The process ID of the owner once all its threads are paused; `None` if it ended before. A thread that was within a call
/// stops after the call, and may have taken the writer's lock by then.
fn wait_until_it_sleeps(folder: &Folder, owner: &mut Child) -> Option<String> {
    loop {
        let trace = std::fs::read_to_string(folder.beside("trace")).unwrap_or_default();
        let stops = trace.lines().filter(|line| line.contains("stopped by SIGSTOP"));
        let stopped: Vec<&str> = stops.filter_map(|line| line.split_whitespace().next()).collect();
        if let Some(first) = stopped.first()
            && threads(first).iter().all(|thread| stopped.contains(&thread.as_str()))
        {
            return Some((*first).to_owned());
        }
        if owner.try_wait().expect("a child of ours").is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The IDs of the threads of the process that this thread belongs to.
fn threads(of: &str) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
