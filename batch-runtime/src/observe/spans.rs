//! Creates the spans of a run, `job` > `step` > `partition`, and lets other threads that work for a step inherit
//! them.
//!
//! `otel.name` is the name of a span in OpenTelemetry. The spans have the level ERROR: even under a filter that shows
//! only warnings, each warning then names its execution and step.

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

/// Enters the span of an execution of a job.
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

/// Enters the span of a step whose execution has no ID yet.
pub(crate) fn step(path: &str) -> EnteredSpan {
    error_span!("step", otel.name = format_args!("step {path}"), step = path, step_execution = Empty)
        .entered()
}

/// Adds the ID of the execution to the span of the step.
pub(crate) fn step_has_begun(id: StepExecutionId) {
    Span::current().record("step_execution", id.0);
}

/// Enters the span of a partition, which is a step execution of its own.
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

/// Enters the span of a chunk. Its level is TRACE, because a step may have many chunks.
pub(crate) fn chunk(number: u64) -> EnteredSpan {
    trace_span!("chunk", chunk = number).entered()
}

/// Adds the outcome of the job, the step or the partition to its span.
pub(crate) fn ended(status: BatchStatus, exit: &ExitStatus, counters: Option<&Counters>) {
    #[cfg(feature = "otel")]
    super::otel::ended(status, exit, counters);
    #[cfg(not(feature = "otel"))]
    let _ = (status, exit, counters);
}

/// The headers that make the spans of another process children of the current span; empty if no trace is kept.
pub(crate) fn headers() -> HashMap<String, String> {
    #[cfg(feature = "otel")]
    return super::otel::headers();
    #[cfg(not(feature = "otel"))]
    HashMap::new()
}

/// Enters the span of a worker process.
pub(crate) fn worker(id: WorkerId) -> EnteredSpan {
    error_span!("worker", worker = id.0).entered()
}

/// Makes work on another thread log as this thread does: within the same span, and to the same subscriber. A profile
/// counts the work for the same step.
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
    /// The span of another process that this process works for. It is the parent while no span is entered here.
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
        // Values are dropped in this order, so that the thread leaves the span before the subscriber.
        (self.span.entered(), context, subscriber)
    }
}
