//! Lists of skipped items, page by page, as JSON or as CSV.
//!
//! The CSV is that of RFC 4180: lines end in CRLF, and fields are quoted if they need it.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::definition::{ExecutionId, StepExecutionId};
use crate::operator::{JobOperator, OperatorError};
use crate::repository::{SkipPhase, SkippedFilter, SkippedKey, SkippedRow};

/// The items of a page.
pub(crate) struct SkippedPage {
    pub(crate) rows: Vec<SkippedRow>,
    /// The last item of this page, if there is another page.
    pub(crate) next: Option<SkippedKey>,
}

impl SkippedPage {
    pub(crate) fn of(operator: &JobOperator, page: &SkippedFilter) -> Result<Self, OperatorError> {
        // Asking for one more than the limit shows whether there are more.
        let limit = page.limit.map(|limit| limit.saturating_add(1));
        let mut rows = operator.skipped_page(&SkippedFilter { limit, ..*page })?;
        let most = page.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| more).map(SkippedRow::key);
        Ok(Self { rows, next })
    }

    pub(crate) fn json(&self, execution: ExecutionId) -> Document<'_> {
        let skipped = self.rows.iter().map(Skipped::from).collect();
        Document { execution, skipped, next: self.next.map(|key| key.to_string()) }
    }
}

/// The document of `show --skipped`.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    execution: ExecutionId,
    skipped: Vec<Skipped<'a>>,
    /// The value of `--after` for the next page, if there are more.
    next: Option<String>,
}

/// A skipped item.
#[derive(Serialize)]
pub(crate) struct Skipped<'a> {
    execution: ExecutionId,
    step: &'a str,
    step_execution: StepExecutionId,
    sequence: u64,
    phase: SkipPhase,
    position: Stored<'a>,
    location: Option<&'a str>,
    error: &'a str,
    item: Option<Stored<'a>>,
}

/// A stored text: JSON as it is, with every digit and every key; anything else as a string.
#[derive(Serialize)]
#[serde(untagged)]
enum Stored<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> From<&'a str> for Stored<'a> {
    fn from(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

impl<'a> From<&'a SkippedRow> for Skipped<'a> {
    fn from(row: &'a SkippedRow) -> Self {
        Self {
            execution: row.execution,
            step: &row.step,
            step_execution: row.step_execution,
            sequence: row.sequence,
            phase: row.item.phase,
            position: row.item.position.as_str().into(),
            location: row.item.location.as_deref(),
            error: &row.item.error,
            item: row.item.item.as_deref().map(Stored::from),
        }
    }
}

/// The first line of the CSV.
pub(crate) const CSV_HEADER: &str =
    "execution,step,step_execution,sequence,phase,position,location,error,item\r\n";

/// The lines of the CSV after the header.
pub(crate) fn csv_lines(rows: &[SkippedRow]) -> String {
    let mut csv = String::new();
    for SkippedRow { execution, step_execution, step, sequence, item } in rows {
        let numbers = [execution.0, step_execution.0].map(|id| id.to_string());
        let sequence = sequence.to_string();
        let fields = [
            numbers[0].as_str(),
            step,
            numbers[1].as_str(),
            sequence.as_str(),
            item.phase.as_str(),
            item.position.as_str(),
            item.location.as_deref().unwrap_or_default(),
            item.error.as_str(),
            item.item.as_deref().unwrap_or_default(),
        ];
        csv.push_str(&fields.map(field).join(","));
        csv.push_str("\r\n");
    }
    csv
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
