//! The trace of a program whose workers are processes of their own, by the variables of the OpenTelemetry specification.

use std::collections::{BTreeMap, BTreeSet};

use batch_tests::collector::{Collector, Manner, attributes};

use super::world::World;

/// A span of the process that starts the program: its trace and its own ID.
const PARENT: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[test]
fn the_spans_of_all_workers_are_in_the_trace_that_the_environment_names() {
    let (world, collector) = (World::new(), Collector::new(Manner::Takes));
    let (endpoint, parent) =
        (format!("{}/otlp", collector.url()), format!("00-{}-{}-01", PARENT.0, PARENT.1));
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b"),
        ("OTEL_SERVICE_NAME", "nightly"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=etl"),
        ("TRACEPARENT", &*parent),
    ];
    let run = world.run_with("load --parts 4 --size 200 --workers local:2", &variables);
    assert_eq!(run.code, 0, "{run}");
    assert!(!run.err.contains("warning"), "{run}");

    for request in collector.received() {
        assert!(request.path.starts_with("/otlp/v1/"), "{}", request.path);
        assert!(request.head.to_lowercase().contains("\r\napi-key: a b\r\n"), "{}", request.head);
    }
    let spans = collector.spans();
    let names: BTreeMap<_, _> = spans.iter().map(|(_, span)| (&span.span_id, &span.name)).collect();
    let mut places = BTreeSet::new();
    for (resource, span) in &spans {
        assert_eq!((&*resource["service.name"], &*resource["team"]), ("nightly", "etl"));
        assert_eq!(hex(&span.trace_id), PARENT.0);
        let parent =
            names.get(&span.parent_span_id).map_or_else(|| hex(&span.parent_span_id), ToString::to_string);
        let own = span.name.trim_end_matches(|c: char| c.is_ascii_digit());
        places.insert(format!("{parent} > {own}"));
    }
    let expected = [
        format!("{} > job load", PARENT.1),
        "job load > step create_table".to_owned(),
        "job load > step fill".to_owned(),
        "step fill > worker".to_owned(),
        "worker > partition fill:partition".to_owned(),
    ];
    assert_eq!(places, expected.into());
    let read: u64 = spans
        .iter()
        .filter(|(_, span)| span.name.starts_with("partition"))
        .map(|(_, span)| attributes(&span.attributes)["read"].parse::<u64>().unwrap())
        .sum();
    assert_eq!(read, 800);
}

#[test]
fn nothing_is_sent_if_the_sdk_is_disabled() {
    let (world, collector) = (World::new(), Collector::new(Manner::Takes));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url()), ("OTEL_SDK_DISABLED", "true")];
    let run = world.run_with("load --parts 2 --size 20", &variables);
    assert_eq!(run.code, 0, "{run}");
    assert!(collector.received().is_empty());
}

#[test]
fn a_wrong_variable_causes_a_warning_and_fails_nothing() {
    let world = World::new();
    let run =
        world.run_with("load --parts 2 --size 20", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")]);
    assert_eq!(run.code, 0, "{run}");
    let expected = "warning: no traces or metrics are sent: `OTEL_EXPORTER_OTLP_ENDPOINT` is not an address: it does not \
                    begin with `http://` or `https://`\n";
    assert!(run.err.starts_with(expected), "{run}");
}
