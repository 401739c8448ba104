//! Identifies the definition of a job, and the executable of this process.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use crate::definition::JobInfo;
use crate::graph::render_text;

/// The version of the protocol between managers and workers.
const PROTOCOL: u32 = 1;

/// Identifies a job as this program defines it, in 16 hexadecimal digits. Workers take partitions only of jobs that
/// they define as the manager does.
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
    hexadecimal(&hash.finalize(), 8)
}

fn hexadecimal(hash: &[u8], bytes: usize) -> String {
    hash.iter().take(bytes).fold(String::with_capacity(2 * bytes), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Identifies the executable of this process, in 8 hexadecimal digits. A checksum is enough, because it only has to
/// distinguish builds that were mixed up by mistake.
#[cfg(feature = "remote-chunks")]
pub(super) fn build() -> &'static str {
    static BUILD: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    BUILD.get_or_init(|| {
        let checksum = || -> std::io::Result<u32> {
            // On Linux this is the file that this process runs, even if another file has taken its name.
            let path = std::path::Path::new("/proc/self/exe");
            let mut file = match std::fs::File::open(path) {
                Ok(file) => file,
                Err(_) => std::fs::File::open(std::env::current_exe()?)?,
            };
            let mut checksum = crc32fast::Hasher::new();
            let mut part = vec![0; 1 << 18];
            loop {
                match std::io::Read::read(&mut file, &mut part)? {
                    0 => return Ok(checksum.finalize()),
                    read => checksum.update(&part[..read]),
                }
            }
        };
        // A program that cannot read itself must not match any other.
        checksum().map_or_else(
            |_| hexadecimal(uuid::Uuid::new_v4().as_bytes(), 4),
            |checksum| hexadecimal(&checksum.to_be_bytes(), 4),
        )
    })
}

/// Begins to compute [`build`] in another thread, because a large executable takes a while to read.
#[cfg(all(feature = "amqp", feature = "cli"))]
pub(crate) fn prepare_build() {
    // If the thread cannot start, the checksum is computed when it is first needed.
    let _ = std::thread::Builder::new().name("build".to_owned()).spawn(build);
}

/// The name of the queue in which the partitions of a job are offered: by any manager, or, with a token, only by the
/// manager that has this token.
pub(super) fn queue_of(token: Option<&str>, job: &JobInfo) -> String {
    let fingerprint = fingerprint(job);
    match token {
        Some(token) => format!("{token}.{fingerprint}"),
        None => fingerprint,
    }
}
