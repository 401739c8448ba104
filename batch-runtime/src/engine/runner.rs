//! Receives: the places of a walk. Gives: each replayed where the journal holds its outcome, executed and journalled where
//! it does not.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use super::flow::{Branch, Driver, Place};
use super::journal::{self, Journal};
use super::panic;
use super::step::{Done, Halt as StepHalt, Route, StepEnd};
use super::{RunOptions, execution};
use crate::definition::{DeciderInfo, Ended, Environment, Phase, Scope, StepEnvironment};
use crate::graph::{Activity, Subject};
use crate::observe::StepReport;
use crate::repository::{
    BatchStatus, ExitStatus, JournalEntry, Ownership, Repository, RepositoryError, StepFinish,
};

/// Why a walk ended before the end of the body.
pub(super) enum Halt {
    /// `end!`.
    Ended(&'static str),
    /// `stop!`, or somebody asked.
    Stopped(ExitStatus),
    /// `fail!`, or a step failed and nothing handled it.
    Failed(ExitStatus),
    /// The repository.
    Lost(RepositoryError),
}

impl From<RepositoryError> for Halt {
    fn from(error: RepositoryError) -> Self {
        match error {
            // The step may not start again; the repository is well.
            RepositoryError::StartLimit { .. } => {
                Self::Failed(ExitStatus::code("FAILED").because(error.to_string()))
            }
            RepositoryError::Stopped => stopped(),
            error => Self::Lost(error),
        }
    }
}

/// Walks a job.
pub(super) struct Runner<'r> {
    pub(super) repository: &'r Arc<dyn Repository>,
    pub(super) ownership: Ownership,
    pub(super) environment: &'r Environment,
    pub(super) options: &'r RunOptions,
    pub(super) journal: &'r Journal,
    pub(super) within: Option<&'r str>,
    pub(super) steps: Vec<StepReport>,
    pub(super) passed: Vec<String>,
}

/// The `match` that a step stands in.
struct Choice<'c> {
    name: &'c str,
    route: Route,
    handles_failure: bool,
}

impl Choice<'_> {
    fn entry(&self, label: &str) -> JournalEntry {
        JournalEntry { path: self.name.to_owned(), outcome: label.to_owned(), exit: None, output: None }
    }
}

