//! Sends spans to a collector.

use std::fmt;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::collector::{Answer, Collector};

/// Sends spans to a collector, on a thread of the OpenTelemetry SDK.
pub(super) struct Exporter {
    collector: Arc<Collector>,
    resource: ResourceAttributesWithSchema,
}

impl Exporter {
    pub(super) fn new(collector: Arc<Collector>, resource: &Resource) -> Self {
        Self { collector, resource: resource.into() }
    }
}

impl fmt::Debug for Exporter {
    // The headers for the collector may be secret, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let is_sent =
            self.collector.send::<ExportTraceServiceResponse>(&ExportTraceServiceRequest { resource_spans });
        if is_sent {
            Ok(())
        } else {
            Err(OTelSdkError::InternalFailure("the spans were not sent".to_owned()))
        }
    }
}

impl Answer for ExportTraceServiceResponse {
    fn refused(self) -> Option<(i64, String)> {
        let part = self.partial_success.filter(|part| part.rejected_spans > 0)?;
        Some((part.rejected_spans, part.error_message))
    }
}
