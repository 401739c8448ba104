//! Draws a job in the language of Graphviz.

use std::fmt::Write;

use super::drawing::{Drawing, Item, Shape};
use super::status::Status;

pub(super) fn dot(name: &str, drawing: &Drawing) -> String {
    let mut out = format!("digraph \"{}\" {{\n  node [fontname=\"sans-serif\"]\n", escaped(name));
    for item in &drawing.items {
        self::item(&mut out, item, 1);
    }
    for arrow in &drawing.arrows {
        // Writing to a string cannot fail.
        let _ = match &arrow.label {
            None => writeln!(out, "  n{} -> n{}", arrow.from, arrow.to),
            Some(label) => writeln!(out, "  n{} -> n{} [label=\"{}\"]", arrow.from, arrow.to, escaped(label)),
        };
    }
    out.push_str("}\n");
    out
}

fn item(out: &mut String, item: &Item, depth: usize) {
    let indent = "  ".repeat(depth);
    let _ = match item {
        Item::Box { id, shape, lines, status } => {
            let shape = match shape {
                Shape::Terminal => "shape=box, style=rounded",
                Shape::Step => "shape=box",
                Shape::Job => "shape=box, peripheries=2",
                Shape::Decision => "shape=diamond",
                Shape::Fork => "shape=trapezium",
                Shape::Join => "shape=invtrapezium",
                Shape::Junction => "shape=point",
            };
            let colour = status.as_ref().map(|status| status.state.colour());
            let colour = colour.map(|it| format!(", color=\"{it}\", fontcolor=\"{it}\"")).unwrap_or_default();
            let status_line = status.as_ref().map(Status::line);
            let lines: Vec<String> = lines.iter().chain(&status_line).map(|line| escaped(line)).collect();
            writeln!(out, "{indent}n{id} [{shape}{colour}, label=\"{}\"]", lines.join("\\n"))
        }
        Item::Frame { id, title, items } => {
            let _ = writeln!(out, "{indent}subgraph cluster_{id} {{\n{indent}  label=\"{}\"", escaped(title));
            for inner in items {
                self::item(out, inner, depth + 1);
            }
            writeln!(out, "{indent}}}")
        }
    };
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
