//! Expands a pipe, such as `#[step(chunk = 100)] fn load() { flights | late | save }`, or a tasklet, such as
//! `#[step] fn tally(tx: &Transaction<'_>) -> Total`.

use proc_macro2::TokenStream;
use syn::ItemFn;

use super::{pipe, tasklet};
use crate::check;
use crate::errors::Errors;
use crate::model::step::{StepOptions, is_pipe_step};
use crate::syntax::options;

/// Expands `#[step]`.
pub(crate) fn step(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let mentions_chunk = given.clone().into_iter().next().is_some_and(|word| word.to_string() == "chunk");
    let given = options::read(&options::STEP, given, errors);
    let read = StepOptions::read(&given, errors);
    check::step::options(&read, errors);
    if check::step::chunk_on_tasklet(&given, function, errors) {
        return tasklet::tasklet(&read, function, errors);
    }
    if mentions_chunk || is_pipe_step(&given, function) {
        pipe::pipe(&read, function, errors)
    } else {
        check::fault::on_tasklet(&read, errors);
        tasklet::tasklet(&read, function, errors)
    }
}
