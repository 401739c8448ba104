//! Receives: the text of an `end!`, `fail!` or `stop!`. Gives: it as a constant, with the function that puts the values of a job
//! into it.

use super::{Activity, Use};
use crate::definition::{Failure, Need, Scope};

/// What `end!`, `fail!` or `stop!` says.
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
    /// As it stands in the body, with the names of the values: what the pictures show.
    pub written: &'static str,
    /// The use of an [`Activity::Text`], where there are values in it.
    pub values: Option<&'static Use>,
}

impl Text {
    /// Says nothing.
    pub const NONE: Self = Self::plain("");

    /// A text without values.
    #[must_use]
    pub const fn plain(text: &'static str) -> Self {
        Self { written: text, values: None }
    }

    /// What is told in that scope: the text, with the values of the job in it.
    ///
    /// # Errors
    /// When a value cannot be read, as the output of a step that has been recorded by another version of the program.
    pub(crate) fn told(&self, scope: &Scope<'_>) -> Result<String, Failure> {
        match self.values.map(|used| used.activity) {
            Some(Activity::Text(text)) => (text.tell)(scope),
            _ => Ok(self.written.to_owned()),
        }
    }
}

/// A text with values in it.
///
/// ```
/// use batch_runtime::graph::TextInfo;
///
/// const WHY: TextInfo = TextInfo { word: "fail!", needs: &[], tell: |_| Ok(format!("{} rows", 0)) };
/// assert_eq!(WHY.word, "fail!");
/// ```
#[derive(Debug)]
pub struct TextInfo {
    /// The word that it stands after: `fail!`.
    pub word: &'static str,
    /// What its values ask for.
    pub needs: &'static [Need],
    /// Puts the values into it.
    pub tell: fn(&Scope<'_>) -> Result<String, Failure>,
}
