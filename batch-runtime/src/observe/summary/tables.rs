//! Draws the tables of a summary: the work of the steps, and where their time went.

use std::fmt::Write as _;

use super::Summary;
use super::shares::shares;
use crate::observe::table::{Align, Table};
use crate::observe::{advice, words};
use crate::repository::{BatchStatus, Counters};

impl Summary {
    /// The tables of the steps that ran: their counters and times, where their time went, and advice.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut tables = Vec::new();
        if !self.passed.is_empty() {
            let passed = words::line(&self.passed.join(", "), 1_000);
            tables.push(format!("already complete: {passed}\n"));
        }
        if !self.steps.is_empty() {
            tables.push(self.work().to_string());
        }
        tables.extend(self.times().map(|times| times.to_string()));
        tables.extend(self.advice());
        tables.join("\n")
    }

    fn work(&self) -> Table {
        let mut table = Table::new(&[
            ("step", Align::Left),
            ("status", Align::Left),
            ("read", Align::Right),
            ("filtered", Align::Right),
            ("written", Align::Right),
            ("skipped", Align::Right),
            ("commits", Align::Right),
            ("time", Align::Right),
            ("items/s", Align::Right),
        ]);
        for step in &self.steps {
            let status = match step.status {
                BatchStatus::Abandoned => "failed, handled".to_owned(),
                status => status.as_str().to_lowercase(),
            };
            let time = step.elapsed.map(words::time).unwrap_or_default();
            let rate = step
                .elapsed
                .filter(|_| step.counters.read > 0)
                .and_then(|elapsed| words::rate(step.counters.read, elapsed));
            let rate = rate.map(words::count).unwrap_or_default();
            let name = words::line(&step.name, 60);
            table.row([name, status].into_iter().chain(counts(&step.counters)).chain([time, rate]));
            if step.before != Counters::default() {
                let mut all = step.before;
                all += step.counters;
                for (label, counters) in [("  before", step.before), ("  in all", all)] {
                    let label = [label.to_owned(), String::new()];
                    table.row(label.into_iter().chain(counts(&counters)));
                }
            }
        }
        table
    }

    /// Says whether the predictions of earlier advice came true, and what would make a step faster.
    fn advice(&self) -> Option<String> {
        let mut lines = String::new();
        for step in &self.steps {
            let Some(profile) = &step.profile else { continue };
            let followed = profile.followed.map(advice::words::followed);
            for line in followed.into_iter().chain(profile.advice.as_ref().map(advice::words::advice)) {
                let _ = writeln!(lines, "{}: {line}", words::line(&step.name, 60));
            }
        }
        (!lines.is_empty()).then_some(lines)
    }

    fn times(&self) -> Option<Table> {
        let mut table = Table::new(&[("time", Align::Left), ("", Align::Left)]);
        let mut any = false;
        for step in &self.steps {
            let Some(shares) = step.profile.as_ref().and_then(shares) else { continue };
            any = true;
            table.row([words::line(&step.name, 60), shares]);
        }
        any.then_some(table)
    }
}

fn counts(counters: &Counters) -> [String; 5] {
    [counters.read, counters.filter, counters.write, counters.skips(), counters.commit].map(words::count)
}
