//! The formats in which a job can be drawn.

use std::fmt;
use std::str::FromStr;

use super::{dot, drawing, mermaid, text};
use crate::definition::JobInfo;

/// The format of a drawing.
///
/// ```
/// use batch_runtime::graph::GraphFormat;
///
/// assert_eq!("mermaid".parse(), Ok(GraphFormat::Mermaid));
/// assert_eq!(
///     "svg".parse::<GraphFormat>().unwrap_err().to_string(),
///     "unknown format `svg`; a job is drawn as `text`, `mermaid` or `dot`",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GraphFormat {
    /// An indented outline.
    #[default]
    Text,
    /// A Mermaid flowchart, which many Markdown renderers draw.
    Mermaid,
    /// The language of Graphviz.
    Dot,
}

impl GraphFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Text, Self::Mermaid, Self::Dot];

    /// The name, as [`FromStr`] parses it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
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
#[error("unknown format `{given}`; a job is drawn as `text`, `mermaid` or `dot`")]
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
/// assert_eq!(render(&JOB, GraphFormat::Text), "job idle()\n  end NOTHING_TO_DO\n");
/// ```
#[must_use]
pub fn render(job: &JobInfo, format: GraphFormat) -> String {
    match format {
        GraphFormat::Text => text::render_text(job),
        GraphFormat::Mermaid => mermaid::mermaid(&drawing::draw(job)),
        GraphFormat::Dot => dot::dot(job.name, &drawing::draw(job)),
    }
}
