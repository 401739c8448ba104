//! `--otlp`: a collector receives the trace of each execution, and the metrics of its repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use batch_runtime::prelude::*;
use batch_runtime::{JobDefinition, JobInfo};
use batch_tests::collector::{Attributes, Collector, Manner, attributes};
use opentelemetry_proto::tonic::trace::v1::Span;

/// A secret that nobody may receive.
const PLANTED: &str = "open-sesame-4712";

#[derive(Debug, thiserror::Error)]
#[error("{0} is bad")]
struct Bad(u32);

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..20
}

#[resource]
fn door(password: String) -> Door {
    Door(password)
}

struct Door(String);

#[processor]
fn odd(number: u32, door: &Door, fail_at: Option<u32>) -> Result<Option<u32>, Bad> {
    assert_eq!(door.0, PLANTED);
    match number {
        number if number == 4 || fail_at == Some(number) => Err(Bad(number)),
        number => Ok((number % 2 == 1).then_some(number)),
    }
}

#[writer]
fn save(numbers: &[u32]) {
    let _span = tracing::info_span!("saving", many = numbers.len()).entered();
    tracing::error!("it is only said");
}

#[step(chunk = 5, threads = 2, skip(Bad, limit = 1))]
fn load() {
    numbers | odd | save
}

#[partitioner]
fn halves() -> Vec<(String, u32)> {
    vec![("low".to_owned(), 0), ("high".to_owned(), 20)]
}

#[reader]
fn half(first: &Partition<u32>) -> impl Iterator<Item = u32> {
    let first = **first;
    first..first + 20
}

#[step(chunk = 5, partitioner = halves)]
fn parted() {
    half | save
}

#[step]
fn tell() {}

#[job]
fn within() {
    tell;
}

#[job]
fn count(#[param(secret)] password: String, #[param(identifying = false)] fail_at: Option<u32>) {
    load;
    split! { parted, within }
}

const COUNT: &JobInfo = <count as JobDefinition>::INFO;

/// Runs a command in the folder, and returns its exit code and what it writes on standard error.
fn ask(folder: &Path, line: &str) -> (u8, String) {
    let repository = folder.join("batch.db");
    let words = ["nightly", "--repository", repository.to_str().unwrap()];
    let secret = if line.starts_with("run") { vec!["--password", PLANTED] } else { Vec::new() };
    let (out, err) = (crate::Kept::default(), crate::Kept::default());
    let words = words.into_iter().chain(line.split_whitespace()).chain(secret);
    let code = crate::run_from(words, &[COUNT], out.clone(), err.clone());
    (code, if line.starts_with("metrics") { out.text() } else { err.text() })
}

/// Runs the job for a collector.
fn traced(manner: Manner, line: &str, expected: u8) -> (Collector, String) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::new(manner);
    let (code, err) = ask(folder.path(), &format!("run {line} -q --otlp {}", collector.url()));
    assert_eq!(code, expected, "{err}");
    (collector, err)
}

/// The spans of a collector by their IDs.
struct Trace(BTreeMap<Vec<u8>, Span>);

impl Trace {
    fn of(collector: &Collector) -> Self {
        Self(collector.spans().into_iter().map(|(_, span)| (span.span_id.clone(), span)).collect())
    }

    /// The names of a span and of those around it, outermost first.
    fn place(&self, span: &Span) -> String {
        match self.0.get(&span.parent_span_id) {
            Some(parent) => format!("{} > {}", self.place(parent), span.name),
            None => span.name.clone(),
        }
    }

    /// The places of all spans, in order.
    fn places(&self) -> Vec<String> {
        let mut places: Vec<_> = self.0.values().map(|span| self.place(span)).collect();
        places.sort();
        places
    }

    #[track_caller]
    fn named(&self, name: &str) -> &Span {
        self.0.values().find(|span| span.name == name).unwrap_or_else(|| panic!("{:?}", self.places()))
    }

    fn attributes(&self, name: &str) -> Attributes {
        attributes(&self.named(name).attributes)
    }
}

#[track_caller]
fn has(attributes: &Attributes, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(attributes.get(*name).map(String::as_str), Some(*value), "{name} in {attributes:?}");
    }
}

#[test]
fn an_execution_is_one_trace_with_the_job_around_its_steps_and_these_around_their_partitions() {
    let (collector, err) = traced(Manner::Takes, "count", 0);
    assert_eq!(err, "");
    let trace = Trace::of(&collector);
    let expected: BTreeSet<&str> = [
        "job count",
        "job count > step load",
        "job count > step load > saving",
        "job count > step parted",
        "job count > step parted > partition parted:partition0",
        "job count > step parted > partition parted:partition0 > saving",
        "job count > step parted > partition parted:partition1",
        "job count > step parted > partition parted:partition1 > saving",
        "job count > step within",
        "job count > step within > job within",
        "job count > step within > job within > step tell",
    ]
    .into();
    let places = trace.places();
    assert_eq!(places.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    assert_eq!(places.iter().filter(|place| !place.ends_with("saving")).count(), 8, "{places:?}");
    let traces: BTreeSet<_> = trace.0.values().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 1);
    assert!(trace.0.values().all(|span| 0 < span.start_time_unix_nano
        && span.start_time_unix_nano <= span.end_time_unix_nano));
}

