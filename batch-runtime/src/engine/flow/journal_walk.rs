//! Follows a journal through a job's body.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::DeciderInfo;
use crate::engine::flow::journal::{COMPLETED, Journal};
use crate::engine::flow::walk::{Around, Branch, Driver, Place, Region, Ways, walk};
use crate::graph::{Activity, Node, Subject, Text};
use crate::repository::JournalEntry;

/// Returns the journal for a new execution. If a decision led to a `fail!` in this body, that execution decides again.
pub(super) fn reopened(nodes: &'static [Node], entries: impl IntoIterator<Item = JournalEntry>) -> Journal {
    let mut journal = Journal::new(entries);
    let mut replay = Replay::of(&journal);
    // How the walk ends does not matter, only what it collects.
    let _ = walk(nodes, &mut replay);
    journal.again = replay.taken_back;
    journal
}

/// Follows a journal through the body: replays what it holds, and executes nothing.
pub(super) struct Replay<'j> {
    journal: &'j Journal,
    /// The places that the walk passed.
    pub(super) met: BTreeSet<String>,
    /// The incomplete steps and nested jobs that the walk reached: those that are executed next.
    pub(super) fronts: BTreeMap<String, Activity>,
    /// The `match`es and `while`s whose outcome led to a `fail!`.
    pub(super) taken_back: BTreeSet<String>,
    /// The steps whose failure led to a `fail!`.
    pub(super) failed: BTreeSet<String>,
}

/// Why the journal is followed no further.
pub(super) enum Halt {
    /// After the last entry, or at the job's end.
    Front,
    Mismatch(String),
}

impl<'j> Replay<'j> {
    pub(super) fn of(journal: &'j Journal) -> Self {
        Self {
            journal,
            met: BTreeSet::new(),
            fronts: BTreeMap::new(),
            taken_back: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }

    fn meet(&mut self, path: &str) -> Result<&'j JournalEntry, Halt> {
        let entry = self.journal.at(path).ok_or(Halt::Front)?;
        self.met.insert(path.to_owned());
        Ok(entry)
    }

    /// Passes a step or nested job.
    fn pass(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        if self.journal.at(&place.path).is_none() {
            self.fronts.insert(place.path.clone(), place.used.activity);
        }
        self.meet(&place.path).map(|_| ())
    }
}

impl Driver for Replay<'_> {
    type Halt = Halt;

    fn run(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.pass(place)
    }

    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        ways: &Ways<'_>,
    ) -> Result<usize, Halt> {
        if !matches!(subject, Subject::Decider(_)) {
            self.pass(place)?;
            if self.journal.at(choice).is_none() {
                return Err(Halt::Mismatch(format!(
                    "it has passed `{}`, which is the subject of a `match` now, but was not then",
                    place.path
                )));
            }
        }
        self.meet(choice)?;
        self.journal.arm(choice, ways.route).ok_or(Halt::Front)?.map_err(Halt::Mismatch)
    }

    fn ask(
        &mut self,
        place: &Place<'_>,
        _: &'static DeciderInfo,
        _: bool,
        _: &dyn Fn() -> Region,
    ) -> Result<bool, Halt> {
        self.meet(&place.path).map(|entry| entry.outcome == "true")
    }

    fn split(&mut self, branches: &[Branch<'_>], _: Option<u32>) -> Result<(), Halt> {
        let mut front = false;
        for branch in branches {
            match branch.walk(self) {
                // The other branches may reach further.
                Err(Halt::Front) => front = true,
                walked => walked?,
            }
        }
        if front { Err(Halt::Front) } else { Ok(()) }
    }

    fn stop(&mut self, path: &str, _: &Text) -> Result<(), Halt> {
        self.meet(path).map(|_| ())
    }

    fn end(&mut self, _: &'static str, _: &Text) -> Halt {
        Halt::Front
    }

    fn fail(&mut self, _: &Text, around: &[Around]) -> Halt {
        // A completed step has nothing left to do, so its outcome is final; the decision around it is made again.
        for around in around.iter().rev() {
            let led = match around {
                Around::While { path } => path,
                Around::Match { choice, place, subject: Subject::Ended(_) } => {
                    if self.journal.at(place).is_none_or(|entry| entry.outcome == COMPLETED) {
                        continue;
                    }
                    self.failed.insert(place.clone());
                    choice
                }
                Around::Match { choice, .. } => choice,
            };
            self.taken_back.insert(led.clone());
            break;
        }
        Halt::Front
    }
}
