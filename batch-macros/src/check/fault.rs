//! The options that are about the items of a pipe do not stand on a tasklet.

use crate::errors::Errors;
use crate::model::step::StepOptions;

pub(crate) fn on_tasklet(options: &StepOptions, errors: &mut Errors) {
    for name in &options.given {
        let message = match name.to_string().as_str() {
            "skip" | "no_skip" => {
                "skips single items of a pipe, `reader | processor | writer`; a tasklet has none and handles its errors itself"
            }
            "retry" => {
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
            "isolate" => "is about finding the bad item of a chunk; a tasklet has no chunks",
            _ => continue,
        };
        errors.at(name, format!("`{name}` {message}: leave `{name}` out"));
    }
}
