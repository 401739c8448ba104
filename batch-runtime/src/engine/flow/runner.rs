//! Runs the places of a walk: replays an outcome that the journal holds, and otherwise executes the place and journals
//! it.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use crate::definition::{Changes, DeciderInfo, Ended, Environment, JobInfo, Phase, Scope, StepEnvironment};
use crate::engine::faults::all_skipped;
use crate::engine::faults::panic;
use crate::engine::flow::execution;
use crate::engine::flow::journal::{self, Journal};
use crate::engine::flow::nested::{self, RunJob};
use crate::engine::flow::replay::Replaying;
use crate::engine::flow::request::{Executed, Request};
use crate::engine::flow::walk::{Around, Branch, Driver, Place, Region, Ways};
use crate::engine::options::RunOptions;
use crate::engine::step::{Halt as StepHalt, Route, StepEnd, StepOutcome};
use crate::graph::{Activity, Subject, Text};
use crate::observe::{Remedy, StepFailure, StepReport, spans};
use crate::repository::{
    BatchStatus, Counters, ExitStatus, JournalEntry, Ownership, Repository, RepositoryError, StepFinish,
    finish_step,
};

/// Why a walk ended before the end of the body.
pub(crate) enum Halt {
    /// `end!`.
    Ended(ExitStatus),
    /// `stop!`, or a request to stop.
    Stopped(ExitStatus),
    /// `fail!`, or a step failed and no `match` handled it.
    Failed(ExitStatus),
    /// The repository is lost.
    Lost(RepositoryError),
}

impl From<RepositoryError> for Halt {
    fn from(error: RepositoryError) -> Self {
        match error {
            // The step has used up its starts; nothing is wrong with the repository.
            RepositoryError::StartLimit { .. } => {
                Self::Failed(ExitStatus::code("FAILED").because(error.to_string()))
            }
            RepositoryError::Stopped => stopped(),
            error => Self::Lost(error),
        }
    }
}

/// Walks a job.
pub(crate) struct Runner<'r> {
    pub(crate) repository: &'r Arc<dyn Repository>,
    pub(crate) ownership: Ownership,
    /// Whether a previous owner of the instance may still be alive.
    pub(crate) owner_may_live: bool,
    pub(crate) job: &'static JobInfo,
    pub(crate) environment: &'r Environment,
    pub(crate) options: &'r RunOptions,
    pub(crate) journal: &'r Journal,
    /// The plan of the replay, if the execution replays another one.
    pub(crate) replaying: Option<&'r Replaying>,
    pub(crate) run_job: RunJob,
    pub(crate) within: Option<&'r str>,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) passed: Vec<String>,
}

/// The `match` that a step is the subject of.
struct Choice<'c> {
    name: &'c str,
    ways: &'c Ways<'c>,
    handles_failure: bool,
}

impl Choice<'_> {
    fn route(&self) -> Route {
        self.ways.route
    }

    /// The journal entries for taking an arm. If another arm was taken before, its entries are taken back.
    fn entries(&self, journal: &Journal, label: &str) -> Vec<JournalEntry> {
        let mut entries = vec![JournalEntry::at(self.name, label)];
        if let Some(Ok(before)) = journal.arm(self.name, self.route())
            && self.route().arms[before].label != label
        {
            entries.extend(journal.leave(&self.ways.arm(before)));
        }
        entries
    }
}

