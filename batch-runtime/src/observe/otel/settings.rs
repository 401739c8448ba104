//! Where traces and metrics go, according to `--otlp` and the environment variables of the OpenTelemetry specification.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::readers::http::Url;

/// How long a request may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` is set.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces and metrics go.
pub(crate) struct Settings {
    /// `None` if no traces are wanted.
    pub(super) traces: Option<Target>,
    /// `None` if no metrics are wanted.
    pub(super) metrics: Option<Target>,
    /// Describes the program.
    pub(super) resource: Resource,
    /// The span that this process works for, as the headers of W3C Trace Context.
    pub(super) parent: HashMap<String, String>,
    /// Problems that do not prevent sending.
    pub(crate) warnings: Vec<String>,
}

/// The address of a collector, and what is sent with each request.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) timeout: Duration,
}

impl Settings {
    /// The settings of `--otlp`, if it is given, and of the environment. `program` is the name of the service if
    /// nothing else names it. Returns `None` if nothing is to be sent.
    ///
    /// # Errors
    /// If the address or a header cannot be used. The message quotes neither of them, because they may be secret.
    pub(crate) fn of(
        typed: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
        program: &str,
    ) -> Result<Option<Self>, String> {
        // The specification treats an empty variable like one that is not set.
        let set = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        if set("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let traces = Target::of("TRACES", typed, &set)?;
        let metrics = Target::of("METRICS", typed, &set)?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        let mut warnings = Vec::new();
        let attributes = set("OTEL_RESOURCE_ATTRIBUTES").map_or_else(Vec::new, |text| {
            pairs(&text).unwrap_or_else(|at| {
                warnings.push(format!(
                    "`OTEL_RESOURCE_ATTRIBUTES` is ignored, because its part {at} is not NAME=VALUE"
                ));
                Vec::new()
            })
        });
        let name = set("OTEL_SERVICE_NAME").or_else(|| {
            let named = attributes.iter().find(|(name, value)| name == "service.name" && !value.is_empty());
            named.map(|(_, value)| value.clone())
        });
        let attributes = attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(attributes)
            .with_attribute(KeyValue::new("service.name", name.unwrap_or_else(|| program.to_owned())))
            .build();
        let parent = [("traceparent", "TRACEPARENT"), ("tracestate", "TRACESTATE")]
            .into_iter()
            .filter_map(|(header, name)| Some((header.to_owned(), set(name)?)))
            .collect();
        Ok(Some(Self { traces, metrics, resource, parent, warnings }))
    }

    /// Replaces the span that this process works for, if the headers name one.
    pub(crate) fn set_parent(&mut self, headers: HashMap<String, String>) {
        if !headers.is_empty() {
            self.parent = headers;
        }
    }
}

impl Target {
    /// The target of a signal, `TRACES` or `METRICS`; `None` if it is not sent.
    fn of(
        signal: &str,
        typed: Option<&str>,
        set: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        if set(&format!("OTEL_{signal}_EXPORTER")).is_some_and(|exporter| exporter == "none") {
            return Ok(None);
        }
        // The variable for one signal overrides the variable for all signals.
        let setting = |what: &str| {
            [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")]
                .into_iter()
                .find_map(|name| set(&name).map(|value| (name, value)))
        };
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
        let (name, text, path) = match (typed, setting("ENDPOINT")) {
            (Some(typed), _) => ("--otlp".to_owned(), typed.to_owned(), Some(signal)),
            // An address for one signal is used as it is.
            (None, Some((name, text))) if name == own => (name, text, None),
            (None, Some((name, text))) => (name, text, Some(signal)),
            (None, None) => return Ok(None),
        };
        let url = Url::parse(&text).map_err(|problem| format!("`{name}` is not an address: {problem}"))?;
        let url = path.map_or(url.clone(), |path| url.join(&format!("v1/{}", path.to_lowercase())));
        if url.is_https() && !cfg!(feature = "http-tls") {
            return Err(format!(
                "`{name}` begins with `https://`, which this program cannot reach: build the program with the feature \
                 `http-tls` of batch-runtime"
            ));
        }
        if let (None, Some((name, protocol))) = (typed, setting("PROTOCOL"))
            && protocol != "http/protobuf"
        {
            return Err(format!(
                "`{name}` asks for a protocol other than `http/protobuf`, the only one that this program speaks: set the \
                 variable to `http/protobuf`, and name the port of that protocol in the address, usually 4318"
            ));
        }
        let timeout = match setting("TIMEOUT") {
            Some((name, text)) => match text.trim().parse() {
                Ok(milliseconds) => Duration::from_millis(milliseconds),
                Err(_) => return Err(format!("`{name}` is not a number of milliseconds")),
            },
            None => TIMEOUT,
        };
        let mut headers = Vec::new();
        if let Some((name, text)) = setting("HEADERS") {
            headers = pairs(&text).map_err(|at| format!("`{name}`: its part {at} is not NAME=VALUE"))?;
            let wrong = headers.iter().position(|(name, value)| !is_header(name, value));
            if let Some(at) = wrong {
                return Err(format!("`{name}`: its part {} cannot be sent as a header", at + 1));
            }
        }
        Ok(Some(Self { url, headers, timeout }))
    }
}

/// Parses `a=b,c=d`, with values in percent-encoding. Fails with the number of the part that cannot be read.
fn pairs(text: &str) -> Result<Vec<(String, String)>, usize> {
    let parts = text.split(',').enumerate().filter(|(_, part)| !part.trim().is_empty());
    parts
        .map(|(at, part)| {
            let (name, value) = part.split_once('=').ok_or(at + 1)?;
            let (name, value) = (name.trim(), decoded(value.trim()).ok_or(at + 1)?);
            if name.is_empty() { Err(at + 1) } else { Ok((name.to_owned(), value)) }
        })
        .collect()
}

/// Decodes `%20` and the like.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?].map(char::from);
                let [high, low] = digits.map(|digit| digit.to_digit(16));
                u8::try_from(high? * 16 + low?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn is_header(name: &str, value: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    name.chars().all(is_token) && value.chars().all(|c| c == '\t' || !c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/otlp/");

    fn settings(typed: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        Settings::of(typed, value, "flights")
    }

    fn addresses(typed: Option<&str>, variables: &[(&str, &str)]) -> [Option<String>; 2] {
        settings(typed, variables).unwrap().map_or([None, None], |settings| {
            [settings.traces, settings.metrics].map(|target| target.map(|target| target.url.to_string()))
        })
    }

    fn attribute(settings: &Settings, name: &'static str) -> Option<String> {
        settings.resource.get(&name.into()).map(|value| value.to_string())
    }

    #[test]
    fn nothing_is_sent_without_an_address_or_if_the_sdk_is_disabled() {
        assert_eq!(addresses(None, &[]), [None, None]);
        assert_eq!(addresses(None, &[(BASE.0, " ")]), [None, None]);
        assert_eq!(addresses(None, &[BASE, ("OTEL_SDK_DISABLED", "True")]), [None, None]);
        assert_eq!(addresses(Some("http://h"), &[("OTEL_SDK_DISABLED", "true")]), [None, None]);
        let none = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")];
        assert_eq!(addresses(None, &[BASE, none[0], none[1]]), [None, None]);
    }

    #[test]
    fn the_path_of_each_signal_is_added_to_the_address_of_all_and_not_to_one_of_its_own() {
        let of = |path: &str| Some(format!("http://collector:4318/otlp/v1/{path}"));
        assert_eq!(addresses(None, &[BASE]), [of("traces"), of("metrics")]);
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://tempo/in");
        assert_eq!(addresses(None, &[BASE, own]), [Some("http://tempo/in".to_owned()), of("metrics")]);
        assert_eq!(addresses(None, &[own]), [Some("http://tempo/in".to_owned()), None]);
        let typed = ["traces", "metrics"].map(|path| Some(format!("http://h:4318/v1/{path}")));
        assert_eq!(addresses(Some("http://h:4318"), &[BASE, own]), typed);
    }

    #[test]
    fn headers_are_decoded_and_those_of_a_signal_override_those_of_all() {
        let all = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=1,");
        let own = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "y=2");
        let settings = settings(None, &[BASE, all, own]).unwrap().unwrap();
        let of = |target: Option<Target>| target.unwrap().headers;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(of(settings.traces), [("api-key", "a b"), ("x", "1")].map(owned));
        assert_eq!(of(settings.metrics), [("y", "2")].map(owned));
    }

    #[test]
    fn the_service_is_named_by_its_variable_then_by_the_attributes_then_by_the_program() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=etl,team=a%2Fb");
        let named = |variables: &[(&str, &str)]| {
            let variables: Vec<_> = variables.iter().copied().chain([BASE]).collect();
            attribute(&settings(None, &variables).unwrap().unwrap(), "service.name").unwrap()
        };
        assert_eq!(named(&[attributes, ("OTEL_SERVICE_NAME", "nightly")]), "nightly");
        assert_eq!(named(&[attributes]), "etl");
        assert_eq!(named(&[]), "flights");
        let all = settings(None, &[BASE, attributes]).unwrap().unwrap();
        assert_eq!(attribute(&all, "team").as_deref(), Some("a/b"));
        assert!(attribute(&all, "telemetry.sdk.version").is_some());
    }

    #[test]
    fn attributes_that_cannot_be_read_are_left_aside_with_a_warning() {
        let wrong = ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b");
        let settings = settings(None, &[BASE, wrong]).unwrap().unwrap();
        assert_eq!(attribute(&settings, "a"), None);
        assert!(settings.warnings[0].contains("its part 2 is not NAME=VALUE"), "{:?}", settings.warnings);
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_value() {
        let token = "s3cret";
        for (name, value, told) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector/s3cret", "does not begin with"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@h", "pass them as a header"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "its part 1 is not NAME=VALUE"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,k=s3cret%0A", "its part 2 cannot be sent"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "k=s3cret%zz", "its part 1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "s3cret", "milliseconds"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", "http/protobuf"),
        ] {
            let all = [(name, value), BASE];
            let problem = settings(None, &all).err().unwrap_or_else(|| panic!("{name}={value}"));
            assert!(problem.contains(told) && problem.contains(name), "{problem}");
            assert!(!problem.contains(token), "{problem}");
        }
    }
}