impl Runner<'_> {
    /// The name that users see: behind that of the job it is nested in.
    fn shown(&self, path: &str) -> String {
        match self.within {
            Some(outer) => format!("{outer}/{path}"),
            None => path.to_owned(),
        }
    }

    fn check_stop(&self) -> Result<(), Halt> {
        let stop = &self.environment.job.stop;
        if !stop.is_raised() && self.repository.stop_requested(self.ownership)? {
            stop.raise();
        }
        if stop.is_raised() { Err(stopped()) } else { Ok(()) }
    }

    /// Passes a step or nested job: replays it where it is journalled, else executes it. Gives the label of the arm that
    /// takes its outcome, where it was executed in a `match`.
    fn pass(&mut self, place: &Place<'_>, choice: Option<&Choice<'_>>) -> Result<Option<String>, Halt> {
        let mut again = false;
        if let Some(entry) = self.journal.at(&place.path) {
            if let (Some((_, json)), Activity::Step(step)) = (&entry.output, place.used.activity) {
                // By what it is called today: it may have had another name, or stood in another module.
                self.environment.leave_output(step.id, json.clone());
            }
            again = entry.outcome == journal::COMPLETED
                && matches!(place.used.activity, Activity::Step(step) if step.options.allow_start_if_complete);
            if !again {
                let name = self.shown(&place.path);
                if let Some(observer) = &self.options.observer {
                    observer.step_passed(&name);
                }
                self.passed.push(name);
                return Ok(None);
            }
        }
        self.check_stop()?;
        self.execute(place, choice, again)
    }

    fn execute(
        &mut self,
        place: &Place<'_>,
        choice: Option<&Choice<'_>>,
        again: bool,
    ) -> Result<Option<String>, Halt> {
        let name = self.shown(&place.path);
        let scope = place.bindings.iter().fold(Scope::of_job(self.environment), |scope, b| scope.bound(b));
        let began = Instant::now();
        let execution::Begun { id, before, live, end, nested } = execution::execute(&execution::Request {
            repository: self.repository,
            ownership: self.ownership,
            environment: self.environment,
            options: self.options,
            path: &place.path,
            name: &name,
            activity: place.used.activity,
            scope,
            route: choice.map(|choice| choice.route),
            again,
            partition: None,
        })?;
        self.steps.extend(nested);
        let StepEnd { result, counters, profile } = end;

        let (status, exit, done, lost) = match result {
            Ok(done) => (BatchStatus::Completed, ExitStatus::code("COMPLETED"), Some(done), None),
            Err(StepHalt::Stopped) => (BatchStatus::Stopped, ExitStatus::code("STOPPED"), None, None),
            Err(StepHalt::Failed(failure)) => {
                self.environment.job.values.revert();
                tracing::error!(step = name, %failure, "step failed");
                let handled = choice.is_some_and(|choice| choice.handles_failure);
                let status = if handled { BatchStatus::Abandoned } else { BatchStatus::Failed };
                (status, ExitStatus::code("FAILED").because(failure.to_string()), None, None)
            }
            Err(StepHalt::Lost(error @ RepositoryError::Fenced { .. })) => return Err(Halt::Lost(error)),
            Err(StepHalt::Lost(error)) => {
                self.environment.job.values.revert();
                let exit = ExitStatus::code("FAILED").because(error.to_string());
                (BatchStatus::Failed, exit, None, Some(error))
            }
        };
        let (entries, label) = self.entries(place, choice, status, &exit, done);
        let values = &self.environment.job.values;
        let finish = StepFinish {
            status,
            exit,
            counters,
            profile,
            // The route stands as it was taken the first time; what the step left behind is today's.
            journal: entries.into_iter().take(if again { 1 } else { usize::MAX }).collect(),
            context: None,
            job_context: values.changed().then(|| values.changes()),
        };
        let finished = self.repository.finish_step(self.ownership, id, &finish);
        if let Some(error) = lost {
            return Err(Halt::Lost(error));
        }
        finished?;
        values.settle();
        tracing::info!(step = name, %status, read = counters.read, written = counters.write, "step ended");
        let report = StepReport {
            name,
            id,
            status,
            exit: finish.exit,
            counters,
            before,
            profile,
            elapsed: began.elapsed(),
        };
        if let Some(observer) = &self.options.observer {
            observer.step_ended(&report);
        }
        drop(live);
        let exit = report.exit.clone();
        let name = report.name.clone();
        self.steps.push(report);
        match status {
            BatchStatus::Stopped => Err(stopped()),
            BatchStatus::Failed => Err(Halt::Failed(
                ExitStatus::code("FAILED").because(format!("step `{name}`: {}", exit.description)),
            )),
            _ => Ok(label),
        }
    }

    /// What the journal is told of a step that has ended, and the arm's label.
    fn entries(
        &self,
        place: &Place<'_>,
        choice: Option<&Choice<'_>>,
        status: BatchStatus,
        exit: &ExitStatus,
        done: Option<Done>,
    ) -> (Vec<JournalEntry>, Option<String>) {
        let (outcome, done) = match (status, done) {
            (BatchStatus::Completed, Some(done)) => (journal::COMPLETED, done),
            (BatchStatus::Abandoned, _) => {
                let arm = choice.map(|choice| choice.route.label(Box::new(Ended::Failed)).to_owned());
                (journal::FAILED, Done { arm, output: None })
            }
            _ => return (Vec::new(), None),
        };
        let output = match (place.used.activity, done.output) {
            (Activity::Step(step), Some(json)) => {
                self.environment.leave_output(step.id, json.clone());
                Some((step.id.to_owned(), json))
            }
            _ => None,
        };
        let mut entries = vec![JournalEntry {
            path: place.path.clone(),
            outcome: outcome.to_owned(),
            exit: Some(exit.clone()),
            output,
        }];
        if let (Some(choice), Some(label)) = (choice, &done.arm) {
            entries.push(choice.entry(label));
        }
        (entries, done.arm)
    }

    fn decide(&self, place: &Place<'_>, decider: &DeciderInfo) -> Result<Box<dyn Any>, Halt> {
        let own = StepEnvironment::new(None, None);
        let scope = place
            .bindings
            .iter()
            .fold(Scope::of_step(self.environment, &own), |scope, bindings| scope.bound(bindings));
        panic::catch(|| (decider.decide)(&scope)).and_then(|decided| decided).map_err(|failure| {
            let failure = failure.in_component(decider.name).during(Phase::Decide);
            Halt::Failed(ExitStatus::code("FAILED").because(failure.to_string()))
        })
    }
}

