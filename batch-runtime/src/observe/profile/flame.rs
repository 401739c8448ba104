//! Draws flame graphs.

use inferno::flamegraph::{self, Options};

use super::folded::Folded;

/// The flame graph of stacks as an SVG document.
pub(crate) fn graph(title: &str, stacks: &Folded) -> Result<Vec<u8>, String> {
    drawn(title, &stacks.lines())
}

/// The flame graph of the stacks `after`. A function is red if its share of the samples is larger than in `before`,
/// and blue if it is smaller.
pub(crate) fn difference(title: &str, before: &Folded, after: &Folded) -> Result<Vec<u8>, String> {
    let options = inferno::differential::Options { normalize: true, ..Default::default() };
    let mut lines = Vec::new();
    let (before, after) = (before.lines().join("\n"), after.lines().join("\n"));
    inferno::differential::from_readers(options, before.as_bytes(), after.as_bytes(), &mut lines)
        .map_err(|error| error.to_string())?;
    let lines = String::from_utf8_lossy(&lines);
    drawn(title, &lines.lines().map(str::to_owned).collect::<Vec<_>>())
}

fn drawn(title: &str, lines: &[String]) -> Result<Vec<u8>, String> {
    let mut options = Options::default();
    title.clone_into(&mut options.title);
    // Colour functions by their names, so that the same stacks always make the same picture.
    options.hash = true;
    options.deterministic = true;
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.sort_unstable();
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}
