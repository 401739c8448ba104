//! Plans a replay: finds the steps that read their skipped records again, and the places that count as passed before
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::definition::{
    DeciderInfo, ExecutionId, JobInfo, ParameterValue, Parameters, REPLAY, StepExecutionId,
};
use crate::engine::chunk::checkpoint::{self, Place};
use crate::engine::error::JobError;
use crate::engine::flow::journal::Journal;
use crate::engine::flow::renames::{Renames, name_in};
use crate::engine::flow::step_form::Form;
use crate::engine::flow::steps::steps_by_name;
use crate::engine::flow::walk::{Around, Branch, Driver, Place as JobPlace, Region, Ways, walk};
use crate::graph::{Activity, Subject, Text};
use crate::repository::{JournalEntry, Repository};

/// The plan of an execution that replays another one.
///
/// Places that the replayed execution passed before the first step with skips count as passed. That step reads only the
/// records that it skipped. In a split, each branch may have such a first step. Later steps run in full.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replaying {
    passed: Vec<JournalEntry>,
    places: Places,
}

/// The places of the records to read, by the step's name in its job.
type Places = BTreeMap<String, Vec<String>>;

/// The records that a step skipped.
struct Skipped {
    places: Vec<String>,
    /// The step execution that skipped them.
    by: StepExecutionId,
}

impl Replaying {
    /// The plan of an execution with these parameters; `None` if it is not a replay.
    pub(crate) fn of(
        repository: &Arc<dyn Repository>,
        job: &'static JobInfo,
        parameters: &Parameters,
    ) -> Result<Option<Self>, JobError> {
        match parameters.get(REPLAY).map(|parameter| &parameter.value) {
            Some(ParameterValue::Long(replayed)) => {
                Plan { repository, job, renames: Renames::of(job.flow) }.of(ExecutionId(*replayed)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The places that count as passed before the execution begins.
    pub(crate) fn passed(&self) -> &[JournalEntry] {
        &self.passed
    }

    /// The places of the records that the step reads; `None` if the step runs in full.
    pub(crate) fn places(&self, path: &str) -> Option<&[String]> {
        self.places.get(path).map(Vec::as_slice)
    }
}

struct Plan<'p> {
    repository: &'p Arc<dyn Repository>,
    job: &'static JobInfo,
    renames: Renames,
}

impl Plan<'_> {
    fn of(&self, replayed: ExecutionId) -> Result<Replaying, JobError> {
        let refuse = |what: String| JobError::NotReplayable {
            job: self.job.name.to_owned(),
            execution: replayed,
            what,
        };
        let mut skipped = self.skipped(replayed)?;
        let journal = Journal::new(self.journal(replayed)?);
        let mut prefix =
            Prefix { journal: &journal, skipped: &skipped, passed: Vec::new(), reached: BTreeSet::new() };
        let _ = walk(self.job.flow, &mut prefix);
        let Prefix { passed, reached, .. } = prefix;
        if reached.is_empty() {
            let steps: Vec<_> = skipped.keys().map(|step| format!("`{step}`")).collect();
            let steps = steps.join(" and ");
            return Err(refuse(format!("the job no longer reaches {steps} the way that execution did")));
        }
        let mut places = Places::new();
        for step in reached {
            let Some(Skipped { places: of_step, by }) = skipped.remove(&step) else { continue };
            self.may_replay(&step, by, &refuse)?;
            places.insert(step, of_step);
        }
        Ok(Replaying { passed, places })
    }

    /// Fails if the step, as it is now, cannot find the records that it skipped.
    fn may_replay(
        &self,
        path: &str,
        by: StepExecutionId,
        refuse: &dyn Fn(String) -> JobError,
    ) -> Result<(), JobError> {
        let steps = steps_by_name(self.job.flow);
        let Some(step) = steps.get(name_in(path)) else { return Ok(()) };
        if step.options.faults.skip.is_empty() {
            return Err(refuse(format!("step `{path}` no longer has `skip`, which a replay needs")));
        }
        let was = self.repository.step_form(by)?;
        let now = Form::of(Activity::Step(step));
        match was.as_deref().and_then(Form::parse).zip(now).and_then(|(was, now)| was.differs(&now)) {
            Some(differs) => Err(refuse(format!("step `{path}` {differs}"))),
            None => Ok(()),
        }
    }

    /// The records that an execution skipped, by the current names of the steps.
    fn skipped(&self, execution: ExecutionId) -> Result<BTreeMap<String, Skipped>, JobError> {
        let mut skipped: BTreeMap<String, Skipped> = BTreeMap::new();
        for row in self.repository.skipped_items(execution)? {
            let of_step = skipped
                .entry(self.named(execution, &row.step)?)
                .or_insert_with(|| Skipped { places: Vec::new(), by: row.step_execution });
            of_step.places.push(row.item.position);
        }
        if let Some(replayed) = self.replayed_by(execution)? {
            // If the step read the places of an earlier replay, its positions are indexes into those places.
            let inner = self.of(replayed)?;
            for (step, Skipped { places, .. }) in &mut skipped {
                let Some(inner) = inner.places(step) else { continue };
                for place in places {
                    let found = checkpoint::decode_place::<u64>(place)
                        .ok()
                        .and_then(|Place { at, ahead, .. }| inner.get(usize::try_from(at + ahead).ok()?));
                    if let Some(found) = found {
                        place.clone_from(found);
                    }
                }
            }
        }
        Ok(skipped)
    }

    /// Everything that the instance of an execution has passed, including the places passed before it began.
    fn journal(&self, execution: ExecutionId) -> Result<Vec<JournalEntry>, JobError> {
        let mut journal = match self.replayed_by(execution)? {
            Some(replayed) => self.of(replayed)?.passed,
            None => Vec::new(),
        };
        for entry in self.repository.journal(execution)? {
            let path = self.named(execution, &entry.path)?;
            journal.push(JournalEntry { path, ..entry });
        }
        Ok(journal)
    }

    fn named(&self, execution: ExecutionId, path: &str) -> Result<String, JobError> {
        self.renames.path(path).map_err(|what| JobError::NotReplayable {
            job: self.job.name.to_owned(),
            execution,
            what,
        })
    }

    /// The execution that this one replays, if any.
    fn replayed_by(&self, execution: ExecutionId) -> Result<Option<ExecutionId>, JobError> {
        let parameters = self.repository.execution(execution)?.parameters;
        Ok(parameters.into_iter().find_map(|parameter| match parameter.value {
            ParameterValue::Long(replayed) if parameter.name == REPLAY => Some(ExecutionId(replayed)),
            _ => None,
        }))
    }
}

/// Walks what an execution passed, up to the first steps with skips: one, or one in each branch of a split.
struct Prefix<'p> {
    journal: &'p Journal,
    skipped: &'p BTreeMap<String, Skipped>,
    passed: Vec<JournalEntry>,
    reached: BTreeSet<String>,
}

/// The walk reached a step with skips, or the end of what was passed.
struct Front;

impl Prefix<'_> {
    fn pass(&mut self, path: &str) -> Result<&JournalEntry, Front> {
        let entry = self.journal.at(path).ok_or(Front)?;
        self.passed.push(entry.clone());
        Ok(entry)
    }

