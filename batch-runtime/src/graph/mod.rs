//! A job's body as a constant tree, what is wrong with it, and what is drawn from it.

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
