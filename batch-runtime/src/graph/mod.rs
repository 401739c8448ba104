//! The body of a job as a constant tree, the checks of its wiring, and its drawings.

mod dot;
mod drawing;
mod format;
mod mermaid;
mod node;
mod telling;
mod text;
#[doc(hidden)]
pub mod wiring;
mod words;

pub use format::{GraphFormat, UnknownFormat, render};
pub use node::{Activity, Arm, Node, Subject, Use};
pub use telling::{Text, TextInfo};
pub use text::render_text;