    fn step(&mut self, path: &str) -> Result<(), Front> {
        if self.skipped.contains_key(path) {
            self.reached.insert(path.to_owned());
            return Err(Front);
        }
        self.pass(path).map(drop)
    }
}

impl Driver for Prefix<'_> {
    type Halt = Front;

    fn run(&mut self, place: &JobPlace<'_>) -> Result<(), Front> {
        self.step(&place.path)
    }

    fn choose(
        &mut self,
        place: &JobPlace<'_>,
        choice: &str,
        subject: Subject,
        ways: &Ways<'_>,
    ) -> Result<usize, Front> {
        if !matches!(subject, Subject::Decider(_)) {
            self.step(&place.path)?;
        }
        let arm = self.journal.arm(choice, ways.route).and_then(Result::ok).ok_or(Front)?;
        self.pass(choice)?;
        Ok(arm)
    }

    fn ask(
        &mut self,
        place: &JobPlace<'_>,
        _: &'static DeciderInfo,
        _: bool,
        _: &dyn Fn() -> Region,
    ) -> Result<bool, Front> {
        self.pass(&place.path).map(|entry| entry.outcome == "true")
    }

    fn split(&mut self, branches: &[Branch<'_>], _: Option<u32>) -> Result<(), Front> {
        let fronts = branches.iter().filter(|branch| branch.walk(self).is_err()).count();
        if fronts > 0 { Err(Front) } else { Ok(()) }
    }

    fn stop(&mut self, path: &str, _: &Text) -> Result<(), Front> {
        self.pass(path).map(drop)
    }

    fn end(&mut self, _: &'static str, _: &Text) -> Front {
        Front
    }

    fn fail(&mut self, _: &Text, _: &[Around]) -> Front {
        Front
    }
}