#[test]
fn spans_tell_the_job_the_step_the_partition_the_outcome_and_the_counts() {
    let (collector, _) = traced(Manner::Takes, "count", 0);
    let trace = Trace::of(&collector);
    has(
        &trace.attributes("job count"),
        &[("job", "count"), ("execution", "1"), ("instance", "1"), ("status", "COMPLETED")],
    );
    has(
        &trace.attributes("step load"),
        &[
            ("step", "load"),
            ("step_execution", "1"),
            ("status", "COMPLETED"),
            ("exit_code", "COMPLETED"),
            ("read", "20"),
            ("filtered", "9"),
            ("written", "10"),
            ("process_skips", "1"),
            ("commits", "4"),
        ],
    );
    let low = trace.attributes("partition parted:partition0");
    has(&low, &[("partition", "0"), ("partition_name", "low"), ("read", "20"), ("written", "20")]);
    has(&trace.attributes("step parted"), &[("read", "40"), ("written", "40")]);
    // An error that a component logs fails no step.
    let mut ours = trace.0.values().filter(|span| span.name != "saving");
    assert!(ours.all(|span| span.status.as_ref().is_some_and(|status| status.code == 1)));
    let (resource, _) = collector.spans().swap_remove(0);
    has(&resource, &[("service.name", "nightly"), ("telemetry.sdk.language", "rust")]);
}

#[test]
fn what_fails_has_the_status_error_and_tells_why() {
    let (collector, _) = traced(Manner::Takes, "count --fail-at 11", 1);
    let trace = Trace::of(&collector);
    for name in ["step load", "job count"] {
        has(&trace.attributes(name), &[("status", "FAILED")]);
        let status = trace.named(name).status.as_ref().unwrap();
        assert_eq!(status.code, 2, "{name}");
        assert!(status.message.contains("11 is bad"), "{}", status.message);
    }
}

#[test]
fn the_metrics_are_those_that_the_command_prints() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::new(Manner::Takes);
    for (line, expected) in [("run count --fail-at 11", 1), ("run count", 0), ("run count --next", 0)] {
        let (code, err) = ask(folder.path(), &format!("{line} -q --otlp {}", collector.url()));
        assert_eq!((code, err.contains("warning")), (expected, false), "{err}");
    }
    let (code, text) = ask(folder.path(), "metrics");
    assert_eq!(code, 0);
    assert_eq!(collector.samples(), crate::metrics::parsed(&text));
}

#[test]
fn a_secret_is_in_nothing_that_a_collector_receives() {
    for (line, expected) in [("count", 0), ("count --fail-at 11", 1)] {
        let (collector, err) = traced(Manner::Takes, line, expected);
        let received = collector.received();
        let paths: BTreeSet<_> = received.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(paths, ["/v1/metrics", "/v1/traces"].into());
        assert!(!err.contains(PLANTED));
        for request in received {
            let sent = [request.head.as_bytes(), &request.body].concat();
            let is_there = sent.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
            assert!(!is_there, "{}", String::from_utf8_lossy(&sent));
        }
    }
}

#[test]
fn a_request_is_repeated_while_the_collector_is_overloaded() {
    let (collector, err) = traced(Manner::Answers(503, 1), "count", 0);
    assert_eq!(err, "");
    let of = |path: &str| collector.received().iter().filter(|request| request.path == path).count();
    assert_eq!((of("/v1/traces"), of("/v1/metrics")), (2, 2));
}

/// The warning of a run for a collector that does not take everything.
fn warned(manner: Manner) -> String {
    let (collector, err) = traced(manner, "count", 0);
    let start = format!("warning: not all traces and metrics reached {}: ", collector.url());
    let told = err.strip_prefix(&start).unwrap_or_else(|| panic!("{err}"));
    told.strip_suffix("; the result is unchanged\n").unwrap_or_else(|| panic!("{err}")).to_owned()
}

#[test]
fn a_collector_that_refuses_causes_one_warning_and_fails_nothing() {
    assert_eq!(warned(Manner::Answers(401, 100)), "it answered 401");
    assert_eq!(warned(Manner::DropsSpans), "it refused 3 of them: too many");
}

#[test]
fn a_collector_that_never_answers_does_not_hold_up_the_end_for_long() {
    let told = warned(Manner::IsSilent);
    assert!(told.contains("took longer than 5 s") || told.contains("timeout"), "{told}");
}

#[test]
fn a_collector_that_is_not_there_causes_one_warning_that_names_its_address_only() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (code, err) = ask(folder.path(), &format!("run count -q --otlp http://{free}/in?token={PLANTED}"));
    assert_eq!(code, 0, "{err}");
    let start = format!("warning: not all traces and metrics reached http://{free}: ");
    assert!(err.starts_with(&start) && err.lines().count() == 1, "{err}");
    assert!(!err.contains(PLANTED), "{err}");
}

#[test]
fn an_address_that_cannot_be_one_is_refused_without_being_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (code, err) = ask(folder.path(), &format!("run count --otlp http://me:{PLANTED}@collector:4318"));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("`--otlp` is not an address: it holds a user name or a password"), "{err}");
    assert!(!err.contains(PLANTED), "{err}");
}
