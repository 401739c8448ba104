//! The body of a job as a constant tree, the checks of its wiring, and its drawings.

mod dot;
mod drawing;
mod end_text;
mod format;
mod layout;
mod mermaid;
mod node;
mod outline;
pub(crate) mod status;
mod svg;
mod terminal;
#[doc(hidden)]
pub mod wiring;
mod words;

pub use end_text::{Text, TextInfo};
#[cfg(feature = "serve")]
pub(crate) use format::render_linked;
pub(crate) use format::render_progress;
pub use format::{GraphFormat, UnknownFormat, render};
pub use node::{Activity, Arm, Node, Subject, Use};
pub use outline::render_text;
#[cfg(feature = "serve")]
pub(crate) use svg::styles;
