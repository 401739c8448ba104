//! The items that the executions of an instance skipped, page by page.

use axum::body::{Body, Bytes};
use maud::{Markup, html};

use super::tabs::head;
use super::{Place, View, parts};
use crate::definition::ExecutionId;
use crate::frontend::skipped::{CSV_HEADER, SkippedPage, csv_lines};
use crate::operator::JobOperator;
use crate::repository::{SkipPhase, SkippedFilter, SkippedKey, SkippedOf, SkippedRow};
use crate::serve::page::Page;
use crate::serve::request::{Asked, RequestError};

/// The number of items on a page.
const PAGE: u32 = 100;
/// The most items on a page that an address may ask for.
const MOST: u32 = 10_000;
/// The number of items that the CSV download reads at a time.
const AT_ONCE: u32 = 2_000;

/// The items that an address describes.
pub(in crate::serve) fn wanted(asked: &Asked, id: ExecutionId) -> SkippedFilter {
    let number = |name| asked.query.get(name).and_then(|text| text.parse::<u32>().ok());
    SkippedFilter {
        of: SkippedOf::InstanceOf(id),
        after: asked.query.get("after").and_then(|key| key.parse().ok()),
        limit: Some(number("limit").unwrap_or(PAGE).clamp(1, MOST)),
    }
}

pub(in crate::serve) fn show(page: &Page, asked: &Asked, id: ExecutionId) -> Result<View, RequestError> {
    let details = page.operator.show(id)?;
    let found = SkippedPage::of(&page.operator, &wanted(asked, id))?;
    let is_first = asked.query.get("after").is_none();
    let job = page.operator.jobs().iter().find(|job| job.name == details.execution.instance.job);
    // The pages of earlier executions replay the other items.
    let is_here = details.steps.iter().any(|step| step.counters.skips() > 0);
    let can_replay = job.is_some() && is_here && !details.execution.status.is_running();
    let live = html! {
        @if found.rows.is_empty() {
            p.empty { @if is_first { "Nothing was skipped." } @else { "No more was skipped." } }
        } @else {
            div.buttons {
                a.button href={ (parts::path(id)) "/skipped.csv" } { "Download all as CSV" }
                @if can_replay {
                    form method="post" action={ (parts::path(id)) "/replay" } {
                        button #button-replay disabled[page.guard.is_read_only()]
                            title="starts a new instance that reads only the items that this execution skipped" {
                            "Replay those of execution " (id)
                        }
                    }
                }
            }
            (table(&found.rows))
        }
        p.pager {
            @if !is_first { a href=(asked.address(&asked.query.without("after"))) { "First" } " " }
            @if let Some(next) = found.next {
                a rel="next" href=(asked.address(&asked.query.with("after", next.to_string()))) { "Next" }
            }
        }
    };
    Ok(View {
        title: format!("Skipped by {} {id}", details.execution.instance.job),
        place: Place::Elsewhere,
        fixed: head(page, &details, "skipped"),
        live,
        follows: false,
    })
}

fn table(rows: &[SkippedRow]) -> Markup {
    html! {
        div.table {
            table.skipped.cards {
                thead {
                    tr {
                        th.number { "Execution" } th { "Step" } th.number { "No" } th { "While" } th { "Where" }
                        th.wide { "Why" } th { "Item" }
                    }
                }
                tbody {
                    @for SkippedRow { execution, step, sequence, item, .. } in rows {
                        tr {
                            td.number data-label="Execution" { (parts::execution(*execution)) }
                            td data-label="Step" { (step) }
                            td.number data-label="No" { (sequence) }
                            td data-label="While" {
                                @match item.phase {
                                    SkipPhase::Read => "reading",
                                    SkipPhase::Process => "processing",
                                    SkipPhase::Write => "writing",
                                }
                            }
                            td data-label="Where" { @if let Some(location) = &item.location { (location) } }
                            td.wide.text { (parts::coded(&item.error)) }
                            td.text data-label="Item" { @if let Some(item) = &item.item { code { (item) } } }
                        }
                    }
                }
            }
        }
    }
}

/// All skipped items as CSV, read while they are sent.
pub(in crate::serve) fn csv(operator: JobOperator, id: ExecutionId) -> Body {
    /// The next part.
    enum Next {
        Header,
        After(Option<SkippedKey>),
        Nothing,
    }
    let parts = futures_util::stream::unfold((operator, Next::Header), move |(operator, next)| async move {
        let after = match next {
            Next::Header => {
                let header = Ok(Bytes::from_static(CSV_HEADER.as_bytes()));
                return Some((header, (operator, Next::After(None))));
            }
            Next::Nothing => return None,
            Next::After(after) => after,
        };
        let filter = SkippedFilter { of: SkippedOf::InstanceOf(id), after, limit: Some(AT_ONCE) };
        let read = tokio::task::spawn_blocking(move || {
            let found = SkippedPage::of(&operator, &filter);
            (found, operator)
        });
        match read.await {
            Ok((Ok(found), operator)) => {
                let next = found.next.map_or(Next::Nothing, |last| Next::After(Some(last)));
                Some((Ok(Bytes::from(csv_lines(&found.rows))), (operator, next)))
            }
            // The connection breaks, so the client sees that the file is not whole.
            Ok((Err(error), operator)) => {
                Some((Err(std::io::Error::other(error)), (operator, Next::Nothing)))
            }
            Err(_) => None,
        }
    });
    Body::from_stream(parts)
}
