//! The header and the footer of a file of lines.

use super::{Footer, TransactionalFile};
use crate::Durability;
use crate::writers::WriteError;

/// The text before the first line of a file, and after the last one.
pub(in crate::writers) struct Ends {
    pub(in crate::writers) header: Option<String>,
    pub(in crate::writers) footer: Option<Box<Footer>>,
    /// The end of every line, and of the header and the footer.
    pub(in crate::writers) line_end: &'static str,
}

impl Ends {
    pub(in crate::writers) fn new() -> Self {
        Self { header: None, footer: None, line_end: "\n" }
    }

    /// Adds the header if the file is still empty.
    pub(in crate::writers) fn begin(&self, file: &mut TransactionalFile) -> Result<(), WriteError> {
        let Some(header) = self.header.as_deref().filter(|_| file.is_empty()) else { return Ok(()) };
        let out = file.buffer()?;
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(self.line_end.as_bytes());
        file.end_header()
    }

    /// Adds what is missing of them, and completes the file.
    pub(in crate::writers) fn seal(
        &self,
        file: &mut TransactionalFile,
        durability: Durability,
    ) -> Result<(), WriteError> {
        if file.is_sealed() {
            return Ok(());
        }
        self.begin(file)?;
        file.end(self.footer.as_deref(), self.line_end)?;
        file.seal(durability)
    }
}

/// The options of a writer with `ends: Ends`, and all that every writer of a file has.
macro_rules! lines_of_text {
    ($writer:ident) => {
        impl<T> $writer<T> {
            /// Adds this line before the first item, verbatim.
            pub fn header(mut self, line: impl Into<String>) -> Self {
                self.ends.header = Some(line.into());
                self
            }

            /// Adds the text that `footer` makes from the number of items, verbatim, after the last item.
            pub fn footer(mut self, footer: impl Fn(u64) -> String + Send + Sync + 'static) -> Self {
                self.ends.footer = Some(Box::new(footer));
                self
            }
        }

        $crate::writers::file::one_file!($writer);
        $crate::writers::file::file_options!($writer);
        $crate::writers::file::totals_in_footer!($writer, ends.footer);
    };
}
pub(in crate::writers) use lines_of_text;
