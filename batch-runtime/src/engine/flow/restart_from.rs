//! Finds what runs again if a restart begins at a step: that step, and everything passed or begun after it.

use std::collections::BTreeSet;

use super::journal::{Journal, PASSED_OVER, RUN_AGAIN};
use super::renames::name_in;
use super::walk::{Around, Branch, Driver, Place, Region, Ways, names_of_places, walk};
use crate::definition::{DeciderInfo, nearest};
use crate::graph::{Node, Subject, Text};
use crate::repository::{JournalEntry, SoFar};

/// The step at which a restart begins, by the name that `show` prints.
///
/// ```
/// use batch_runtime::engine::RestartFrom;
///
/// let from = RestartFrom::step("report").force(true);
/// assert_eq!(from.name(), "report");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartFrom {
    step: String,
    force: bool,
}

impl RestartFrom {
    /// Begins at the step with this name. In a loop the name includes the iteration, as in `page[3]`.
    #[must_use]
    pub fn step(name: &str) -> Self {
        Self { step: name.to_owned(), force: false }
    }

    /// Passes over incomplete steps before that step. Their remaining work is not done.
    #[must_use]
    pub fn force(mut self, yes: bool) -> Self {
        self.force = yes;
        self
    }

    /// The name of the step.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.step
    }

    /// Returns the journal entries that let the job begin at the step. `passed` holds the places that a replay does not
    /// run again; it is empty if this is not a replay.
    ///
    /// # Errors
    /// When the job does not reach that step, or steps before it are not complete.
    pub(super) fn entries(
        &self,
        nodes: &'static [Node],
        passed: &[JournalEntry],
        so_far: &SoFar<'_>,
    ) -> Result<Vec<JournalEntry>, String> {
        let step = self.step.as_str();
        if passed.iter().any(|entry| entry.path == step) {
            return Err(format!("a replay does not run `{step}`: it comes before the first step with skips"));
        }
        let journal = Journal::new(passed.iter().chain(so_far.journal).cloned());
        let mut seek = Seek {
            journal: &journal,
            step,
            kept: BTreeSet::new(),
            incomplete: Vec::new(),
            beside: BTreeSet::new(),
        };
        if !matches!(walk(nodes, &mut seek), Err(Halt::Here)) {
            return Err(self.unreached(nodes, so_far));
        }
        let Seek { mut kept, incomplete, beside, .. } = seek;
        if !incomplete.is_empty() && !self.force {
            let (come, are, them) =
                if incomplete.len() == 1 { ("comes", "is", "it") } else { ("come", "are", "them") };
            return Err(format!(
                "`{}`, which {come} before `{step}`, {are} not complete; restart without `--from` to continue there, or pass over {them} with `--force`",
                incomplete.join("`, `")
            ));
        }
        kept.extend(beside);
        kept.extend(incomplete.iter().cloned());
        let recorded = journal.entries().into_iter().map(|entry| entry.path.as_str());
        let begun = so_far.unfinished.iter().map(|step| step.step.as_str());
        let again: BTreeSet<&str> = recorded.chain(begun).filter(|path| !kept.contains(*path)).collect();
        let over = incomplete.iter().map(|path| JournalEntry::at(path, PASSED_OVER));
        Ok(over.chain(again.into_iter().map(|path| JournalEntry::at(path, RUN_AGAIN))).collect())
    }

    /// The reason why the walk did not reach the step.
    fn unreached(&self, nodes: &'static [Node], so_far: &SoFar<'_>) -> String {
        let step = self.step.as_str();
        let steps = names_of_places(nodes);
        let is_step = |name: &str| steps.contains(name);
        if let Some((outer, inner)) = step.split_once('/')
            && is_step(name_in(outer))
        {
            return format!(
                "`{inner}` is a step of the nested job `{outer}`, which runs again as a whole; begin at `{outer}`"
            );
        }
        if let Some((whole, _)) = step.split_once(":partition")
            && is_step(name_in(whole))
        {
            return format!("a partition does not run again by itself; begin at `{whole}`");
        }
        if !is_step(name_in(step)) {
            if let Some(near) = nearest(step, steps.iter().map(String::as_str)) {
                return format!("the job has no step `{step}`; did you mean `{near}`?");
            }
            let known: Vec<&str> = steps.iter().map(String::as_str).collect();
            return format!("the job has no step `{step}`; it has `{}`", known.join("`, `"));
        }
        let same = |path: &&str| name_in(path) == name_in(step) && path.contains('[');
        let begun = so_far.unfinished.iter().map(|step| step.step.as_str());
        let recorded = so_far.journal.iter().map(|entry| entry.path.as_str());
        let iterations: BTreeSet<&str> =
            recorded.chain(begun).filter(same).filter(|path| !path.starts_with("match ")).collect();
        if iterations.is_empty() {
            return format!(
                "the path that the instance took does not reach `{step}`: a decision before it led elsewhere, or has not been made yet"
            );
        }
        let iterations: Vec<&str> = iterations.into_iter().collect();
        format!(
            "the path that the instance took does not reach `{step}`; the step is in a loop, and ran as `{}`",
            iterations.join("`, `")
        )
    }
}

