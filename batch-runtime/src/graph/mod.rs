//! A job's body as a constant tree, what is wrong with it, and what is drawn from it.

mod node;
#[doc(hidden)]
pub mod wiring;

pub use node::{Activity, Arm, Node, Subject, Use};

/// Placeholder.
#[must_use]
pub fn render_text(job: &crate::definition::JobInfo) -> String {
    job.name.to_owned()
}
