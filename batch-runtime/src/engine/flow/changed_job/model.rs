//! Tests random jobs that die at random places and are restarted with randomly edited programs. In the end
//! they have done what the last program would have done alone, or a restart was refused.

mod programs;

use std::collections::{BTreeMap, BTreeSet};

use self::programs::{Dice, Program};
use super::check;
use crate::definition::DeciderInfo;
use crate::engine::flow::journal::COMPLETED;
use crate::engine::flow::renames::name_in;
use crate::engine::flow::step_form::Form;
use crate::engine::flow::walk::{Around, Branch, Driver, Place, Region, Ways, walk};
use crate::graph::{Activity, Subject, Text};
use crate::repository::{JournalEntry, Renamed, SoFar, UnfinishedStep};

const CHUNKS: u32 = 3;
const MAX_ITERATIONS: u32 = 3;

/// The records of an instance, as a repository keeps them.
#[derive(Debug, Clone, Default)]
struct Record {
    journal: Vec<JournalEntry>,
    /// The chunks that a step has committed, and its form.
    begun: BTreeMap<String, (u32, String)>,
}

impl Record {
    fn rename(&mut self, Renamed { from, to }: &Renamed) {
        let renamed = |path: &str| {
            if name_in(path) == from { path.replacen(from.as_str(), to, 1) } else { path.to_owned() }
        };
        for entry in &mut self.journal {
            entry.path = renamed(&entry.path);
        }
        self.begun = std::mem::take(&mut self.begun)
            .into_iter()
            .map(|(path, begun)| (renamed(&path), begun))
            .collect();
    }
}

/// An effect of a program: a chunk of a step in an iteration, or something that only a wrong restart does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    Chunk(&'static str, String, u32),
    /// A step continued from the checkpoint of another kind of step.
    Garbage(String),
}

/// Runs a program as the engine does, and may die before any of its effects or journal entries.
struct Machine<'m> {
    record: &'m mut Record,
    done: Vec<Done>,
    dice: Dice,
    /// The number of actions left before it dies.
    life: Option<u32>,
}

struct Dead;

