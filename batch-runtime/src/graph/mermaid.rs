//! Draws a job as a Mermaid flowchart.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::drawing::{Drawing, Item, Shape};
use super::status::{State, Status};

pub(super) fn mermaid(drawing: &Drawing) -> String {
    let mut out = String::from("flowchart TD\n");
    let mut states = BTreeSet::new();
    for item in &drawing.items {
        self::item(&mut out, item, 1, &mut states);
    }
    for arrow in &drawing.arrows {
        // Writing to a string cannot fail.
        let _ = match &arrow.label {
            None => writeln!(out, "  n{} --> n{}", arrow.from, arrow.to),
            Some(label) => writeln!(out, "  n{} -->|\"{}\"| n{}", arrow.from, escaped(label), arrow.to),
        };
    }
    for state in states {
        let (class, colour) = (state.class(), state.colour());
        let _ = writeln!(out, "  classDef {class} stroke:{colour},color:{colour}");
    }
    out
}

/// Prints an item, and adds the states that the item shows to `states`.
fn item(out: &mut String, item: &Item, depth: usize, states: &mut BTreeSet<State>) {
    let indent = "  ".repeat(depth);
    let _ = match item {
        Item::Box { id, shape, lines, status } => {
            let status_line = status.as_ref().map(Status::line);
            let lines: Vec<String> = lines.iter().chain(&status_line).map(|line| escaped(line)).collect();
            let text = lines.join("<br/>");
            states.extend(status.as_ref().map(|status| status.state));
            let class =
                status.as_ref().map(|status| format!(":::{}", status.state.class())).unwrap_or_default();
            match shape {
                Shape::Terminal => writeln!(out, "{indent}n{id}([\"{text}\"])"),
                Shape::Step => writeln!(out, "{indent}n{id}[\"{text}\"]{class}"),
                Shape::Job => writeln!(out, "{indent}n{id}[[\"{text}\"]]{class}"),
                Shape::Decision => writeln!(out, "{indent}n{id}{{\"{text}\"}}"),
                Shape::Fork => writeln!(out, "{indent}n{id}[/\"{text}\"\\]"),
                Shape::Join => writeln!(out, "{indent}n{id}[\\\"{text}\"/]"),
                Shape::Junction => writeln!(out, "{indent}n{id}((\" \"))"),
            }
        }
        Item::Frame { id, title, items } => {
            let _ = writeln!(out, "{indent}subgraph n{id}[\"{}\"]", escaped(title));
            for inner in items {
                self::item(out, inner, depth + 1, states);
            }
            writeln!(out, "{indent}end")
        }
    };
}

/// Mermaid parses markup inside quotes; its entity codes begin with `#`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' => out.push_str("#35;"),
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '`' => out.push_str("#96;"),
            '\n' => out.push_str("<br/>"),
            c => out.push(c),
        }
    }
    out
}
