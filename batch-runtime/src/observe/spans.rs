//! The spans of a run, `job` > `step` > `partition`, and the way in which threads that work for a step inherit them.
//!
//! `otel.name` is their name for OpenTelemetry. They have the level ERROR, so that warnings keep their execution and step even under a filter that shows only warnings.

use std::collections::HashMap;

use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Empty, display};
use tracing::span::EnteredSpan;
use tracing::subscriber::NoSubscriber;
use tracing::{Span, error_span, trace_span};

#[cfg(feature = "profile")]
use super::frames;
use crate::definition::StepExecutionId;
use crate::repository::work_queue::WorkerId;
use crate::repository::{BatchStatus, Counters, ExitStatus, Ownership, PartitionExecution};

/// The target of these spans.
#[cfg(feature = "log")]
pub(crate) const TARGET: &str = module_path!();

/// The execution of a job.
pub(crate) fn job(name: &str, ownership: Ownership) -> EnteredSpan {
    error_span!(
        "job",
        otel.name = format_args!("job {name}"),
        job = name,
        instance = ownership.instance.0,
        execution = ownership.execution.0
    )
    .entered()
}

/// A step of a job, before its execution has an ID.
pub(crate) fn step(path: &str) -> EnteredSpan {
    error_span!("step", otel.name = format_args!("step {path}"), step = path, step_execution = Empty)
        .entered()
}

/// Adds the ID of the execution to the span of the step.
pub(crate) fn step_has_begun(id: StepExecutionId) {
    Span::current().record("step_execution", id.0);
}

/// A partition of a step. It is a step execution of its own.
pub(crate) fn partition(partition: &PartitionExecution) -> EnteredSpan {
    let name = partition.name.as_ref().map(display);
    error_span!(
        "partition",
        otel.name = format_args!("partition {}", partition.step),
        partition = partition.number,
        partition_name = name,
        step_execution = partition.id.0
    )
    .entered()
}

/// A chunk of a step. Its level is TRACE, because there may be many.
pub(crate) fn chunk(number: u64) -> EnteredSpan {
    trace_span!("chunk", chunk = number).entered()
}

/// Adds the end of the job, the step or the partition to its span.
pub(crate) fn ended(status: BatchStatus, exit: &ExitStatus, counters: Option<&Counters>) {
    #[cfg(feature = "otel")]
    super::otel::ended(status, exit, counters);
    #[cfg(not(feature = "otel"))]
    let _ = (status, exit, counters);
}

/// The headers by which another process can work for the current span; empty if nothing keeps a trace.
pub(crate) fn headers() -> HashMap<String, String> {
    #[cfg(feature = "otel")]
    return super::otel::headers();
    #[cfg(not(feature = "otel"))]
    HashMap::new()
}

/// A process that works for others.
pub(crate) fn worker(id: WorkerId) -> EnteredSpan {
    error_span!("worker", worker = id.0).entered()
}

/// Lets work that is done on another thread log as on this one: with the same span, and to the same subscriber. A profile
/// sees it in the same step.
pub(crate) fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let place = Place::here();
    #[cfg(feature = "profile")]
    let frame = frames::current();
    move || {
        let _inside = place.enter();
        #[cfg(feature = "profile")]
        return frames::within(frame, work);
        #[cfg(not(feature = "profile"))]
        work()
    }
}

/// The span and the subscriber of a thread.
struct Place {
    /// `None` if nobody receives the events.
    subscriber: Option<Dispatch>,
    span: Span,
    /// The span of another process that this one works for, if it is within no span yet.
    #[cfg(feature = "otel")]
    context: opentelemetry::Context,
}

impl Place {
    fn here() -> Self {
        let subscriber = dispatcher::get_default(|subscriber| {
            (!subscriber.is::<NoSubscriber>()).then(|| subscriber.clone())
        });
        Self {
            subscriber,
            span: Span::current(),
            #[cfg(feature = "otel")]
            context: opentelemetry::Context::current(),
        }
    }

    fn enter(self) -> impl Sized {
        let subscriber = self.subscriber.as_ref().map(dispatcher::set_default);
        #[cfg(feature = "otel")]
        let context = self.context.attach();
        #[cfg(not(feature = "otel"))]
        let context = ();
        // The thread leaves the span before the subscriber.
        (self.span.entered(), context, subscriber)
    }
}
