//! Writes events as lines of JSON, each with the fields of the spans around it.

use std::error::Error;
use std::fmt;
use std::process;
use std::thread;

use jiff::Timestamp;
use serde::Serializer;
use serde::ser::SerializeMap;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::spans;

/// The names of the fields that every line has.
const OF_EACH_LINE: [&str; 5] = ["timestamp", "level", "target", "pid", "thread"];

/// Writes each event as a line, with one call of `write`.
pub(crate) struct JsonLines<W> {
    write: W,
}

impl<W: Fn(&[u8])> JsonLines<W> {
    pub(crate) fn new(write: W) -> Self {
        Self { write }
    }
}

/// Returns whether this is a span of the framework. Such spans name the job, the execution and the step.
pub(crate) fn is_framework_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == spans::TARGET
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let mut line = Line::of(event.metadata());
        if let Some(at) = own.0.iter().position(|(name, _)| name == "message") {
            let (name, message) = own.0.remove(at);
            line.add(&name, &message);
        }
        let scope = || context.event_scope(event).into_iter().flat_map(Scope::from_root);
        for span in scope().filter(|span| is_framework_span(span.metadata())) {
            span.extensions().get::<Fields>().into_iter().for_each(|fields| line.add_ours(fields));
        }
        for span in scope().filter(|span| !is_framework_span(span.metadata())) {
            let extensions = span.extensions();
            let fields = extensions.get::<Fields>().into_iter().flat_map(|fields| &fields.0);
            fields.for_each(|(name, value)| line.add(name, value));
        }
        own.0.iter().for_each(|(name, value)| line.add(name, value));
        (self.write)(&line.text());
    }
}

/// Fields, as names and values.
#[derive(Default)]
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn visited(&mut self, field: &Field, value: Value) {
        let name = field.name();
        // The fields `otel.*` are instructions for the OpenTelemetry layer, so leave them out.
        if name.starts_with("otel.") {
            return;
        }
        self.set(name.strip_prefix("r#").unwrap_or(name), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = || Value::from(value.to_string());
        self.visited(field, if value.is_finite() { value.into() } else { text() });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.visited(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.visited(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.visited(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.visited(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut error = value;
        while let Some(source) = error.source() {
            text.push_str(": ");
            text.push_str(&source.to_string());
            error = source;
        }
        self.visited(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.visited(field, format!("{value:?}").into());
    }
}

/// A line that is being put together.
struct Line {
    fields: Fields,
    /// The number of leading fields that tell when and where the line was written. No other field may replace them.
    ours: usize,
}

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        let [timestamp, level, target, pid, thread] = OF_EACH_LINE.map(str::to_owned);
        let this = thread::current();
        let fields = vec![
            (timestamp, format!("{:.6}", Timestamp::now()).into()),
            (level, metadata.level().as_str().into()),
            (target, metadata.target().into()),
            (pid, process::id().into()),
            (thread, this.name().into()),
        ];
        Self { ours: fields.len(), fields: Fields(fields) }
    }

    /// Adds the fields of a span of the framework. An inner span overrides an outer one.
    fn add_ours(&mut self, fields: &Fields) {
        for (name, value) in &fields.0 {
            self.fields.set(name, value.clone());
        }
        self.ours = self.fields.0.len();
    }

    /// Adds a field of the program. It does not replace a field of the framework.
    fn add(&mut self, name: &str, value: &Value) {
        match self.fields.0[..self.ours].iter().find(|(ours, _)| ours == name) {
            None => self.fields.set(name, value.clone()),
            Some((_, same)) if same == value => {}
            Some(_) => self.fields.set(&format!("fields.{name}"), value.clone()),
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(256);
        let mut json = serde_json::Serializer::new(&mut text);
        // Writing to memory cannot fail, and an error here would not be a reason to fail the job.
        let _ = json.serialize_map(None).and_then(|mut map| {
            self.fields.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
            map.end()
        });
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{error_span, info, info_span};
    use tracing_subscriber::prelude::*;

    use super::*;

    /// The lines that `work` logs.
    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&kept);
        let lines = JsonLines::new(move |line: &[u8]| keeps.lock().unwrap().push(line.to_vec()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        let kept = kept.lock().unwrap();
        kept.iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_time_the_source_the_message_and_the_fields() {
        let lines = logged(|| info!(rows = 3, ratio = 0.5, late = true, name = "a\n\"b\"", "loaded"));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok(), "{line}");
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"loaded".into()));
        assert_eq!((&line["target"], &line["pid"]), (&module_path!().into(), &process::id().into()));
        assert_eq!((&line["rows"], &line["ratio"], &line["late"]), (&3.into(), &0.5.into(), &true.into()));
        assert_eq!(line["name"], "a\n\"b\"");
    }

    #[test]
    fn the_fields_of_an_inner_span_override_those_of_an_outer_one() {
        let lines = logged(|| {
            let _outer = info_span!("outer", file = "a.csv", part = 1).entered();
            let _inner = info_span!("inner", part = 2).entered();
            info!("read");
        });
        assert_eq!((&lines[0]["file"], &lines[0]["part"]), (&"a.csv".into(), &2.into()));
    }

    #[test]
    fn a_field_of_the_program_does_not_hide_the_step() {
        let lines = logged(|| {
            let _step = error_span!(target: spans::TARGET, "step", step = "load", execution = 7).entered();
            let _theirs = info_span!("theirs", step = "of a dance", execution = 7).entered();
            info!(level = "high", "moved");
        });
        assert_eq!((&lines[0]["step"], &lines[0]["fields.step"]), (&"load".into(), &"of a dance".into()));
        assert_eq!((&lines[0]["execution"], &lines[0]["fields.execution"]), (&7.into(), &Value::Null));
        assert_eq!((&lines[0]["level"], &lines[0]["fields.level"]), (&"INFO".into(), &"high".into()));
    }

    #[test]
    fn an_error_is_written_with_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot load")]
        struct Outer(#[source] std::num::ParseIntError);

        let error = Outer("x".parse::<i32>().unwrap_err());
        let lines = logged(|| info!(error = &error as &(dyn Error + 'static), "failed"));
        assert_eq!(lines[0]["error"], "cannot load: invalid digit found in string");
    }

    #[test]
    fn work_on_another_thread_logs_to_the_same_place() {
        let lines = logged(|| {
            let _step = error_span!(target: spans::TARGET, "step", step = "load").entered();
            let work = spans::carried(|| info!("from there"));
            thread::Builder::new().name("worker".to_owned()).spawn(work).unwrap().join().unwrap();
        });
        assert_eq!((&lines[0]["step"], &lines[0]["thread"]), (&"load".into(), &"worker".into()));
    }
}
