//! The text of an `end!`, `fail!` or `stop!` as a constant, and the function that inserts the values of a job.

use super::{Activity, Use};
use crate::definition::{Failure, Need, Scope};

/// The text of `end!`, `fail!` or `stop!`.
///
/// ```
/// use batch_runtime::graph::Text;
///
/// const WHY: Text = Text::plain("the file is damaged");
/// assert_eq!(WHY.written, "the file is damaged");
/// assert!(WHY.values.is_none());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// The text as written in the body, with the names of the values. Drawings show it.
    pub written: &'static str,
    /// The use of an [`Activity::Text`], if the text has values.
    pub values: Option<&'static Use>,
}

impl Text {
    /// No text.
    pub const NONE: Self = Self::plain("");

    /// A text without values.
    #[must_use]
    pub const fn plain(text: &'static str) -> Self {
        Self { written: text, values: None }
    }

    /// Returns the text with the values of the job in that scope.
    ///
    /// # Errors
    /// If a value cannot be read, such as the output of a step recorded by another version of the program.
    pub(crate) fn formatted(&self, scope: &Scope<'_>) -> Result<String, Failure> {
        match self.values.map(|used| used.activity) {
            Some(Activity::Text(text)) => (text.format)(scope),
            _ => Ok(self.written.to_owned()),
        }
    }
}

/// A text with values in it.
///
/// ```
/// use batch_runtime::graph::TextInfo;
///
/// const WHY: TextInfo = TextInfo { word: "fail!", needs: &[], format: |_| Ok(format!("{} rows", 0)) };
/// assert_eq!(WHY.word, "fail!");
/// ```
#[derive(Debug)]
pub struct TextInfo {
    /// The macro that contains it: `fail!`.
    pub word: &'static str,
    /// The needs of its values.
    pub needs: &'static [Need],
    /// Inserts the values.
    pub format: fn(&Scope<'_>) -> Result<String, Failure>,
}
