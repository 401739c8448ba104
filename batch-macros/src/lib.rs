//! The attributes of `batch-runtime`.
//!
//! An annotated function passes through four modules: `syntax` parses tokens into a spanned tree, `model`
//! gives the tree its meaning, `check` has one file per rule, and `expand` has one file per kind of generated
//! code. Mistakes that only types reveal are left to rustc, which reports them at the user's own words because
//! the generated tokens carry the spans of these words.

mod check;
mod driver;
mod errors;
mod expand;
mod model;
mod syntax;

use proc_macro::TokenStream;

/// Marks a function that reads the items of a step: it returns an iterator or a reader object.
///
/// The page `guide::components` of batch-runtime shows it in a program.
#[proc_macro_attribute]
pub fn reader(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("reader", options, item, expand::reader)
}

/// Marks a function that transforms an item, filters it, or turns it into several.
///
/// `#[processor(concurrency = 64)]` works on up to 64 items at once: an `async fn` (with the feature `async`)
/// has up to 64 futures in flight, and a plain function is called on up to 64 threads. Nothing else changes:
/// items keep their order, and filters, skips, retries and counters are the same as with one item at a time.
/// Side effects may happen for items that are read ahead, and again after a restart. Such a processor has no
/// `#[state]`, and neither has any processor before it.
///
/// `timeout = "2s"` limits each call of an `async fn`: a call that takes longer is dropped and fails with
/// `batch_runtime::TimedOut`.
///
/// The page `guide::components` of batch-runtime shows it in a program.
#[proc_macro_attribute]
pub fn processor(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("processor", options, item, expand::processor)
}

/// Marks a function that writes the items of a chunk, or that returns a writer object.
///
/// The page `guide::components` of batch-runtime shows it in a program.
#[proc_macro_attribute]
pub fn writer(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("writer", options, item, expand::writer)
}

/// Marks a function that decides to which writer an item goes: a step has a `match` on its result.
///
/// The page `guide::components` of batch-runtime shows it in a program.
#[proc_macro_attribute]
pub fn classifier(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("classifier", options, item, expand::classifier)
}

/// Marks a function that creates a value shared by the components of a job.
///
/// The page `guide::components` of batch-runtime shows it in a program.
#[proc_macro_attribute]
pub fn resource(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("resource", options, item, expand::resource)
}

/// Marks a function that opens a database other than the repository's, so that steps can commit in it.
///
/// The page `guide::components` of batch-runtime lists what the function may ask for.
#[proc_macro_attribute]
pub fn database(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("database", options, item, expand::database)
}

/// Marks a function that creates the partitions of a step: `#[step(chunk = 100, partitioner = regions)]`.
///
/// It returns the partitions with their names, as `Vec<(String, Range)>` or as a `Result` of that type. The
/// step's reader asks for its own partition as `Partition<Range>`. The function is called once per job instance:
/// the partitions are stored, and a restart runs those that are not complete.
///
/// The page `guide::components` of batch-runtime lists what the function may ask for.
#[proc_macro_attribute]
pub fn partitioner(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("partitioner", options, item, expand::partitioner)
}

/// `batch-runtime` exports this attribute and documents it.
#[proc_macro_attribute]
pub fn aggregator(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("aggregator", options, item, expand::aggregator)
}

/// Marks a function that decides where a chunk ends: `#[step(chunk = 1, chunk_while = same_customer)]`.
///
/// The page `guide::components` of batch-runtime lists what the function may ask for.
#[proc_macro_attribute]
pub fn chunk_while(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("chunk_while", options, item, expand::chunk_while)
}

/// Marks a function that decides from an error whether the item is skipped: `skip(policy = lenient)`.
#[proc_macro_attribute]
pub fn skip_policy(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("skip_policy", options, item, expand::skip_policy)
}

/// Marks a function that decides from an error whether the call is retried:
/// `retry(policy = transient, limit = 3)`.
#[proc_macro_attribute]
pub fn retry_policy(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("retry_policy", options, item, expand::retry_policy)
}

/// `batch-runtime` exports this attribute and documents it.
#[proc_macro_attribute]
pub fn listener(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("listener", options, item, expand::listener)
}

/// `batch-runtime` exports this attribute and documents it.
#[proc_macro_attribute]
pub fn step(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("step", options, item, expand::step)
}

/// Marks a function that a job calls to choose its next step: the job has a `match` or a `while` on its result.
///
/// The page `guide::components` of batch-runtime lists what the function may ask for.
#[proc_macro_attribute]
pub fn decider(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("decider", options, item, expand::decider)
}

/// Marks a function whose body is a sequence of steps that several jobs can share.
#[proc_macro_attribute]
pub fn flow(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("flow", options, item, expand::flow)
}

/// `batch-runtime` exports this attribute and documents it.
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    driver::function("job", options, item, expand::job)
}

/// Generates the `fn main` of a program that runs jobs: `batch_runtime::main!(daily, monthly);`.
#[proc_macro]
pub fn main(jobs: TokenStream) -> TokenStream {
    driver::call(jobs, expand::program)
}

/// Derives `ParameterType`, so that an enum without fields can be the type of a parameter.
#[proc_macro_derive(ParameterType, attributes(param))]
pub fn parameter_type(item: TokenStream) -> TokenStream {
    driver::derive(item, expand::parameter_type)
}
