//! Receives: shapes that write into databases only. Gives: what comes of it when their owner is stopped where it is
//! about to begin a transaction, somebody else takes over by force and completes, and the owner wakes up.
//!
//! A paused owner of a file is not looked at: it holds the file's lock, and the takeover is refused.

use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use crate::point::{Outcome, Reference, complete, inspect};
use crate::process::{self, Ended, HANG};
use crate::shape::{Folder, Inputs, PROGRAM, SHAPES};
use crate::strace;

/// An owner that sleeps behind its `number`th lock.
#[derive(Debug)]
pub(crate) struct Pause {
    shape: usize,
    number: usize,
}

/// Where each of them is about to begin a transaction.
pub(crate) fn all(references: &[Reference], inputs: &Inputs, one_in: usize) -> Vec<Pause> {
    let shapes = references.iter().map(|reference| reference.shape);
    shapes
        .filter(|shape| SHAPES[*shape].databases_only)
        .flat_map(|shape| of(shape, inputs).into_iter().step_by(one_in))
        .collect()
}

fn of(shape: usize, inputs: &Inputs) -> Vec<Pause> {
    let folder = Folder::new(inputs);
    let ended = process::run(&mut strace::command(&folder, &SHAPES[shape], "fcntl", &[]));
    assert_eq!(ended, Ended::Code(0), "{} undisturbed: {}", SHAPES[shape].job, folder.said());
    let lines = strace::lines(&folder).into_iter().filter(|line| line.starts_with("fcntl("));
    // The lock of a writer in the write-ahead log. A stop, unlike a kill, comes behind the call that it is injected
    // into, so that is the one before: whoever stops there holds nothing that others need.
    let asks = |line: &str| line.contains("F_WRLCK") && line.contains("l_start=120, l_len=1}");
    let numbered = lines.enumerate().filter(|(index, line)| *index > 0 && asks(line));
    numbered.map(|(index, _)| Pause { shape, number: index }).collect()
}

/// Stops the owner there, takes over, wakes it up, and looks at what stands there in the end.
pub(crate) fn try_pause(pause: &Pause, references: &[Reference], inputs: &Inputs) -> Outcome {
    let Pause { shape, number } = *pause;
    let mut outcome = Outcome::default();
    let folder = Folder::new(inputs);
    let stop = format!("fcntl:signal=SIGSTOP:when={number}");
    let mut owner = process::start(&mut strace::command(&folder, &SHAPES[shape], "fcntl", &[stop]));
    let Some(sleeping) = wait_until_it_sleeps(&folder, &mut owner) else {
        process::wait(owner, HANG);
        complete(&folder, &SHAPES[shape], &mut outcome.damage);
        return outcome;
    };

    let mut forced = Command::new(PROGRAM);
    forced.args(SHAPES[shape].words()).args(["--recovery", "force"]);
    let owners = folder.set_said_aside();
    let ended = process::run(folder.enter(&mut forced));
    if ended != Ended::Code(0) {
        let what = format!("the takeover ended with {ended:?}: {}", folder.said());
        outcome.damage.contradictions.push(what);
    }
    process::send("-CONT", &sleeping);
    let woken = process::wait(owner, HANG);
    let said = std::fs::read_to_string(owners).unwrap_or_default();
    match woken {
        // It had nothing more to write, or was not yet launched.
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
        println!("WRONG {} paused behind lock {number}: {what}", SHAPES[shape].job);
    }
    outcome
}

/// Its number once it sleeps; `None` where it ended before.
fn wait_until_it_sleeps(folder: &Folder, owner: &mut Child) -> Option<String> {
    loop {
        let trace = std::fs::read_to_string(folder.beside("trace")).unwrap_or_default();
        if let Some(line) = trace.lines().find(|line| line.contains("stopped by SIGSTOP")) {
            return line.split_whitespace().next().map(str::to_owned);
        }
        if owner.try_wait().expect("a child of ours").is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
