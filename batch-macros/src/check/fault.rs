//! Checks that the options about faults stand where they mean something.

use crate::errors::Errors;
use crate::model::step::StepOptions;

/// An exception stands beside the rule that it is an exception of.
pub(crate) fn exceptions(options: &StepOptions, errors: &mut Errors) {
    for (exception, rule, remedy) in [
        ("no_skip", "skip", "skip(LoadError, limit = 10)"),
        ("no_retry", "retry", "retry(LoadError, limit = 3)"),
    ] {
        let given = |name: &str| options.given.iter().find(|given| *given == name);
        if let (Some(word), None, true) = (given(exception), given(rule), errors.is_empty()) {
            errors.at(
                word,
                format!("`{exception}` makes an exception of `{rule}`, and this step has none: leave it out, or write `{remedy}` beside it"),
            );
        }
    }
}

pub(crate) fn on_tasklet(options: &StepOptions, errors: &mut Errors) {
    for name in &options.given {
        let message = match name.to_string().as_str() {
            "skip" | "no_skip" => {
                "skips single items of a pipe, `reader | processor | writer`; a tasklet has none and handles its errors itself"
            }
            "retry" | "no_retry" => {
                "repeats the calls of a pipe's components; a tasklet repeats what it does itself, or returns `Repeat::Again`"
            }
            "threads" => "spreads the processors of a pipe over threads; a tasklet has none",
            "order" => "is about the order in which the chunks of a pipe are committed; a tasklet has none",
            "chunk_time" => "bounds how long a chunk of a pipe is filled; a tasklet has no chunks",
            "partitions" | "partitioner" => {
                "is about the input of a pipe, `reader | processor | writer`; a tasklet reads what it wants by itself"
            }
            "aggregator" => {
                "makes one value of what the partitions of a pipe came to; a tasklet has none and returns its value itself"
            }
            "chunk_while" | "chunk_at_most" => {
                "is about how far a chunk of a pipe goes; a tasklet has no chunks"
            }
            "keep_items" => "shows the items of a pipe that a processor fails on; a tasklet has none",
            "isolate" => "is about finding the bad item of a chunk; a tasklet has no chunks",
            _ => continue,
        };
        errors.at(name, format!("`{name}` {message}: leave `{name}` out"));
    }
}
