//! The formats in which a job can be drawn.

use std::fmt;
use std::str::FromStr;

use super::status::ExecutionProgress;
use super::{dot, drawing, mermaid, svg, terminal};
use crate::definition::JobInfo;

/// The format of a drawing.
///
/// ```
/// use batch_runtime::graph::GraphFormat;
///
/// assert_eq!("mermaid".parse(), Ok(GraphFormat::Mermaid));
/// assert_eq!(
///     "png".parse::<GraphFormat>().unwrap_err().to_string(),
///     "unknown format `png`; a job is drawn as `text`, `svg`, `mermaid` or `dot`",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GraphFormat {
    /// A drawing with the box-drawing characters of a terminal.
    #[default]
    Text,
    /// A picture in SVG, light or dark as the reader prefers.
    Svg,
    /// A Mermaid flowchart, which many Markdown renderers draw.
    Mermaid,
    /// The language of Graphviz.
    Dot,
}

impl GraphFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Text, Self::Svg, Self::Mermaid, Self::Dot];

    /// The name, as [`FromStr`] parses it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Svg => "svg",
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
        }
    }
}

impl fmt::Display for GraphFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of an unknown format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{given}`; a job is drawn as `text`, `svg`, `mermaid` or `dot`")]
pub struct UnknownFormat {
    /// The given name.
    pub given: String,
}

impl FromStr for GraphFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat { given: name.chars().take(100).collect() })
    }
}

/// Draws a job.
///
/// ```
/// use batch_runtime::graph::{GraphFormat, Node, Text, render};
/// use batch_runtime::{JobInfo, JobOptions};
///
/// const JOB: JobInfo = JobInfo {
///     id: "demo::idle",
///     name: "idle",
///     doc: "",
///     parameters: &[],
///     flow: &[Node::End("NOTHING_TO_DO", Text::NONE)],
///     options: JobOptions::DEFAULT,
/// };
/// let drawn = render(&JOB, GraphFormat::Text);
/// assert!(drawn.starts_with("job idle()\n"));
/// assert!(drawn.contains("│ NOTHING_TO_DO │"));
/// ```
#[must_use]
pub fn render(job: &JobInfo, format: GraphFormat) -> String {
    draw(job, format, None, &format!("The job {}", job.name))
}

/// Draws a job with the progress of one of its executions.
pub(crate) fn render_progress(
    job: &JobInfo,
    format: GraphFormat,
    seen: &ExecutionProgress,
    title: &str,
) -> String {
    draw(job, format, Some(seen), title)
}

/// Draws a job with the progress of one of its executions as SVG, in which each step that has begun is a link.
#[cfg(feature = "serve")]
pub(crate) fn render_linked(
    job: &JobInfo,
    seen: &ExecutionProgress,
    title: &str,
    address: svg::Address,
) -> String {
    svg::svg(job, Some(seen), title, Some(address))
}

fn draw(job: &JobInfo, format: GraphFormat, seen: Option<&ExecutionProgress>, title: &str) -> String {
    match format {
        GraphFormat::Text => terminal::drawn(job, seen),
        GraphFormat::Svg => svg::svg(job, seen, title, None),
        GraphFormat::Mermaid => mermaid::mermaid(&drawing::draw(job, seen)),
        GraphFormat::Dot => dot::dot(job.name, &drawing::draw(job, seen)),
    }
}