impl Driver for Runner<'_> {
    type Halt = Halt;

    fn run(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.pass(place, None).map(|_| ())
    }

    fn choose(
        &mut self,
        place: &Place<'_>,
        name: &str,
        subject: Subject,
        route: Route,
    ) -> Result<usize, Halt> {
        let journalled =
            self.journal.arm(name, route).map(|arm| arm.expect("the launch has checked the journal"));
        if let Subject::Decider(decider) = subject {
            if let Some(arm) = journalled {
                return Ok(arm);
            }
            self.check_stop()?;
            let choice = Choice { name, route, handles_failure: false };
            let label = route.label(self.decide(place, decider)?);
            self.repository.record(self.ownership, &choice.entry(label))?;
            return Ok(arm_named(route, label));
        }
        let choice = Choice { name, route, handles_failure: matches!(subject, Subject::Ended(_)) };
        let label = self.pass(place, Some(&choice))?;
        match (journalled, label) {
            (Some(arm), _) => Ok(arm),
            (None, Some(label)) => Ok(arm_named(route, &label)),
            (None, None) => unreachable!("a step that a `match` passes is journalled together with its arm"),
        }
    }

    fn ask(&mut self, place: &Place<'_>, decider: &'static DeciderInfo) -> Result<bool, Halt> {
        if let Some(entry) = self.journal.at(&place.path) {
            return Ok(entry.outcome == "true");
        }
        self.check_stop()?;
        let outcome = self.decide(place, decider)?;
        let more = *outcome
            .downcast::<bool>()
            .expect("the wiring lets only deciders that return a bool stand in a loop");
        let entry =
            JournalEntry { path: place.path.clone(), outcome: more.to_string(), exit: None, output: None };
        self.repository.record(self.ownership, &entry)?;
        Ok(more)
    }

    fn split(&mut self, branches: &[Branch<'_>], max: Option<u32>) -> Result<(), Halt> {
        self.walk_all(branches, max)
    }

    fn stop(&mut self, path: &str, why: &'static str) -> Result<(), Halt> {
        if self.journal.at(path).is_some() {
            return Ok(());
        }
        let outcome = journal::STOPPED.to_owned();
        let entry = JournalEntry { path: path.to_owned(), outcome, exit: None, output: None };
        self.repository.record(self.ownership, &entry)?;
        Err(Halt::Stopped(ExitStatus::code("STOPPED").because(why)))
    }

    fn end(&mut self, code: &'static str) -> Halt {
        Halt::Ended(if code.is_empty() { "COMPLETED" } else { code })
    }

    fn fail(&mut self, why: &'static str) -> Halt {
        Halt::Failed(ExitStatus::code("FAILED").because(why))
    }
}

fn stopped() -> Halt {
    Halt::Stopped(ExitStatus::code("STOPPED").because("asked to stop"))
}

fn arm_named(route: Route, label: &str) -> usize {
    route.arms.iter().position(|arm| arm.label == label).expect("a label is taken from the arms themselves")
}
