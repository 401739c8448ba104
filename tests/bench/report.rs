//! Reports measurements and their limits: a table for people and `bench.json` for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::Outcome;
use crate::measure::Spread;

/// The limit and the aim of a row; smaller is better, unless the aim is the larger of the two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) must: Option<f64>,
    pub(crate) aim: Option<f64>,
}

impl Target {
    /// No limit.
    pub(crate) const SHOWN: Self = Self { must: None, aim: None };

    pub(crate) const fn must(must: f64) -> Self {
        Self { must: Some(must), aim: None }
    }

    pub(crate) const fn must_and_aim(must: f64, aim: f64) -> Self {
        Self { must: Some(must), aim: Some(aim) }
    }

    fn verdict(self, value: f64) -> &'static str {
        let larger_is_better = self.must.zip(self.aim).is_some_and(|(must, aim)| aim > must);
        let keeps = |bound: f64| if larger_is_better { value >= bound } else { value <= bound };
        match self {
            Self { must: Some(must), .. } if !keeps(must) => "MISSES must",
            Self { aim: Some(aim), .. } if keeps(aim) => "meets aim",
            Self { must: Some(_), .. } => "ok",
            Self { must: None, .. } => "",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: Spread,
    pub(crate) target: Target,
    /// The times of both sides, from which the value is computed.
    pub(crate) detail: String,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    value: f64,
    unit: &'static str,
    must: Option<f64>,
    aim: Option<f64>,
}

/// The table.
pub(crate) fn table(rows: &[Row]) -> String {
    let number = |number: f64| match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.3}"),
    };
    let optional = |target: Option<f64>| target.map_or_else(|| "-".to_owned(), |target| target.to_string());
    let titles = ["benchmark", "value", "unit", "min–max", "must", "aim", "", "times"];
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            row.name.to_owned(),
            number(row.value.median),
            row.unit.to_owned(),
            format!("{}–{}", number(row.value.min), number(row.value.max)),
            optional(row.target.must),
            optional(row.target.aim),
            row.target.verdict(row.value.median).to_owned(),
            row.detail.clone(),
        ]
    }));
    let widths: Vec<usize> = (0..titles.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut table = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            write!(text, "{cell:width$}  ").expect("writing to a string cannot fail");
        }
        table.push_str(text.trim_end());
        table.push('\n');
    }
    table
}

/// Writes the list of `{name, value, unit, must, aim}`.
pub(crate) fn write_json(path: &Path, rows: &[Row]) -> Outcome {
    let entries: Vec<Entry> = rows
        .iter()
        .map(|row| Entry {
            name: row.name,
            value: row.value.median,
            unit: row.unit,
            must: row.target.must,
            aim: row.target.aim,
        })
        .collect();
    std::fs::write(path, serde_json::to_string_pretty(&entries)? + "\n")?;
    Ok(())
}