impl Machine<'_> {
    fn live(&mut self) -> Result<(), Dead> {
        match &mut self.life {
            Some(0) => Err(Dead),
            Some(life) => {
                *life -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn passed(&self, path: &str) -> Option<&JournalEntry> {
        self.record.journal.iter().find(|entry| entry.path == path)
    }

    fn journal(&mut self, path: &str, outcome: &str) {
        self.record.journal.push(JournalEntry::at(path, outcome));
    }

    fn execute(&mut self, place: &Place<'_>) -> Result<(), Dead> {
        let Activity::Step(step) = place.used.activity else { unreachable!("only steps run") };
        let form = Form::of(place.used.activity).expect("a step has a form").text();
        self.live()?;
        let (committed, was) =
            self.record.begun.get(&place.path).cloned().unwrap_or_else(|| (0, form.clone()));
        if committed > 0 && was != form {
            self.done.push(Done::Garbage(place.path.clone()));
        }
        self.record.begun.insert(place.path.clone(), (committed, form.clone()));
        for chunk in committed..CHUNKS {
            self.live()?;
            let iteration = place.path[place.used.name.len()..].to_owned();
            self.done.push(Done::Chunk(step.id, iteration, chunk));
            self.record.begun.insert(place.path.clone(), (chunk + 1, form.clone()));
        }
        self.live()
    }

    /// Returns the outcome of a place. It is always the same for the same place.
    fn outcome(path: &str) -> bool {
        let seed = path.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        Dice(seed).one_in(2)
    }

    fn iteration(path: &str) -> u32 {
        path.rsplit(['[', '.']).next().and_then(|last| last.trim_end_matches(']').parse().ok()).unwrap_or(0)
    }
}

impl Driver for Machine<'_> {
    type Halt = Dead;

    fn run(&mut self, place: &Place<'_>) -> Result<(), Dead> {
        if self.passed(&place.path).is_none() {
            self.execute(place)?;
            self.journal(&place.path, COMPLETED);
        }
        Ok(())
    }

    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        ways: &Ways<'_>,
    ) -> Result<usize, Dead> {
        let labelled = |label: &str| ways.route.arm_named(label);
        if let Some(entry) = self.passed(choice) {
            return Ok(labelled(&entry.outcome).expect("the launch has checked the journal"));
        }
        let label = if let Subject::Decider(_) = subject {
            self.live()?;
            let leaves = Self::iteration(choice) >= MAX_ITERATIONS;
            if Self::outcome(choice) || leaves { "B" } else { "A" }
        } else {
            assert!(self.passed(&place.path).is_none(), "a step and its arm are journalled together");
            self.execute(place)?;
            self.journal(&place.path, COMPLETED);
            COMPLETED
        };
        self.journal(choice, label);
        Ok(labelled(label).expect("one of its own arms"))
    }

    fn ask(
        &mut self,
        place: &Place<'_>,
        _: &'static DeciderInfo,
        _: bool,
        _: &dyn Fn() -> Region,
    ) -> Result<bool, Dead> {
        if let Some(entry) = self.passed(&place.path) {
            return Ok(entry.outcome == "true");
        }
        self.live()?;
        let more = Self::outcome(&place.path) && Self::iteration(&place.path) < MAX_ITERATIONS;
        self.journal(&place.path, if more { "true" } else { "false" });
        Ok(more)
    }

    fn split(&mut self, branches: &[Branch<'_>], _: Option<u32>) -> Result<(), Dead> {
        let life = self.life;
        let (mut dead, mut left) = (false, life);
        for branch in branches {
            // Chance decides how far each branch gets.
            self.life = life.map(|life| {
                if life == 0 { 0 } else { u32::try_from(self.dice.below(life as usize * 2)).unwrap_or(life) }
            });
            dead |= branch.walk(self).is_err();
            left = left.min(self.life);
        }
        self.life = left;
        if dead { Err(Dead) } else { Ok(()) }
    }

    fn stop(&mut self, _: &str, _: &Text) -> Result<(), Dead> {
        unreachable!("no job of the model stops")
    }

    fn end(&mut self, _: &'static str, _: &Text) -> Dead {
        unreachable!("no job of the model ends early")
    }

    fn fail(&mut self, _: &Text, _: &[Around]) -> Dead {
        unreachable!("no job of the model fails")
    }
}

/// Runs the program in the instance. Returns its effects, and whether it reached its end.
fn run(program: &Program, record: &mut Record, life: Option<u32>, seed: u64) -> (Vec<Done>, bool) {
    let mut machine = Machine { record, done: Vec::new(), dice: Dice(seed), life };
    let ended = walk(program.nodes(), &mut machine).is_ok();
    (machine.done, ended)
}

fn may_restart(program: &Program, record: &Record) -> Result<Vec<Renamed>, String> {
    let journalled: BTreeSet<_> = record.journal.iter().map(|entry| &entry.path).collect();
    let unfinished: Vec<_> = record
        .begun
        .iter()
        .filter(|(path, _)| !journalled.contains(path))
        .map(|(path, (chunks, form))| UnfinishedStep {
            step: path.clone(),
            form: Some(form.clone()),
            commits: u64::from(*chunks),
            written: u64::from(*chunks),
            has_committed: *chunks > 0,
        })
        .collect();
    check(program.nodes(), &[], &SoFar { journal: &record.journal, unfinished: &unfinished, graph: "" })
}

#[derive(Debug, Default)]
struct Figures {
    cases: u64,
    restarts: u64,
    edits: u64,
    refused: u64,
    went_on_changed: u64,
    done_before_the_death: u64,
}

fn case(seed: u64, figures: &mut Figures) {
    let mut dice = Dice(seed);
    let mut program = Program::random(&mut dice);
    let mut record = Record::default();
    let mut done = Vec::new();
    figures.cases += 1;
    for death in 0..3 {
        let life = (death < 2 && !dice.one_in(8)).then(|| u32::try_from(dice.below(30)).unwrap_or(0));
        let (more, ended) = run(&program, &mut record, life, dice.next());
        done.extend(more);
        if ended {
            break;
        }
        let (edits, mut must_go_on) = (dice.below(3), true);
        for _ in 0..edits {
            must_go_on &= program.edit(&mut dice);
        }
        figures.edits += edits as u64;
        match may_restart(&program, &record) {
            Err(what) => {
                assert!(!must_go_on, "seed {seed}: {what}\n{program:?}\n{record:?}");
                figures.refused += 1;
                return;
            }
            Ok(renamed) => {
                for renamed in &renamed {
                    record.rename(renamed);
                }
                figures.restarts += 1;
                if edits > 0 {
                    figures.went_on_changed += 1;
                    figures.done_before_the_death += u64::from(!done.is_empty());
                }
            }
        }
    }
    let (mut alone, ended) = run(&program, &mut Record::default(), None, 0);
    assert!(ended);
    // Branches run in parallel, so the order of the effects does not matter.
    alone.sort();
    done.sort();
    assert_eq!(done, alone, "seed {seed}\n{program:?}\n{record:?}");
}

#[test]
fn a_restart_of_an_edited_program_does_the_same_as_that_program_alone_or_is_refused() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    let from: u64 = std::env::var("MODEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut figures = Figures::default();
    for seed in from..from + cases {
        case(seed, &mut figures);
    }
    println!("{figures:?}");
    // Otherwise the test would prove nothing.
    assert!(figures.refused * 20 > figures.cases && figures.done_before_the_death * 20 > figures.cases);
}
