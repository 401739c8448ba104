//! Finds the place of a step in a job by following what an instance has passed, and executes nothing.

use super::journal::Journal;
use super::walk::{Around, Branch, Driver, Place, Region, Ways, walk};
use crate::definition::{Binding, DeciderInfo, StepInfo};
use crate::graph::{Activity, Node, Subject, Text};

/// A place that was found.
pub(crate) struct Found {
    /// The step at the place; `None` if it is a nested job.
    pub(crate) step: Option<&'static StepInfo>,
    /// The bindings around it, outermost first.
    pub(crate) bindings: Vec<&'static [Binding]>,
    /// The outputs of the steps on the way as JSON, by the ID of the step.
    pub(crate) outputs: Vec<(String, String)>,
}

/// Walks a body along the journal up to the place with that path.
pub(crate) fn seek(nodes: &'static [Node], journal: &Journal, path: &str) -> Option<Found> {
    let mut seek = Seek { journal, path, outputs: Vec::new(), found: None };
    // Only what the walk found matters, not how it ends.
    let _ = walk(nodes, &mut seek);
    let Seek { outputs, found, .. } = seek;
    found.map(|(step, bindings)| Found { step, bindings, outputs })
}

struct Seek<'s> {
    journal: &'s Journal,
    path: &'s str,
    outputs: Vec<(String, String)>,
    found: Option<(Option<&'static StepInfo>, Vec<&'static [Binding]>)>,
}

/// The walk found the place, or reached the end of what was passed.
struct Front;

impl Seek<'_> {
    fn pass(&mut self, place: &Place<'_>) -> Result<(), Front> {
        let step = match place.used.activity {
            Activity::Step(step) => Some(step),
            _ => None,
        };
        if place.path == self.path {
            self.found = Some((step, place.bindings.to_vec()));
            return Err(Front);
        }
        let entry = self.journal.at(&place.path).ok_or(Front)?;
        if let (Some((_, json)), Some(step)) = (&entry.output, step) {
            self.outputs.push((step.id.to_owned(), json.clone()));
        }
        Ok(())
    }
}

impl Driver for Seek<'_> {
    type Halt = Front;

    fn run(&mut self, place: &Place<'_>) -> Result<(), Front> {
        self.pass(place)
    }

    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        ways: &Ways<'_>,
    ) -> Result<usize, Front> {
        if !matches!(subject, Subject::Decider(_)) {
            self.pass(place)?;
        }
        self.journal.arm(choice, ways.route).and_then(Result::ok).ok_or(Front)
    }

    fn ask(
        &mut self,
        place: &Place<'_>,
        _: &'static DeciderInfo,
        _: bool,
        _: &dyn Fn() -> Region,
    ) -> Result<bool, Front> {
        self.journal.at(&place.path).map(|entry| entry.outcome == "true").ok_or(Front)
    }

    fn split(&mut self, branches: &[Branch<'_>], _: Option<u32>) -> Result<(), Front> {
        // Walk every branch, because the place may be in any of them.
        let fronts = branches.iter().filter(|branch| branch.walk(self).is_err()).count();
        if fronts > 0 { Err(Front) } else { Ok(()) }
    }

    fn stop(&mut self, path: &str, _: &Text) -> Result<(), Front> {
        self.journal.at(path).map(drop).ok_or(Front)
    }

    fn end(&mut self, _: &'static str, _: &Text) -> Front {
        Front
    }

    fn fail(&mut self, _: &Text, _: &[Around]) -> Front {
        Front
    }
}
