//! Compares the code generated for typical inputs with reviewed files. `BLESS=1 cargo test -p batch-macros
//! --all-features` rewrites the files.

use std::path::Path;
use std::str::FromStr;

use proc_macro2::TokenStream;
use syn::ItemFn;

use crate::driver::Expander;
use crate::errors::Errors;

/// The tokens without the differences a formatter makes: white space, commas, empty generics.
fn plain(tokens: &TokenStream) -> String {
    let text: String =
        tokens.to_string().chars().filter(|letter| !letter.is_whitespace() && *letter != ',').collect();
    text.replace("::<>", "")
}

fn check(name: &str, expand: Expander, options: &str, function: &str) {
    let mut errors = Errors::default();
    let options = TokenStream::from_str(options).expect("tokens");
    let function: ItemFn = syn::parse_str(function).expect("a function");
    let expanded = expand(options, &function, &mut errors);
    assert!(errors.is_empty(), "a golden input has no mistakes");
    let _ = errors.into_tokens();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/expand/golden/{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, expanded.to_string()).expect("the folder can be written");
    }
    let golden = std::fs::read_to_string(&file).expect("the golden file exists: run once with BLESS=1");
    let golden = TokenStream::from_str(&golden).expect("tokens");
    assert_eq!(plain(&expanded), plain(&golden), "{name}");
}

#[test]
fn a_reader_opens_with_its_parameters() {
    check(
        "reader",
        super::reader,
        "",
        "fn flights(input: PathBuf) -> Result<CsvReader<Flight>, ReadError> { CsvReader::open(input) }",
    );
}

#[test]
fn a_processor_is_bound_with_its_state_and_resource() {
    check(
        "processor",
        super::processor,
        "",
        "fn late(flight: &Flight, #[state] seen: &mut Seen, client: &Client) -> Result<Option<Delay>, Late> { todo!() }",
    );
}

#[test]
fn a_pipe_in_partitions_is_split_and_merged() {
    check(
        "partitions",
        super::step,
        "chunk = 100, partitions = 8, threads = 2",
        "fn load() { flights | save }",
    );
}

#[test]
fn a_pipe_with_an_aggregator_outputs_what_the_aggregator_returns() {
    check(
        "aggregated",
        super::step,
        "chunk = 100, partitions = 8, aggregator = total",
        "fn load() { flights | add | save }",
    );
}

#[test]
fn an_aggregator_is_called_with_the_stored_results() {
    check(
        "aggregator",
        super::aggregator,
        "",
        "fn total(parts: Vec<Sum>, factor: u32) -> Result<Total, Overflow> { todo!() }",
    );
}

#[test]
fn a_pipe_names_each_component_once() {
    check(
        "pipe",
        super::step,
        "chunk = 100",
        "/// Loads.\npub fn load() { flights(input = yesterday) | late | match kind { Kind::A => save, _ => (save, audit) } }",
    );
}

#[test]
fn a_pipe_whose_chunks_are_committed_in_any_order_checks_that_each_writer_permits_it() {
    check(
        "unordered",
        super::step,
        "chunk = 100, threads = 4, order = none",
        "fn load() { flights | late | match kind { Kind::A => save, _ => (save, audit) } }",
    );
}

#[cfg(feature = "remote-chunks")]
#[test]
fn a_pipe_whose_chunks_go_to_workers_checks_what_is_sent() {
    check("remote", super::step, "chunk = 100, threads = 4, remote", "fn load() { flights | late | save }");
}

#[test]
fn a_listener_to_written_items_hears_one_event_of_steps_that_read_any_items() {
    check(
        "listener",
        super::listener,
        "on_skip_in_write",
        "fn report(row: &Row, error: &Failure, log: PathBuf) { todo!() }",
    );
}

#[test]
fn a_tasklet_is_called_in_its_transaction() {
    check(
        "tasklet",
        super::step,
        "start_limit = 3",
        "fn tally(tx: &Transaction<'_>, total: &Output<count>) -> rusqlite::Result<Total> { todo!() }",
    );
}

#[test]
fn a_pipe_with_rules_for_errors_is_checked_and_repeats() {
    check(
        "faults",
        super::step,
        "chunk = 10, skip(LoadError::BadRow { .. }, limit = 5), retry(Busy, limit = 3, backoff = fixed(\"1s\"))",
        "fn load() { flights | late | match kind { Kind::A => save, _ => audit } }",
    );
}

#[test]
fn a_processor_on_several_threads_is_bound_to_a_pool() {
    check(
        "concurrent",
        super::processor,
        "concurrency = 8",
        "fn check(order: &Order, region: &str, client: &Client) -> Result<Option<Order>, Refused> { todo!() }",
    );
}
