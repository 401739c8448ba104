//! Checks that options about faults are used only where they have an effect.

use crate::errors::Errors;
use crate::model::step::StepOptions;

/// Checks that `no_skip` and `no_retry` come with a rule to which they make an exception.
pub(crate) fn exceptions(options: &StepOptions, errors: &mut Errors) {
    for (exception, rule, remedy) in [
        ("no_skip", "skip", "skip(LoadError, limit = 10)"),
        ("no_retry", "retry", "retry(LoadError, limit = 3)"),
    ] {
        let given = |name: &str| options.given.iter().find(|given| *given == name);
        if let (Some(word), None, true) = (given(exception), given(rule), errors.is_empty()) {
            errors.at(
                word,
                format!("`{exception}` is an exception to `{rule}`, and this step has none: leave it out, or add `{remedy}`"),
            );
        }
    }
}

pub(crate) fn on_tasklet(options: &StepOptions, errors: &mut Errors) {
    for name in &options.given {
        let message = match name.to_string().as_str() {
            "skip" => {
                "skips single items of a pipe, `reader | processor | writer`; a tasklet has none and handles its errors itself"
            }
            "no_skip" => "makes an exception to `skip`; a tasklet has no items and handles its errors itself",
            "retry" => {
                "retries the calls of a pipe's components; a tasklet retries its own work, or returns `Repeat::Again`"
            }
            "no_retry" => {
                "makes an exception to `retry`; a tasklet retries its own work, or returns `Repeat::Again`"
            }
            "threads" => "spreads the processors of a pipe over threads; a tasklet has none",
            "remote" => "lets workers process the chunks of a pipe; a tasklet has none",
            "order" => "sets the order in which the chunks of a pipe are committed; a tasklet has none",
            "chunk_time" => "limits the time that a pipe takes to fill a chunk; a tasklet has no chunks",
            "partitions" | "partitioner" => {
                "splits the input of a pipe, `reader | processor | writer`; a tasklet does its own reading"
            }
            "aggregator" => {
                "combines the results of a pipe's partitions; a tasklet has none and returns its own value"
            }
            "chunk_while" | "chunk_at_most" => {
                "decides where a chunk of a pipe ends; a tasklet has no chunks"
            }
            "keep_items" => "keeps the items that a pipe's processor fails on; a tasklet has none",
            "isolate" => "finds the bad item of a chunk; a tasklet has no chunks",
            _ => continue,
        };
        errors.at(name, format!("`{name}` {message}: leave `{name}` out"));
    }
}
