//! Sends the spans of a run and the metrics of its repository to an OpenTelemetry collector.

mod collector;
mod metrics;
mod settings;
mod spans;

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::ContextGuard;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Status, TracerProvider as _};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use collector::{Collector, Trouble, Until};
pub(crate) use settings::Settings;
use spans::Exporter;

use super::spans::TARGET;
use crate::repository::{BatchStatus, Counters, ExitStatus, Repository};

/// The name of the library that makes the spans and the metrics.
const SCOPE: &str = "batch-runtime";

/// How long a process waits for the collector when it ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends telemetry to a collector.
pub(crate) struct Otel {
    provider: Option<SdkTracerProvider>,
    metrics: Option<Collector>,
    resource: opentelemetry_sdk::Resource,
    /// The address of the collector, as messages show it.
    place: String,
    until: Until,
    trouble: Trouble,
    /// Makes the spans of this thread children of the span that the process works for.
    _parent: ContextGuard,
}

impl Otel {
    /// Begins to send. A worker's own `job` and `step` spans are left out, because the spans of its manager are
    /// already in the trace.
    pub(crate) fn start(settings: Settings, is_worker: bool) -> (Self, Option<impl Layer<Registry> + use<>>) {
        let Settings { traces, metrics, resource, parent, warnings: _ } = settings;
        let (until, trouble) = (Until::default(), Trouble::default());
        let place =
            traces.iter().chain(&metrics).map(|target| target.url.origin()).next().unwrap_or_default();
        let collector = |target| Collector::new(target, until.clone(), trouble.clone());
        let provider = traces.map(|target| {
            SdkTracerProvider::builder()
                .with_batch_exporter(Exporter::new(Arc::new(collector(target)), &resource))
                .with_resource(resource.clone())
                .build()
        });
        let layer = provider.as_ref().map(|provider| {
            let is_sent = move |metadata: &tracing::Metadata<'_>| {
                let of_manager =
                    is_worker && metadata.target() == TARGET && matches!(metadata.name(), "job" | "step");
                *metadata.level() <= Level::INFO && !of_manager
            };
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(SCOPE))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(is_sent).with_max_level_hint(LevelFilter::INFO))
        });
        let parent = TraceContextPropagator::new().extract(&parent).attach();
        let metrics = metrics.map(collector);
        (Self { provider, metrics, resource, place, until, trouble, _parent: parent }, layer)
    }

    /// Sends the remaining spans, and the metrics of the repository if there is one. Returns the first problem, for a
    /// warning.
    pub(crate) fn finish(self, repository: Option<&dyn Repository>) -> Option<String> {
        self.finish_within(PATIENCE, repository)
    }

    fn finish_within(self, patience: Duration, repository: Option<&dyn Repository>) -> Option<String> {
        let Self { provider, metrics, resource, place, until, trouble, _parent } = self;
        let (tell, told) = mpsc::channel();
        let metrics = metrics.zip(repository).and_then(|(collector, repository)| {
            match super::metrics::of(repository) {
                Ok(metrics) => Some((collector, metrics::request(metrics, &resource))),
                Err(error) => {
                    collector.note(format!("the repository cannot be read: {error}"));
                    None
                }
            }
        });
        // Only the collector has a time limit. Reading a large repository may take longer.
        let end = Instant::now() + patience;
        until.set(end);
        let mut late = false;
        // Send on a thread, as the spans are sent, so that a request that takes too long can be abandoned.
        let sending = metrics.map(|(collector, request)| {
            thread::spawn(move || {
                collector.send::<ExportMetricsServiceResponse>(&request);
                let _ = tell.send(());
            })
        });
        if let Some(provider) = provider {
            let left = end.saturating_duration_since(Instant::now());
            // The exporter notes its own problems, so an error here can only be a timeout.
            late |= provider.shutdown_with_timeout(left).is_err();
        }
        if sending.is_some() {
            let left = end.saturating_duration_since(Instant::now());
            late |= told.recv_timeout(left).is_err();
        }
        let problem = trouble
            .take()
            .or_else(|| late.then(|| (place, format!("it took longer than {} s", patience.as_secs_f64()))));
        problem.map(|(place, problem)| format!("not all traces and metrics reached {place}: {problem}"))
    }
}

/// Records the outcome in the current span.
pub(super) fn ended(status: BatchStatus, exit: &ExitStatus, counters: Option<&Counters>) {
    let span = Span::current();
    span.set_attribute("status", status.as_str());
    span.set_attribute("exit_code", exit.code.clone());
    let numbers = counters.map(|counters| {
        let Counters { read, filter, write, read_skip, process_skip, write_skip, commit, rollback, .. } =
            *counters;
        [
            ("read", read),
            ("filtered", filter),
            ("written", write),
            ("read_skips", read_skip),
            ("process_skips", process_skip),
            ("write_skips", write_skip),
            ("commits", commit),
            ("rollbacks", rollback),
        ]
    });
    for (name, number) in numbers.into_iter().flatten() {
        span.set_attribute(name, i64::try_from(number).unwrap_or(i64::MAX));
    }
    // The job may handle a failed step, but the span of the step shows an error nevertheless.
    span.set_status(match status {
        BatchStatus::Failed | BatchStatus::Abandoned => Status::error(exit.description.clone()),
        // The layer marks a span as failed when a component logs an error. `Ok` overrides that.
        _ => Status::Ok,
    });
}

/// The headers that make the spans of another process children of the current span.
pub(super) fn headers() -> HashMap<String, String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    headers.retain(|_, value| !value.is_empty());
    headers
}
