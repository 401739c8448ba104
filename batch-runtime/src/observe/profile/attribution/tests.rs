//! Tests stacks in both forms that debug information has: with whole paths, or with only the names of functions and
//! their files.

use std::collections::BTreeSet;

use super::{Attributed, Frame, Step, Steps};

/// `load` is `flights | late | (save, audit)`, and `tally` a tasklet.
fn steps() -> Steps {
    let step = |name, reader, writers: &[&'static str], components: &[&'static str]| Step {
        name,
        reader,
        writers: writers.to_vec(),
        components: components.to_vec(),
    };
    Steps {
        steps: vec![
            step("load", Some("flights"), &["save", "audit"], &["flights", "late", "save", "audit"]),
            step("copy", Some("flights"), &["save"], &["flights", "geo", "save"]),
            step("tally", None, &[], &["tally"]),
        ],
        crates: BTreeSet::from(["air"]),
    }
}

/// The stack of these symbols, with whole paths and no files.
fn by_path(symbols: &[&str]) -> Attributed {
    let stack: Vec<_> = symbols.iter().map(|symbol| Frame::of(symbol, None, &["air"])).collect();
    steps().attribute(&stack)
}

/// The stack of these symbols with files; `~` is the folder of the framework.
fn by_file(symbols: &[(&str, &str)]) -> Attributed {
    let framework = file!().replace("observe/profile/attribution/tests.rs", "");
    let stack = symbols.iter().map(|(symbol, file)| {
        Frame::of(symbol, Some(&file.replace('~', framework.trim_end_matches('/'))), &["air"])
    });
    steps().attribute(&stack.collect::<Vec<_>>())
}

fn told(attributed: &Attributed) -> String {
    let Attributed { step, component, path, own } = attributed;
    let component = component.as_deref().unwrap_or("-");
    let own = own.as_deref().unwrap_or("-");
    format!("{step};{component};{} {own}", path.join(";"))
}

const LOAD: &str =
    "air::_::<impl batch_runtime::definition::step::StepDefinition for air::load>::in_frame::__step_load";
const BIND: &str = "air::_::<impl batch_runtime::definition::processor::ProcessorDefinition<u8> for air::late>::bind::{{closure}}";

#[test]
fn a_stack_is_cut_at_the_function_of_its_component() {
    let stack = by_path(&[
        "main",
        "batch_runtime::engine::run",
        LOAD,
        "batch_runtime::engine::chunk::fill",
        BIND,
        "air::late",
        "air::parse",
        "core::str::from_utf8",
    ]);
    assert_eq!(told(&stack), "load;late;air::parse;core::str::from_utf8 air::parse");
}

#[test]
fn a_component_is_known_even_if_its_function_is_not_in_the_stack() {
    let stack = by_path(&[LOAD, "batch_runtime::engine::chunk::fill", BIND, "air::parse"]);
    assert_eq!(told(&stack), "load;late;air::parse air::parse");
}

#[test]
fn names_and_files_tell_the_same_as_paths() {
    let stack = by_file(&[
        ("run", "~/engine/mod.rs"),
        ("__step_load", "src/main.rs"),
        ("fill<u8>", "~/engine/chunk/fill.rs"),
        ("call_once<u8>", "/rustc/1/library/core/src/ops/function.rs"),
        ("{closure#0}", "src/main.rs"),
        ("late", "src/main.rs"),
        ("parse", "src/parse.rs"),
        ("from_utf8", "/rustc/1/library/core/src/str/mod.rs"),
    ]);
    assert_eq!(told(&stack), "load;late;parse;from_utf8 parse");
}

#[test]
fn a_function_that_bears_the_name_of_another_component_by_chance_changes_nothing() {
    let stack = by_path(&[LOAD, "batch_runtime::engine::fill", BIND, "air::late", "air::util::save"]);
    assert_eq!(told(&stack), "load;late;air::util::save air::util::save");
}

#[test]
fn the_work_of_a_readers_object_is_that_of_the_reader() {
    let stack = by_path(&[
        LOAD,
        "batch_runtime::engine::fill",
        "<batch_runtime::readers::csv::CsvReader<T> as batch_runtime::definition::reader::Reader>::read",
        "batch_runtime::readers::csv::record",
        "<air::Flight as serde_core::de::Deserialize>::deserialize",
        "memchr::memchr",
    ]);
    assert_eq!(
        told(&stack),
        "load;flights;framework;air::Flight::deserialize;memchr::memchr air::Flight::deserialize"
    );
}

#[test]
fn a_reader_of_the_users_own_is_known_by_its_method() {
    let stack = by_path(&[
        LOAD,
        "batch_runtime::engine::fill",
        "<air::Lines as batch_runtime::definition::reader::Reader>::read",
        "air::decode",
    ]);
    assert_eq!(told(&stack), "load;flights;air::Lines::read;air::decode air::decode");
}

#[test]
fn a_writer_writes_within_the_commit() {
    let commit =
        "<batch_runtime::repository::sqlite::chunks::Chunks as batch_runtime::repository::Chunks>::commit";
    let function = "<batch_runtime::writers::function::FunctionWriter<T,F> as batch_runtime::definition::writer::Writer>::write";
    let stack = by_path(&[LOAD, commit, function, "air::save", "rusqlite::execute", "sqlite3_step"]);
    assert_eq!(told(&stack), "load;save;rusqlite::execute;sqlite3_step -");
    let stack = by_path(&[LOAD, commit, "rusqlite::execute", "sqlite3_step"]);
    assert_eq!(told(&stack), "load;committing;framework;rusqlite::execute;sqlite3_step -");
}

#[test]
fn objects_of_several_writers_share_their_name() {
    let table =
        "<batch_runtime::writers::table::Table<T> as batch_runtime::definition::writer::Writer>::write";
    let stack = by_path(&[LOAD, "batch_runtime::engine::write", table]);
    assert_eq!(told(&stack), "load;save or audit;framework -");
}

#[test]
fn a_call_in_flight_finds_its_step_by_the_component() {
    let stack = by_path(&[
        "tokio::runtime::poll",
        "batch_runtime::engine::poll",
        "air::geo::{{closure}}",
        "air::distance",
    ]);
    assert_eq!(told(&stack), "copy;geo;air::distance air::distance");
    // Two steps have this component, so the step stays unknown.
    let stack = by_path(&["batch_runtime::engine::poll", "air::save"]);
    assert_eq!(told(&stack), "(no step);save; -");
}

#[test]
fn work_of_the_framework_for_itself_has_no_component() {
    let stack = by_path(&[LOAD, "batch_runtime::engine::fill", "core::mem::drop"]);
    assert_eq!(stack.component, None);
    let stack = by_path(&["std::rt::lang_start", "air::main", "batch_runtime::cli::main"]);
    assert_eq!((stack.step, stack.component), ("(no step)", None));
}

#[test]
fn a_tasklet_is_its_own_component() {
    let tally = LOAD.replace("load", "tally");
    let call = "<air::tally as batch_runtime::definition::step::Tasklet>::call";
    let stack = by_path(&[&tally, "batch_runtime::engine::tasklet::drive", call, "air::tally", "air::sum"]);
    assert_eq!(told(&stack), "tally;tally;air::sum air::sum");
}