impl Runner<'_> {
    /// The name that users see. In a nested job it begins with the name of the outer step.
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

    /// Passes a step or nested job. Replays it if it is journalled and does not run again; otherwise executes it.
    /// Returns the label of the arm that takes its outcome if it was executed as the subject of a `match`.
    fn pass(&mut self, place: &Place<'_>, choice: Option<&Choice<'_>>) -> Result<Option<String>, Halt> {
        if let Some(entry) = self.journal.at(&place.path)
            && !self.runs_again(place, entry, choice)
        {
            if let (Some((_, json)), Activity::Step(step)) = (&entry.output, place.used.activity) {
                // Use the current ID of the step, because the step may have been renamed or moved to another module.
                self.environment.leave_output(step.id, json.clone());
            }
            let name = self.shown(&place.path);
            if let Some(observer) = &self.options.observer {
                observer.step_passed(&name);
            }
            self.passed.push(name);
            return Ok(None);
        }
        self.check_stop()?;
        self.execute(place, choice)
    }

    /// Returns whether a step runs again although an earlier execution has passed it.
    fn runs_again(&self, place: &Place<'_>, entry: &JournalEntry, choice: Option<&Choice<'_>>) -> bool {
        let always =
            matches!(place.used.activity, Activity::Step(step) if step.options.allow_start_if_complete);
        (always && entry.outcome == journal::COMPLETED)
            || choice.is_some_and(|choice| self.journal.is_open(choice.name))
    }

    fn execute(&mut self, place: &Place<'_>, choice: Option<&Choice<'_>>) -> Result<Option<String>, Halt> {
        let _inside = spans::step(&place.path);
        let name = self.shown(&place.path);
        let began = Instant::now();
        let request = self.request(place, &name, choice.map(Choice::route));
        let Executed { id, before, live, end, nested, checkpoints } = match request.activity {
            Activity::Step(step) => execution::execute(&request, step)?,
            Activity::Job(job) => nested::execute(&request, job, self.run_job)?,
            Activity::Flow(_) | Activity::Decider(_) | Activity::Text(_) => {
                unreachable!("the walk handles flows, deciders and texts itself")
            }
        };
        let replays = request.replayed.is_some();
        self.steps.extend(nested);
        let StepEnd { result, counters, profile } = end;

        let (remedy, failure) = match &result {
            Err(StepHalt::Failed(failure)) => (Some(Remedy::of(failure)), Some(StepFailure::from(failure))),
            _ => (None, None),
        };
        let (status, exit, done, lost) = match result {
            Ok(mut done) => {
                let is_first = self.journal.completions(&place.path) == 0;
                let mut all = if is_first { before } else { Counters::default() };
                all += counters;
                let description = || all_skipped::description(&all, replays);
                let completed = || ExitStatus::code("COMPLETED").because(description());
                let exit = done.exit.take().unwrap_or_else(completed);
                (BatchStatus::Completed, exit, Some(done), None)
            }
            Err(StepHalt::Stopped) => {
                // The restart continues after the last commit, and puts these values again.
                self.environment.job.values.revert();
                (BatchStatus::Stopped, ExitStatus::code("STOPPED"), None, None)
            }
            Err(StepHalt::Failed(failure)) => {
                self.environment.job.values.revert();
                tracing::error!(%failure, "step failed");
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
        let Changes { values: changed, until } = values.changes();
        let finish = StepFinish {
            status,
            exit,
            counters,
            profile: profile.clone(),
            journal: entries,
            context: None,
            job_context: (!changed.is_empty()).then_some(changed),
        };
        let finished = finish_step(&**self.repository, self.ownership, id, checkpoints.as_deref(), &finish);
        if let Some(error) = lost {
            return Err(Halt::Lost(error));
        }
        finished?;
        values.settle(until);
        tracing::info!(%status, read = counters.read, written = counters.write, "step ended");
        spans::ended(status, &finish.exit, Some(&counters));
        let report = StepReport {
            name,
            id,
            status,
            exit: finish.exit,
            counters,
            before,
            profile,
            elapsed: began.elapsed(),
            remedy,
            failure,
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

    fn request<'p>(&'p self, place: &'p Place<'_>, name: &'p str, route: Option<Route>) -> Request<'p> {
        Request {
            repository: self.repository,
            ownership: self.ownership,
            owner_may_live: self.owner_may_live,
            job: self.job,
            environment: self.environment,
            options: self.options,
            path: &place.path,
            name,
            activity: place.used.activity,
            scope: place.bindings.iter().fold(Scope::of_job(self.environment), |scope, b| scope.bound(b)),
            route,
            completions: self.journal.completions(&place.path),
            replayed: self.replaying.and_then(|replaying| replaying.places(&place.path)),
            partition: None,
        }
    }

    /// The journal entries for a step that has ended, and the label of the arm.
    fn entries(
        &self,
        place: &Place<'_>,
        choice: Option<&Choice<'_>>,
        status: BatchStatus,
        exit: &ExitStatus,
        done: Option<StepOutcome>,
    ) -> (Vec<JournalEntry>, Option<String>) {
        let (outcome, done) = match (status, done) {
            (BatchStatus::Completed, Some(done)) => (journal::COMPLETED, done),
            (BatchStatus::Abandoned, _) => {
                let arm = choice.map(|choice| choice.route().label(Box::new(Ended::Failed)).to_owned());
                (journal::FAILED, StepOutcome { arm, ..StepOutcome::default() })
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
            entries.extend(choice.entries(self.journal, label));
        }
        (entries, done.arm)
    }

    /// Records the outcome of a decider, or a stop, with the values that deciders have put into the job's context: a
    /// restart does not call them again.
    fn record(&self, entries: &[JournalEntry]) -> Result<(), RepositoryError> {
        let values = &self.environment.job.values;
        let Changes { values: changed, until } = values.changes();
        let changed = (!changed.is_empty()).then_some(&changed);
        self.repository.record(self.ownership, entries, changed)?;
        values.settle(until);
        Ok(())
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

impl Runner<'_> {
    /// Fills the values of the job into a text.
    fn formatted(&self, text: &Text) -> Result<String, Halt> {
        let own = StepEnvironment::new(None, None);
        let scope = Scope::of_step(self.environment, &own);
        panic::catch(|| text.formatted(&scope)).and_then(|text| text).map_err(|failure| {
            let why = format!("the text `{}` cannot be formatted: {failure}", text.written);
            Halt::Failed(ExitStatus::code("FAILED").because(why))
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
        ways: &Ways<'_>,
    ) -> Result<usize, Halt> {
        let route = ways.route;
        let journalled =
            self.journal.arm(name, route).map(|arm| arm.expect("the launch has checked the journal"));
        let label = if let Subject::Decider(decider) = subject {
            if let Some(arm) = journalled.filter(|_| !self.journal.is_open(name)) {
                return Ok(arm);
            }
            self.check_stop()?;
            let choice = Choice { name, ways, handles_failure: false };
            let label = route.label(self.decide(place, decider)?);
            self.record(&choice.entries(self.journal, label))?;
            Some(label.to_owned())
        } else {
            let choice = Choice { name, ways, handles_failure: matches!(subject, Subject::Ended(_)) };
            self.pass(place, Some(&choice))?
        };
        match (label, journalled) {
            (Some(label), _) => route.arm_named(&label).ok_or_else(|| {
                // Another version of the program completed the tasklet, but died before it could record the end of
                // the step.
                let why = format!("`{name}` takes the arm `{label}`, which is no longer there");
                Halt::Failed(ExitStatus::code("FAILED").because(why))
            }),
            (None, Some(arm)) => Ok(arm),
            (None, None) => unreachable!("the subject of a `match` is journalled together with the arm"),
        }
    }

    fn ask(
        &mut self,
        place: &Place<'_>,
        decider: &'static DeciderInfo,
        ends: bool,
        rest: &dyn Fn() -> Region,
    ) -> Result<bool, Halt> {
        if let Some(entry) = self.journal.at(&place.path)
            && !self.journal.is_open(&place.path)
        {
            return Ok(entry.outcome == "true");
        }
        self.check_stop()?;
        let outcome = self.decide(place, decider)?;
        let more = *outcome
            .downcast::<bool>()
            .expect("in a loop, the macros accept only deciders that return a bool");
        let mut entries = vec![JournalEntry::at(&place.path, &more.to_string())];
        if more == ends {
            entries.extend(self.journal.leave(&rest()));
        }
        self.record(&entries)?;
        Ok(more)
    }

    fn split(&mut self, branches: &[Branch<'_>], max: Option<u32>) -> Result<(), Halt> {
        self.walk_all(branches, max)
    }

    fn stop(&mut self, path: &str, why: &Text) -> Result<(), Halt> {
        if self.journal.at(path).is_some() {
            return Ok(());
        }
        let why = self.formatted(why)?;
        self.record(&[JournalEntry::at(path, journal::STOPPED)])?;
        Err(Halt::Stopped(ExitStatus::code("STOPPED").because(why)))
    }

    fn end(&mut self, code: &'static str, why: &Text) -> Halt {
        let code = if code.is_empty() { journal::COMPLETED } else { code };
        self.formatted(why).map_or_else(|halt| halt, |why| Halt::Ended(ExitStatus::code(code).because(why)))
    }

    fn fail(&mut self, why: &Text, _: &[Around]) -> Halt {
        let failed = |why| Halt::Failed(ExitStatus::code("FAILED").because(why));
        self.formatted(why).map_or_else(|halt| halt, failed)
    }
}

fn stopped() -> Halt {
    Halt::Stopped(ExitStatus::code("STOPPED").because("asked to stop"))
}
