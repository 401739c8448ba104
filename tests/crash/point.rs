//! Runs a shape with faults, restarts it without them, and reports every difference from an undisturbed run.

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use crate::process::{self, Ended, KILLED};
use crate::repository::{self, Versions};
use crate::shape::{Folder, Inputs, PROGRAM, SHAPES, Shape};
use crate::state::{Damage, State};
use crate::strace::{self, Call};

/// The fault that one run meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Injections of `strace`, such as `pwrite64:signal=SIGKILL:when=3`.
    Inject(Vec<String>),
    /// No file may grow beyond this many bytes: the write that would is short, and the next one kills the process (the
    /// system's own SIGXFSZ).
    Torn(u64),
    /// The same limit, but the write after the short one fails.
    Short(u64),
}

impl Fault {
    /// Kills the process before that call.
    pub(crate) fn kill(call: &Call) -> Self {
        Self::Inject(vec![format!("{}:signal=SIGKILL:when={}", call.name, call.number)])
    }

    /// Makes that call fail without any effect.
    pub(crate) fn error(call: &Call, error: &str) -> Self {
        Self::Inject(vec![format!("{}:error={error}:when={}", call.name, call.number)])
    }

    fn is_deadly(&self) -> bool {
        match self {
            Self::Inject(what) => what.iter().any(|what| what.contains("SIGKILL")),
            Self::Torn(_) => true,
            Self::Short(_) => false,
        }
    }

    fn command(&self, folder: &Folder, shape: &Shape) -> Command {
        match self {
            Self::Inject(what) => {
                let names: Vec<&str> = what.iter().filter_map(|what| what.split(':').next()).collect();
                strace::command(folder, shape, &names.join(","), what)
            }
            Self::Torn(bytes) | Self::Short(bytes) => {
                let ignored = if matches!(self, Self::Short(_)) { "trap '' XFSZ; " } else { "" };
                let script = format!("{ignored}exec prlimit --fsize={bytes} --core=0 \"$@\"");
                let mut command = Command::new("sh");
                command.args(["-c", &script, "sh", PROGRAM]).args(shape.words());
                folder.enter(&mut command);
                command
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inject(what) => f.write_str(&what.join(" ")),
            Self::Torn(bytes) => write!(f, "torn={bytes}"),
            Self::Short(bytes) => write!(f, "short={bytes}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
        match text.split_once('=') {
            Some(("torn", bytes)) => number(bytes).map(Self::Torn),
            Some(("short", bytes)) => number(bytes).map(Self::Short),
            _ => Ok(Self::Inject(text.split_whitespace().map(str::to_owned).collect())),
        }
    }
}

/// One case to try. `CRASH_POINT` repeats it from its text (`shape; fault; fault`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    /// The index of the shape in [`SHAPES`].
    pub(crate) shape: usize,
    /// The fault of the first run, the second, and so on.
    pub(crate) faults: Vec<Fault>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHAPES[self.shape].job)?;
        self.faults.iter().try_for_each(|fault| write!(f, "; {fault}"))
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(';').map(str::trim);
        let job = parts.next().unwrap_or_default();
        let shape = SHAPES.iter().position(|shape| shape.job == job);
        let shape = shape.ok_or_else(|| format!("there is no shape `{job}`"))?;
        Ok(Self { shape, faults: parts.map(str::parse).collect::<Result<_, _>>()? })
    }
}

/// The result.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Runs that were killed.
    pub(crate) deaths: usize,
    /// Runs that failed and said so.
    pub(crate) failures: usize,
    pub(crate) damage: Damage,
}

/// A shape that ran undisturbed.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) shape: usize,
    pub(crate) calls: Vec<Call>,
    pub(crate) state: State,
}

impl Reference {
    pub(crate) fn of(shape: usize, inputs: &Inputs) -> Self {
        let folder = Folder::new(inputs);
        let calls = strace::calls(&folder, &SHAPES[shape]);
        Self::read(shape, &folder, calls)
    }

