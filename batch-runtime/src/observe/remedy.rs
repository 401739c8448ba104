//! Suggests a remedy for a failure.

use std::io;

use crate::definition::Failure;
use crate::readers::{FilesError, ReadError};
use crate::writers::WriteError;

/// The remedy after a step has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Remedy {
    /// Fix the cause, then launch again to resume.
    #[default]
    Fix,
    /// An input is missing at its path: put it there, or launch with another path.
    Place,
    /// Something that an earlier execution read or wrote has changed. The message of the failure says what to do.
    Restore,
}

impl Remedy {
    pub(crate) fn of(failure: &Failure) -> Self {
        let is_absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match failure.find::<ReadError>() {
            Some(ReadError::Open { source, .. }) if is_absent(source) => return Self::Place,
            Some(ReadError::Changed { .. }) => return Self::Restore,
            _ => {}
        }
        match failure.find::<FilesError>() {
            Some(FilesError::NoFile { .. }) => return Self::Place,
            Some(FilesError::Folder { source, .. }) if is_absent(source) => return Self::Place,
            Some(FilesError::Changed { .. }) => return Self::Restore,
            _ => {}
        }
        match failure.find::<WriteError>() {
            Some(WriteError::Missing { .. } | WriteError::Shorter { .. } | WriteError::Finished { .. }) => {
                Self::Restore
            }
            _ => Self::Fix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_follows_from_the_error_however_it_is_wrapped() {
        #[derive(Debug, thiserror::Error)]
        #[error("the nightly load")]
        struct Users(#[source] ReadError);

        let open = |kind: io::ErrorKind| ReadError::Open { resource: "in.csv".into(), source: kind.into() };
        let changed =
            ReadError::Changed { resource: "in.csv".into(), byte: 7, problem: "it is shorter".into() };
        let finished = WriteError::Finished { path: "out.csv".into() };
        for (failure, expected) in [
            (Failure::new(open(io::ErrorKind::NotFound)), Remedy::Place),
            (Failure::new(Users(open(io::ErrorKind::NotFound))).in_component("flights"), Remedy::Place),
            (Failure::new(open(io::ErrorKind::PermissionDenied)), Remedy::Fix),
            (Failure::new(changed), Remedy::Restore),
            (Failure::new(finished), Remedy::Restore),
            (Failure::new("no carrier"), Remedy::Fix),
        ] {
            assert_eq!(Remedy::of(&failure), expected, "{failure}");
        }
    }
}
