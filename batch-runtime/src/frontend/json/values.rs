//! Values as the documents write them.

use std::time::Duration;

use jiff::Timestamp;

use crate::definition::{Durability, ParameterValue};

pub(super) fn elapsed(started: Option<Timestamp>, ended: Option<Timestamp>) -> Option<Duration> {
    Some(crate::observe::words::between(started?, ended?))
}

pub(super) fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Machine => "machine",
        Durability::Process => "process",
    }
}

/// A value in JSON's own types. A double that JSON cannot represent becomes text.
pub(super) fn plain(value: &ParameterValue) -> serde_json::Value {
    match value {
        ParameterValue::Long(number) => (*number).into(),
        ParameterValue::Boolean(flag) => (*flag).into(),
        ParameterValue::Double(number) if number.is_finite() => (*number).into(),
        ParameterValue::List(texts) => texts.clone().into(),
        other => other.to_string().into(),
    }
}