    /// The state of a folder after an undisturbed run.
    pub(crate) fn read(shape: usize, folder: &Folder, calls: Vec<Call>) -> Self {
        let state = State::of(&folder.world(), &SHAPES[shape]).expect("what completed can be read");
        let wrong = repository::contradictions(&folder.world()).expect("what completed can be read");
        assert!(wrong.is_empty(), "{} undisturbed: {wrong:?}", SHAPES[shape].job);
        Self { shape, calls, state }
    }
}

/// Runs a shape to its end without a fault: exit code 0, or 4 if the kill came after the last commit.
pub(crate) fn complete(folder: &Folder, shape: &Shape, damage: &mut Damage) {
    let mut command = Command::new(shape.program(1));
    command.args(shape.words());
    let ended = process::run(folder.enter(&mut command));
    let said = folder.said();
    match ended {
        Ended::Code(0) => {}
        Ended::Code(4) if said.contains("is already COMPLETED") => {}
        other => damage.contradictions.push(format!("the restart ended with {other:?}: {said}")),
    }
}

/// Tries a point, and checks the final state.
pub(crate) fn try_point(point: &Point, references: &[Reference], inputs: &Inputs) -> (Outcome, Folder) {
    let reference =
        references.iter().find(|reference| reference.shape == point.shape).expect("every shape has run");
    let folder = Folder::new(inputs);
    let shape = &SHAPES[point.shape];
    let mut outcome = Outcome::default();
    let mut before = Vec::new();
    for fault in &point.faults {
        let ended = process::run(&mut fault.command(&folder, shape));
        judge(fault, shape, ended, &folder.said(), &mut outcome);
        before.push(Versions::after_death(&folder));
    }
    complete(&folder, shape, &mut outcome.damage);
    inspect(&folder, reference, &before, &mut outcome.damage);
    for what in &outcome.damage.contradictions {
        println!("WRONG CRASH_POINT='{point}': {what}");
    }
    (outcome, folder)
}

/// Returns whether the run ended in a way that this fault allows.
fn judge(fault: &Fault, shape: &Shape, ended: Ended, said: &str, outcome: &mut Outcome) {
    let wrong = &mut outcome.damage.contradictions;
    if said.contains("panicked") {
        wrong.push(format!("it panicked: {said}"));
    }
    match ended {
        KILLED | Ended::Signal(SIGXFSZ) if fault.is_deadly() => outcome.deaths += 1,
        // The run had completed before the fault, or continued in spite of it.
        Ended::Code(0) => {}
        Ended::Code(4) if said.contains("is already COMPLETED") => {}
        Ended::Code(1 | 2) if !fault.is_deadly() => {
            outcome.failures += 1;
            let says_why = |line: &str| line.starts_with("error: ") || line.contains(" failed: ");
            // One line per branch: a fault that stops one branch from writing may stop others.
            let most = if shape.side_by_side { 3 } else { 1 };
            if !(1..=most).contains(&said.lines().count()) || !said.lines().all(says_why) {
                wrong.push(format!("it failed without one line that says why: {said:?}"));
            }
        }
        other => wrong.push(format!("it ended with {other:?}: {said}")),
    }
}

const SIGXFSZ: i32 = 25;

/// Compares the state of the folder with the expected one.
pub(crate) fn inspect(folder: &Folder, reference: &Reference, before: &[Versions], damage: &mut Damage) {
    let world = folder.world();
    let looked = State::of(&world, &SHAPES[reference.shape]).and_then(|state| {
        let mut found = reference.state.damage(&state);
        found.contradictions.extend(repository::contradictions(&world)?);
        for versions in before {
            found.contradictions.extend(versions.gone_back(&world)?);
        }
        Ok(found)
    });
    match looked {
        Ok(found) => {
            damage.lost += found.lost;
            damage.duplicated += found.duplicated;
            damage.contradictions.extend(found.contradictions);
        }
        Err(error) => damage.contradictions.push(format!("a database cannot be read: {error}")),
    }
}
