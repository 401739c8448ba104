//! `show --skipped`: the skipped items of an execution as a table, as JSON or as CSV.

use super::arguments::Globals;
use super::console::Console;
use super::output::print_json;
use crate::frontend::refusal::Refusal;
use crate::frontend::skipped::{CSV_HEADER, SkippedPage, csv_lines};
use crate::observe::table::{Align, Table};
use crate::observe::words;
use crate::operator::JobOperator;
use crate::repository::{SkipPhase, SkippedFilter, SkippedRow};

/// `show --skipped`
pub(super) fn show(
    operator: &JobOperator,
    page: &SkippedFilter,
    csv: bool,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let execution = page.of.execution();
    let found = SkippedPage::of(operator, page)?;
    let SkippedPage { rows, next } = &found;
    if globals.json {
        print_json(&found.json(execution), console);
    } else if csv {
        console.out.put(format_args!("{CSV_HEADER}{}", csv_lines(rows)));
    } else if rows.is_empty() {
        console.out.line(match page.after {
            Some(_) => "no item was skipped after that one".to_owned(),
            None => format!("the instance of execution {execution} has skipped nothing"),
        });
    } else {
        console.out.put(table_of(rows));
        if let Some(next) = next {
            console.out.line(format_args!("later items are not shown: add `--after {next}` to list them"));
        }
    }
    Ok(())
}

fn table_of(rows: &[SkippedRow]) -> Table {
    let mut table = Table::new(&[
        ("execution", Align::Right),
        ("step", Align::Left),
        ("no", Align::Right),
        ("while", Align::Left),
        ("where", Align::Left),
        ("why", Align::Left),
        ("item", Align::Left),
    ]);
    for SkippedRow { execution, step, sequence, item, .. } in rows {
        let phase = match item.phase {
            SkipPhase::Read => "reading",
            SkipPhase::Process => "processing",
            SkipPhase::Write => "writing",
        };
        table.row([
            execution.to_string(),
            words::line(step, 100),
            sequence.to_string(),
            phase.to_owned(),
            words::line(item.location.as_deref().unwrap_or_default(), 200),
            words::line(&item.error, 200),
            words::line(item.item.as_deref().unwrap_or_default(), 100),
        ]);
    }
    table
}
