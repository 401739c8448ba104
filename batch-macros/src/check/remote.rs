//! The rules for steps whose chunks are processed by workers.

use crate::errors::Errors;
use crate::model::fault::What;
use crate::model::step::StepOptions;

/// Checks the other options of a step with `remote`.
pub(crate) fn check(options: &StepOptions, errors: &mut Errors) {
    let Some(word) = &options.remote else { return };
    if !cfg!(feature = "remote-chunks") {
        errors.at(
            word,
            "`remote` needs the feature `remote-chunks`: in `Cargo.toml`, write `features = [\"remote-chunks\"]` for `batch-runtime`",
        );
        return;
    }
    if options.partitions.is_some() {
        errors.at(
            word,
            "`remote` lets workers process the chunks of one input; partitions are read, processed and written by workers as a whole, with `--workers`: leave `remote` out",
        );
    } else if options.threads.is_none() && errors.is_empty() {
        errors.at(
            word,
            "`remote` adds workers to the threads of a step, and this step has one thread: add `threads = 4`, or leave `remote` out",
        );
    }
    for rule in &options.faults.skip {
        if let What::Policy(_) = rule.what {
            errors.at_span(
                rule.what.span(),
                "a policy decides by the error itself and by the number of skips so far, and no process has both in a step with `remote`: name the errors, as in `skip(LoadError, limit = 10)`, or leave `remote` out",
            );
        }
    }
}
