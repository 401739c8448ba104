//! Turns the report of a job that did not complete into an error.

use std::fmt;

use super::{JobReport, Summary};
use crate::repository::BatchStatus;

/// A job that did not complete, with its causes. Each cause names the step, the component, the place of the record, and
/// the error.
///
/// [`Debug`](fmt::Debug) shows the same text as [`Display`](fmt::Display), so that the output is readable if a test
/// unwraps or returns the error.
#[derive(Clone, PartialEq, Eq)]
pub struct NotCompleted {
    headline: String,
    causes: Vec<String>,
    status: BatchStatus,
}

impl NotCompleted {
    /// FAILED or STOPPED.
    #[must_use]
    pub fn status(&self) -> BatchStatus {
        self.status
    }

    /// The causes of the failure, one line each.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }
}

impl JobReport {
    /// The report, if the job completed.
    ///
    /// ```
    /// use batch_runtime::prelude::*;
    /// use batch_runtime::testing;
    ///
    /// #[step]
    /// fn load(file: &str) -> Result<(), String> {
    ///     Err(format!("`{file}` is empty"))
    /// }
    ///
    /// #[job]
    /// fn nightly(file: String) {
    ///     load;
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let failed = testing::run(&nightly("in.csv".to_owned()))?.completed().unwrap_err();
    /// assert!(failed.to_string().starts_with("nightly failed after"));
    /// assert_eq!(failed.causes(), ["load failed: running in `load`: `in.csv` is empty"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the job failed or was stopped. The error contains the causes.
    pub fn completed(self) -> Result<Self, NotCompleted> {
        if self.status == BatchStatus::Completed {
            return Ok(self);
        }
        let summary = Summary::from(&self);
        Err(NotCompleted { headline: summary.headline(), causes: summary.causes(), status: self.status })
    }
}

impl fmt::Display for NotCompleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)?;
        self.causes.iter().try_for_each(|cause| write!(f, "\n  {cause}"))
    }
}

impl fmt::Debug for NotCompleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotCompleted {}
