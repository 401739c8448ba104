//! A file whose lock ends before the file is closed.

use std::fs::File;
use std::ops::{Deref, DerefMut};

/// A file whose lock, if it has one, ends with this value.
///
/// Closing the file alone would not end it: a process that another thread is starting holds a copy of the descriptor
/// until it runs its own program, and the lock lasts as long as any copy.
#[derive(Debug)]
pub(crate) struct LockedFile(pub(crate) File);

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Without locks in the file system there is nothing to end, and closing the file ends any other.
        let _ = self.0.unlock();
    }
}
