//! Converts the metrics of a repository to the OpenTelemetry protocol.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric as Sent, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    Summary, SummaryDataPoint,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;

use super::SCOPE;
use super::collector::Answer;
use crate::observe::metrics::{Kind, Labels, Metric, Value};

/// The request that carries these metrics.
pub(super) fn request(metrics: Vec<Metric>, resource: &Resource) -> ExportMetricsServiceRequest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let resource: ResourceAttributesWithSchema = resource.into();
    let scope = InstrumentationScope {
        name: SCOPE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let of_scope = ScopeMetrics {
        scope: Some(scope),
        metrics: metrics.into_iter().map(|metric| sent(metric, now)).collect(),
        schema_url: String::new(),
    };
    let of_resource = ResourceMetrics {
        resource: Some(opentelemetry_proto::tonic::resource::v1::Resource {
            attributes: resource.attributes.0,
            ..Default::default()
        }),
        scope_metrics: vec![of_scope],
        schema_url: resource.schema_url.unwrap_or_default(),
    };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }
}

/// Converts a metric. It keeps its Prometheus name, so that it has the same name when a collector passes it on to
/// Prometheus.
fn sent(Metric { name, kind, help, samples }: Metric, now: u64) -> Sent {
    let data = match kind {
        Kind::Summary => Data::Summary(Summary {
            data_points: samples.into_iter().map(|(labels, value)| times(labels, value, now)).collect(),
        }),
        Kind::Counter => Data::Sum(Sum {
            data_points: samples.into_iter().map(|(labels, value)| number(labels, value, now)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        Kind::Gauge => Data::Gauge(Gauge {
            data_points: samples.into_iter().map(|(labels, value)| number(labels, value, now)).collect(),
        }),
    };
    Sent { name, description: help, data: Some(data), ..Sent::default() }
}

// The totals are sent without a start time: they count from the first execution in the repository.

fn number(labels: Labels, value: Value, now: u64) -> NumberDataPoint {
    let value = match value {
        Value::Count(count) => Number::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
        Value::Number(number) => Number::AsDouble(number),
        Value::Times { sum, .. } => Number::AsDouble(sum.as_secs_f64()),
    };
    NumberDataPoint {
        attributes: attributes(labels),
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn times(labels: Labels, value: Value, now: u64) -> SummaryDataPoint {
    let (count, sum) = match value {
        Value::Times { count, sum } => (count, sum.as_secs_f64()),
        Value::Count(count) => (count, 0.0),
        Value::Number(sum) => (0, sum),
    };
    let attributes = attributes(labels);
    SummaryDataPoint { attributes, time_unix_nano: now, count, sum, ..SummaryDataPoint::default() }
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    let attribute = |(name, value): (std::borrow::Cow<'static, str>, String)| KeyValue {
        key: name.into_owned(),
        value: Some(AnyValue { value: Some(Any::StringValue(value)) }),
        ..KeyValue::default()
    };
    labels.into_iter().map(attribute).collect()
}

impl Answer for ExportMetricsServiceResponse {
    fn refused(self) -> Option<(i64, String)> {
        let part = self.partial_success.filter(|part| part.rejected_data_points > 0)?;
        Some((part.rejected_data_points, part.error_message))
    }
}
