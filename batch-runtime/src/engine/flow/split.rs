//! Walks the branches of a split in parallel and returns the worst of their results.
//!
//! No thread outlives the split. A branch that halts does not interrupt the others; the job halts after the join. The
//! others are interrupted only if the repository is lost, because then they could not commit anything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::definition::Environment;
use crate::engine::flow::runner::{Halt, Runner};
use crate::engine::flow::walk::Branch;
use crate::engine::options::RunOptions;
use crate::observe::{StepReport, spans};
use crate::repository::RepositoryError;

/// The result of a branch.
struct Walked {
    result: Result<(), Halt>,
    steps: Vec<StepReport>,
    passed: Vec<String>,
}

impl Runner<'_> {
    /// Walks all branches, at most `max` at a time, beginning with the first. Their results are combined in the order
    /// of the body.
    pub(crate) fn walk_all(&mut self, branches: &[Branch<'_>], max: Option<u32>) -> Result<(), Halt> {
        let stop = self.options.stop.of_branches();
        let environments: Vec<Environment> =
            branches.iter().map(|_| self.environment.branch(&stop)).collect();
        let options = RunOptions { stop, ..self.options.clone() };
        let walked: Vec<Mutex<Option<Walked>>> = branches.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let this: &Runner<'_> = self;
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(branch) = branches.get(index) else { return };
                let done = this.walk_one(branch, &environments[index], &options);
                *walked[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            }
        };
        let most = max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        thread::scope(|scope| {
            // The caller's thread walks branches like the others.
            for _ in 1..most.min(branches.len()) {
                let spawned = thread::Builder::new()
                    .name("branch".to_owned())
                    .spawn_scoped(scope, spans::carried(work));
                if let Err(error) = spawned {
                    tracing::warn!(%error, "could not start a thread for a branch; the branch waits until a running branch ends");
                    break;
                }
            }
            work();
        });
        let mut result = Ok(());
        for (walked, environment) in walked.into_iter().zip(&environments) {
            let Walked { result: one, steps, passed } = walked
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .expect("the scope has waited for all branches");
            self.environment.job.values.join(&environment.job.values);
            self.steps.extend(steps);
            self.passed.extend(passed);
            result = worst(result, one);
        }
        result
    }

    fn walk_one(&self, branch: &Branch<'_>, environment: &Environment, options: &RunOptions) -> Walked {
        let mut runner = Runner {
            repository: self.repository,
            ownership: self.ownership,
            owner_may_live: self.owner_may_live,
            job: self.job,
            environment,
            options,
            journal: self.journal,
            replaying: self.replaying,
            run_job: self.run_job,
            within: self.within,
            steps: Vec::new(),
            passed: Vec::new(),
        };
        let result = branch.walk(&mut runner);
        if let Err(Halt::Lost(_)) = result {
            options.stop.give_up();
        }
        let Runner { steps, passed, .. } = runner;
        Walked { result, steps, passed }
    }
}

fn worst(a: Result<(), Halt>, b: Result<(), Halt>) -> Result<(), Halt> {
    match (a, b) {
        (Ok(()), other) | (other, Ok(())) => other,
        (Err(a), Err(b)) => Err(worse(a, b)),
    }
}

/// Returns the worse of two halts. If both are equally bad, it returns the first, with the messages of both.
fn worse(a: Halt, b: Halt) -> Halt {
    match (a, b) {
        (Halt::Failed(a), Halt::Failed(b)) => Halt::Failed(a.and(&b)),
        (Halt::Stopped(a), Halt::Stopped(b)) => Halt::Stopped(a.and(&b)),
        (Halt::Lost(_), b @ Halt::Lost(RepositoryError::Fenced { .. })) => b,
        (a, b) if rank(&b) > rank(&a) => b,
        (a, _) => a,
    }
}

fn rank(halt: &Halt) -> u8 {
    match halt {
        Halt::Ended(_) => 0,
        Halt::Stopped(_) => 1,
        Halt::Failed(_) => 2,
        Halt::Lost(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ExecutionId;
    use crate::repository::ExitStatus;

    fn failed(why: &str) -> Result<(), Halt> {
        Err(Halt::Failed(ExitStatus::code("FAILED").because(why)))
    }

    fn stopped() -> Result<(), Halt> {
        Err(Halt::Stopped(ExitStatus::code("STOPPED").because("asked to stop")))
    }

    fn fenced() -> Result<(), Halt> {
        Err(Halt::Lost(RepositoryError::Fenced { execution: ExecutionId(1) }))
    }

    #[test]
    fn the_worst_result_of_the_branches_is_the_result_of_the_split() {
        let made: [fn() -> Result<(), Halt>; 5] =
            [|| Ok(()), || Err(Halt::Ended(ExitStatus::code("E"))), stopped, || failed("x"), fenced];
        let shown = |result: Result<(), Halt>| result.map_err(|halt| rank(&halt));
        for (at, better) in made.iter().enumerate() {
            for bad in &made[at..] {
                assert_eq!(shown(worst(better(), bad())), shown(bad()));
                assert_eq!(shown(worst(bad(), better())), shown(bad()));
            }
        }
    }

    #[test]
    fn two_failures_are_both_reported_in_the_order_of_the_body() {
        let Err(Halt::Failed(exit)) = worst(failed("a"), worst(stopped(), failed("b"))) else {
            panic!("a failure is worse than a stop");
        };
        assert_eq!(exit.description, "a; b");
    }

    #[test]
    fn two_branches_that_were_asked_to_stop_say_so_once() {
        let Err(Halt::Stopped(exit)) = worst(stopped(), stopped()) else { panic!("both were stopped") };
        assert_eq!(exit.description, "asked to stop");
    }
}
