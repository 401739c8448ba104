//! Receives: a path. Gives: the name by which messages and help call it.

use std::path::Path;

/// The name by which messages call a file: relative where it is below the working folder.
pub(crate) fn resource_name(path: &Path) -> String {
    let below = std::env::current_dir().ok().and_then(|folder| path.strip_prefix(folder).ok());
    below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path).display().to_string()
}