/// Walks the places that an instance has passed, up to the step.
struct Seek<'s> {
    journal: &'s Journal,
    step: &'s str,
    /// The places that stay passed.
    kept: BTreeSet<String>,
    /// The incomplete steps on the way.
    incomplete: Vec<String>,
    /// The incomplete steps in branches that run parallel to the step's branch.
    beside: BTreeSet<String>,
}

enum Halt {
    /// The walk reached the step.
    Here,
    /// The walk reached a decision that has not been made, or the end of the job.
    Front,
}

impl Seek<'_> {
    fn pass(&mut self, path: &str) -> Result<&JournalEntry, Halt> {
        let entry = self.journal.at(path).ok_or(Halt::Front)?;
        self.kept.insert(path.to_owned());
        Ok(entry)
    }

    fn step(&mut self, path: &str) -> Result<(), Halt> {
        if path == self.step {
            return Err(Halt::Here);
        }
        if self.pass(path).is_err() {
            self.incomplete.push(path.to_owned());
        }
        Ok(())
    }
}

impl Driver for Seek<'_> {
    type Halt = Halt;

    fn run(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.step(&place.path)
    }

    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        ways: &Ways<'_>,
    ) -> Result<usize, Halt> {
        if !matches!(subject, Subject::Decider(_)) {
            self.step(&place.path)?;
        }
        let arm = self.journal.arm(choice, ways.route).and_then(Result::ok).ok_or(Halt::Front)?;
        self.pass(choice)?;
        Ok(arm)
    }

    fn ask(
        &mut self,
        place: &Place<'_>,
        _: &'static DeciderInfo,
        _: bool,
        _: &dyn Fn() -> Region,
    ) -> Result<bool, Halt> {
        self.pass(&place.path).map(|entry| entry.outcome == "true")
    }

    fn split(&mut self, branches: &[Branch<'_>], _: Option<u32>) -> Result<(), Halt> {
        let before = self.incomplete.len();
        let (mut own, mut front) = (None, false);
        let mut others = Vec::new();
        for branch in branches {
            let walked = branch.walk(self);
            let incomplete = self.incomplete.split_off(before);
            match walked {
                Err(Halt::Here) => own = Some(incomplete),
                walked => {
                    front |= walked.is_err();
                    others.extend(incomplete);
                }
            }
        }
        if let Some(own) = own {
            // Steps in parallel branches are neither before nor after the step.
            self.incomplete.extend(own);
            self.beside.extend(others);
            return Err(Halt::Here);
        }
        self.incomplete.extend(others);
        if front { Err(Halt::Front) } else { Ok(()) }
    }

    fn stop(&mut self, path: &str, _: &Text) -> Result<(), Halt> {
        self.pass(path).map(drop)
    }

    fn end(&mut self, _: &'static str, _: &Text) -> Halt {
        Halt::Front
    }

    fn fail(&mut self, _: &Text, _: &[Around]) -> Halt {
        Halt::Front
    }
}
