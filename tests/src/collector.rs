//! An OpenTelemetry collector that keeps what it receives.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// The way in which a collector treats requests.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// It takes them.
    Takes,
    /// It answers that many requests with that status, and then takes them.
    Answers(u16, usize),
    /// It says that it has dropped spans.
    DropsSpans,
    /// It never answers.
    IsSilent,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path of the request.
    pub path: String,
    /// The request line and the headers.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// A collector on this machine, until the process ends.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

/// Attributes by their names, as strings.
pub type Attributes = BTreeMap<String, String>;

impl Collector {
    /// Starts a collector that behaves in that manner.
    ///
    /// # Panics
    /// If there is no port for it.
    #[must_use]
    pub fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(&stream, manner, &kept));
            }
        });
        Self { port, received }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All spans, each with the attributes of its resource.
    ///
    /// # Panics
    /// If a request cannot be read.
    #[must_use]
    pub fn spans(&self) -> Vec<(Attributes, Span)> {
        let requests = self.received().into_iter().filter(|request| request.path.ends_with("/traces"));
        let requests =
            requests.map(|request| ExportTraceServiceRequest::decode(&*request.body).expect("spans"));
        let mut spans = Vec::new();
        for of_resource in requests.flat_map(|request| request.resource_spans) {
            let resource = attributes(&of_resource.resource.unwrap_or_default().attributes);
            let of_scopes = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(of_scopes.map(|span| (resource.clone(), span)));
        }
        spans
    }

    /// The samples of the last request with metrics, by name and labels, as Prometheus names them.
    ///
    /// # Panics
    /// If the request cannot be read.
    #[must_use]
    pub fn samples(&self) -> BTreeMap<(String, Attributes), f64> {
        let received = self.received();
        let last = received.iter().rfind(|request| request.path.ends_with("/metrics"));
        let request =
            last.map(|request| ExportMetricsServiceRequest::decode(&*request.body).expect("metrics"));
        let mut samples = BTreeMap::new();
        let scopes = request.into_iter().flat_map(|request| request.resource_metrics);
        for metric in scopes.flat_map(|one| one.scope_metrics).flat_map(|scope| scope.metrics) {
            let name = metric.name;
            let points = match metric.data.expect("each metric has a kind") {
                Data::Gauge(gauge) => gauge.data_points,
                Data::Sum(sum) => {
                    assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{name}");
                    sum.data_points
                }
                Data::Summary(summary) => {
                    for point in summary.data_points {
                        let labels = attributes(&point.attributes);
                        #[expect(clippy::cast_precision_loss, reason = "it is small enough")]
                        samples.insert((format!("{name}_count"), labels.clone()), point.count as f64);
                        samples.insert((format!("{name}_sum"), labels), point.sum);
                    }
                    continue;
                }
                other => panic!("{name} is {other:?}"),
            };
            for point in points {
                #[expect(clippy::cast_precision_loss, reason = "it is small enough")]
                let value = match point.value.expect("each point has a value") {
                    Number::AsInt(number) => number as f64,
                    Number::AsDouble(number) => number,
                };
                samples.insert((name.clone(), attributes(&point.attributes)), value);
            }
        }
        samples
    }
}

/// Attributes by their names, as strings.
#[must_use]
pub fn attributes(attributes: &[KeyValue]) -> Attributes {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

/// Answers the requests of a connection.
fn serve(stream: &TcpStream, manner: Manner, kept: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).is_ok_and(|read| read > 0) {
                continue;
            }
            return;
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_of_spans = path.ends_with("/traces");
        let earlier = {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let earlier = kept.iter().filter(|received| received.path == path).count();
            kept.push(Received { path, head, body });
            earlier
        };
        let (status, answer) = match manner {
            Manner::IsSilent => loop {
                thread::park();
            },
            Manner::Answers(status, times) if earlier < times => (status, Vec::new()),
            Manner::DropsSpans if is_of_spans => {
                let partial_success =
                    ExportTracePartialSuccess { rejected_spans: 3, error_message: "too many".to_owned() };
                let answer = ExportTraceServiceResponse { partial_success: Some(partial_success) };
                (200, answer.encode_to_vec())
            }
            _ => (200, Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer)).is_err() {
            return;
        }
    }
}
