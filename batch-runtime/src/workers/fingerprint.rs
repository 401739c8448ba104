//! Tells the builds of a job apart.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use crate::definition::JobInfo;
use crate::graph::render_text;

/// The version of what a manager and its workers expect of each other.
const PROTOCOL: u32 = 1;

/// Identifies a job as this program knows it, in 16 hexadecimal digits: workers take partitions only of jobs that look the
/// same to them as to the manager.
///
/// ```
/// use batch_runtime::workers::fingerprint;
/// use batch_runtime::prelude::*;
///
/// #[step]
/// fn greet() {
///     println!("Hello");
/// }
///
/// #[job]
/// fn greeting() {
///     greet;
/// }
///
/// # fn main() {
/// assert_eq!(fingerprint(greeting().job).len(), 16);
/// # }
/// ```
#[must_use]
pub fn fingerprint(job: &JobInfo) -> String {
    let mut hash = Md5::new();
    hash.update(PROTOCOL.to_le_bytes());
    hash.update(render_text(job));
    hash.finalize().iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The name of the queue for the partitions of a job: of any manager, or of that with this token alone.
pub(super) fn queue_of(token: Option<&str>, job: &JobInfo) -> String {
    let fingerprint = fingerprint(job);
    match token {
        Some(token) => format!("{token}.{fingerprint}"),
        None => fingerprint,
    }
}
