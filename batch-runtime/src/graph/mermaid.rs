//! Draws a job as a Mermaid flowchart.

use std::fmt::Write;

use super::drawing::{Drawing, Item, Shape};

pub(super) fn mermaid(drawing: &Drawing) -> String {
    let mut out = String::from("flowchart TD\n");
    for item in &drawing.items {
        self::item(&mut out, item, 1);
    }
    for arrow in &drawing.arrows {
        // Writing to a string cannot fail.
        let _ = match &arrow.label {
            None => writeln!(out, "  n{} --> n{}", arrow.from, arrow.to),
            Some(label) => writeln!(out, "  n{} -->|\"{}\"| n{}", arrow.from, escaped(label), arrow.to),
        };
    }
    out
}

fn item(out: &mut String, item: &Item, depth: usize) {
    let indent = "  ".repeat(depth);
    let _ = match item {
        Item::Box { id, shape, lines } => {
            let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
            let text = lines.join("<br/>");
            match shape {
                Shape::Terminal => writeln!(out, "{indent}n{id}([\"{text}\"])"),
                Shape::Step => writeln!(out, "{indent}n{id}[\"{text}\"]"),
                Shape::Job => writeln!(out, "{indent}n{id}[[\"{text}\"]]"),
                Shape::Decision => writeln!(out, "{indent}n{id}{{\"{text}\"}}"),
                Shape::Fork => writeln!(out, "{indent}n{id}[/\"{text}\"\\]"),
                Shape::Join => writeln!(out, "{indent}n{id}[\\\"{text}\"/]"),
                Shape::Junction => writeln!(out, "{indent}n{id}((\" \"))"),
            }
        }
        Item::Frame { id, title, items } => {
            let _ = writeln!(out, "{indent}subgraph n{id}[\"{}\"]", escaped(title));
            for inner in items {
                self::item(out, inner, depth + 1);
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
