//! The attributes of `batch-runtime`.
//!
//! An annotated function passes through `syntax` (tokens to a spanned tree), `model` (what it means),
//! `check` (one file a rule) and `expand` (one file a generated thing). What types alone can tell is left
//! to rustc, at tokens that carry the span of the user's own word.

mod check;
mod driver;
mod errors;
mod expand;
mod model;
mod syntax;

use proc_macro::TokenStream;

/// Marks a function that gives the items of a step: an iterator, or a reader object.
#[proc_macro_attribute]
pub fn reader(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("reader", options, item, expand::reader)
}

/// Marks a function that turns one item into another, filters it, or makes many of it.
///
/// `#[processor(concurrency = 64)]` works on so many items at once: an `async fn` (with the feature `async`) has so many futures
/// under way, a plain function is called on so many threads. Nothing else changes: the order of the items, what is filtered,
/// skipped, repeated and counted is as with one item after the other. What it does outside may happen for items that are
/// read ahead, and again after a restart. It has no `#[state]`, and no processor before it has one. `timeout = "2s"` bounds
/// each call of an `async fn`: one that takes longer is dropped and fails with `batch_runtime::TimedOut`.
#[proc_macro_attribute]
pub fn processor(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("processor", options, item, expand::processor)
}

/// Marks a function that writes the items of a chunk, or that gives a writer object.
#[proc_macro_attribute]
pub fn writer(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("writer", options, item, expand::writer)
}

/// Marks a function that says which writer an item goes to.
#[proc_macro_attribute]
pub fn classifier(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("classifier", options, item, expand::classifier)
}

/// Marks a function whose value the components of a job share.
#[proc_macro_attribute]
pub fn resource(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("resource", options, item, expand::resource)
}

/// Marks a function that opens a database of its own, in whose transaction steps may be committed.
#[proc_macro_attribute]
pub fn database(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("database", options, item, expand::database)
}

/// Marks a function that makes the partitions of a step: `#[step(chunk = 100, partitioner = regions)]`.
///
/// It returns them with their names, as `Vec<(String, Range)>` or that in a `Result`, and the step's reader asks for the one
/// that it is to read as `Partition<Range>`. It is called once an instance: what it returns is stored, and a restart
/// runs the partitions that are not complete.
#[proc_macro_attribute]
pub fn partitioner(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("partitioner", options, item, expand::partitioner)
}

/// Marks a function that makes one value of what the partitions of a step came to:
/// `#[step(chunk = 100, partitions = 4, aggregator = total)]`.
#[proc_macro_attribute]
pub fn aggregator(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("aggregator", options, item, expand::aggregator)
}

/// Marks a function that says how far a chunk goes: `#[step(chunk = 1, chunk_while = same_customer)]`.
#[proc_macro_attribute]
pub fn chunk_while(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("chunk_while", options, item, expand::chunk_while)
}

/// Marks a function that says whether an item whose error it is shown is skipped: `skip(policy = lenient)`.
#[proc_macro_attribute]
pub fn skip_policy(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("skip_policy", options, item, expand::skip_policy)
}

/// Marks a function that says whether a call whose error it is shown is repeated: `retry(policy = transient, limit = 3)`.
#[proc_macro_attribute]
pub fn retry_policy(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("retry_policy", options, item, expand::retry_policy)
}

/// Marks a function that hears of one event of a step or job: `#[listener(after_step)]`.
#[proc_macro_attribute]
pub fn listener(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("listener", options, item, expand::listener)
}

/// Marks a step: a pipe of components, or a tasklet.
///
/// A tasklet returns nothing, a value for the steps that follow, `Repeat` to be called in several transactions, or
/// `Exit::code("NOTHING_TO_DO").because("no new files")` to complete with an exit code and a description of its own.
///
/// With `threads = 4` four threads read in turns and process side by side, and one writes, in the order of the input. `order = none`
/// beside it gives up the order: chunks are committed as they are done, and a restart does those that are not. What writes a
/// file, one chunk behind the other, does not compile there.
///
/// With `partitions = 8` the input is read in about eight parts, several at once: as many as the machine has cores, or
/// `threads = 4`. The reader splits its input by itself (`batch_runtime::Splittable`: files by ranges of bytes, tables by
/// ranges of keys, pages, several files); for another reader `partitioner = f` names a function with
/// [`#[partitioner]`](macro@partitioner). The parts are stored when the step first starts. Each is a step execution of its own,
/// `load:partition3`, with counters, checkpoint and skips; `skip(.., limit = 10)` counts across all of them. After a failure no
/// further partition begins, those that run are awaited, and a restart runs the rest. What partitions write to one file is
/// put together in their order when all are complete. `aggregator = f` makes one value of what they came to and leaves it to the
/// steps that follow: see [`#[aggregator]`](macro@aggregator).
#[proc_macro_attribute]
pub fn step(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("step", options, item, expand::step)
}

/// Marks a function by whose value a job chooses.
#[proc_macro_attribute]
pub fn decider(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("decider", options, item, expand::decider)
}

/// Marks a piece of a job's body that stands in several jobs.
#[proc_macro_attribute]
pub fn flow(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("flow", options, item, expand::flow)
}

/// Marks a job: its arguments are its parameters, its body is its control flow.
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("job", options, item, expand::job)
}

/// Makes a program of jobs: `batch_runtime::main!(daily, monthly);` is its `fn main`.
#[proc_macro]
pub fn main(jobs: TokenStream) -> TokenStream {
    driver::call(jobs, expand::program)
}

/// Lets an enum without fields be the type of a parameter.
#[proc_macro_derive(ParameterType, attributes(param))]
pub fn parameter_type(item: TokenStream) -> TokenStream {
    driver::derive(item, expand::parameter_type)
}
