//! Notifies a job's listeners when the job begins, in their order, and when it ends, in the reverse order.

use crate::definition::{Environment, Failure, JobEnd, JobEvent, JobInfo, Scope};
use crate::engine::faults::panic;

/// Notifies the listeners that the job begins. If one fails, the job fails.
pub(crate) fn before(job: &'static JobInfo, environment: &Environment) -> Result<(), Failure> {
    let scope = Scope::of_job(environment);
    job.options.listeners.iter().try_for_each(|listener| match listener.hears {
        JobEvent::Before(tell) => panic::catch(|| tell(&scope))
            .unwrap_or_else(Err)
            .map_err(|failure| failure.in_component(listener.name)),
        JobEvent::After(_) => Ok(()),
    })
}

/// Notifies the listeners of how the job ended. A failure of a listener is only logged.
pub(crate) fn after(job: &'static JobInfo, environment: &Environment, end: &JobEnd) {
    let scope = Scope::of_job(environment);
    for listener in job.options.listeners.iter().rev() {
        if let JobEvent::After(tell) = listener.hears
            && let Err(failure) = panic::catch(|| tell(&scope, end)).unwrap_or_else(Err)
        {
            let failure = failure.in_component(listener.name);
            tracing::warn!(%failure, "a listener failed; the result of the job is unchanged");
        }
    }
}
