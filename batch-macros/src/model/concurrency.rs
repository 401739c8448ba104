//! Reads the options of `#[processor(..)]`: `bulk`, `concurrency` and `timeout`.

use proc_macro2::Ident;
use syn::Expr;

use super::fault::duration;
use crate::errors::Errors;
use crate::syntax::options::{self, WrittenOption};

/// The options of a processor.
#[derive(Default)]
pub(crate) struct ProcessorOptions {
    pub(crate) bulk: Option<Ident>,
    pub(crate) concurrency: Option<Expr>,
    pub(crate) timeout: Option<Timeout>,
}

/// The time limit of one call.
pub(crate) struct Timeout {
    pub(crate) option: Ident,
    /// `None` if it is not a duration, which is reported.
    pub(crate) nanoseconds: Option<u64>,
}

impl ProcessorOptions {
    pub(crate) fn read(given: &[WrittenOption], errors: &mut Errors) -> Self {
        let mut read = Self::default();
        for option in given {
            match option.name.to_string().as_str() {
                "bulk" => {
                    options::flag(option, errors);
                    read.bulk = Some(option.name.clone());
                }
                "concurrency" => read.concurrency = options::value(option, "concurrency = 32", errors),
                "timeout" => {
                    let example = "timeout = \"2s\"";
                    let nanoseconds = options::value(option, example, errors)
                        .and_then(|value| duration(&value, example, errors));
                    read.timeout = Some(Timeout { option: option.name.clone(), nanoseconds });
                }
                _ => {}
            }
        }
        read
    }
}
