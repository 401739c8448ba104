//! Receives: the listeners of a job. Gives: each told how the job begins, in their order, and how it ends, in reverse.

use crate::definition::{Environment, Failure, JobEnd, JobEvent, JobInfo, Scope};
use crate::engine::faults::panic;

/// Tells that the job begins; what a listener fails with fails the job.
pub(crate) fn before(job: &'static JobInfo, environment: &Environment) -> Result<(), Failure> {
    let scope = Scope::of_job(environment);
    job.options.listeners.iter().try_for_each(|listener| match listener.hears {
        JobEvent::Before(tell) => panic::catch(|| tell(&scope))
            .unwrap_or_else(Err)
            .map_err(|failure| failure.in_component(listener.name)),
        JobEvent::After(_) => Ok(()),
    })
}

/// Tells how the job ends; what a listener fails with is reported.
pub(crate) fn after(job: &'static JobInfo, environment: &Environment, end: &JobEnd) {
    let scope = Scope::of_job(environment);
    for listener in job.options.listeners.iter().rev() {
        if let JobEvent::After(tell) = listener.hears
            && let Err(failure) = panic::catch(|| tell(&scope, end)).unwrap_or_else(Err)
        {
            let failure = failure.in_component(listener.name);
            tracing::warn!(job = job.name, %failure, "a listener failed; the job ends as it would have");
        }
    }
}
