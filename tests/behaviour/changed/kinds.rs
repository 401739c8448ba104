//! A started step resumes only with the kinds of components that it started with.

use std::fmt::Write as _;

use super::*;

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    number: i64,
}

#[reader]
fn rows(input: PathBuf) -> Result<CsvReader<Row>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn number(row: Row) -> i64 {
    row.number
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Seen(std::collections::BTreeSet<i64>);

#[processor]
fn new_only(number: i64, #[state] seen: &mut Seen) -> Option<i64> {
    seen.0.insert(number).then_some(number)
}

#[step(chunk = 3)]
fn load() {
    rows | number | new_only | checked | keep
}

#[job]
fn loads(input: PathBuf, #[param(identifying = false)] allowed: PathBuf) {
    load;
}

/// The same job with another step `load`, launched with the input next to the file `allowed`.
macro_rules! changed {
    ($name:ident: $($step:item)+) => {
        mod $name {
            use super::*;

            $($step)+

            #[job]
            fn loads(input: PathBuf, #[param(identifying = false)] allowed: PathBuf) {
                load;
            }

            pub(super) fn launch(allowed: PathBuf) -> Launch {
                loads(input(&allowed), allowed)
            }
        }
    };
}

fn input(allowed: &Path) -> PathBuf {
    allowed.with_file_name("in.csv")
}

fn launch(allowed: PathBuf) -> Launch {
    loads(input(&allowed), allowed)
}

/// Fails at 8 of ten rows.
fn begun_with_rows() -> World {
    let world = World::new();
    let rows = (1..=10).fold("number\n".to_owned(), |mut rows, number| {
        let _ = writeln!(rows, "{number}");
        rows
    });
    std::fs::write(world.path("in.csv"), rows).unwrap();
    world.fails(&launch(world.path("allowed")));
    std::fs::write(world.path("allowed"), "").unwrap();
    world
}

changed! { lines:
    #[reader]
    fn rows(input: PathBuf) -> Result<JsonLinesReader<Row>, ReadError> {
        JsonLinesReader::open(input)
    }

    #[step(chunk = 3, skip(ReadError))]
    fn load() {
        rows | number | new_only | checked | keep
    }
}

#[test]
fn another_kind_of_reader_is_refused() {
    let world = begun_with_rows();
    assert_eq!(
        refused(&world, lines::launch),
        "step `load` has committed 2 chunks with 6 items; it was begun with reader `rows` (CsvReader), and has reader `rows` \
         (JsonLinesReader) now"
    );
}

changed! { other_rows:
    #[reader]
    fn other_rows(input: PathBuf) -> Result<CsvReader<Row>, ReadError> {
        CsvReader::open(input)
    }

    #[step(chunk = 3)]
    fn load() {
        other_rows | number | new_only | checked | keep
    }
}

changed! { two_writers:
    #[writer]
    fn audit(_: &[i64]) {}

    #[step(chunk = 3)]
    fn load() {
        rows | number | new_only | checked | (keep, audit)
    }
}

#[test]
fn another_reader_or_writer_is_refused_although_its_kind_is_the_same() {
    let world = begun_with_rows();
    let what = refused(&world, other_rows::launch);
    assert!(
        what.ends_with("reader `rows` (CsvReader), and has reader `other_rows` (CsvReader) now"),
        "{what}"
    );
    let what = refused(&world, two_writers::launch);
    assert!(
        what.ends_with(
            "writer `keep` (FunctionWriter), and has writer `keep`, `audit` ((FunctionWriter, FunctionWriter)) now"
        ),
        "{what}"
    );
}

changed! { limited:
    #[reader]
    fn rows(input: PathBuf) -> Result<Limit<CsvReader<Row>>, ReadError> {
        Ok(CsvReader::open(input)?.limit(10))
    }

    #[step(chunk = 3)]
    fn load() {
        rows | number | new_only | checked | keep
    }
}

changed! { read_ahead:
    #[reader]
    fn rows(input: PathBuf) -> Result<Peekable<CsvReader<Row>>, ReadError> {
        Ok(CsvReader::open(input)?.peekable())
    }

    #[step(chunk = 4)]
    fn load() {
        rows | number | new_only | checked | keep
    }
}

#[test]
fn a_reader_around_the_reader_is_refused_if_it_has_its_own_positions() {
    let world = begun_with_rows();
    let what = refused(&world, limited::launch);
    assert!(what.ends_with("has reader `rows` (Limit<CsvReader>) now"), "{what}");
}

#[test]
fn a_reader_around_the_reader_that_keeps_its_positions_resumes() {
    let world = begun_with_rows();
    world.completes(&read_ahead::launch(world.path("allowed")));
    assert_exact(&world);
}

changed! { other_item:
    #[derive(Deserialize)]
    struct Line {
        number: i64,
        #[serde(default)]
        note: Option<String>,
    }

    #[reader]
    fn rows(input: PathBuf) -> Result<CsvReader<Line>, ReadError> {
        CsvReader::open(input)
    }

    #[processor]
    fn number(line: Line) -> i64 {
        line.number + i64::from(line.note.is_some())
    }

    #[step(chunk = 3)]
    fn load() {
        rows | number | new_only | checked | keep
    }
}

#[test]
fn an_item_may_change() {
    let world = begun_with_rows();
    world.completes(&other_item::launch(world.path("allowed")));
    assert_exact(&world);
}

changed! { without_state:
    #[step(chunk = 3)]
    fn load() {
        rows | number | checked | keep
    }
}

changed! { with_another_state:
    #[processor]
    fn count(number: i64, #[state] count: &mut u64) -> i64 {
        *count += 1;
        number
    }

    #[step(chunk = 3)]
    fn load() {
        rows | number | count | new_only | checked | keep
    }
}

changed! { with_a_state_of_another_type:
    #[derive(Default, Serialize, Deserialize)]
    struct Known(std::collections::BTreeSet<i64>);

    #[processor]
    fn new_only(number: i64, #[state] seen: &mut Known) -> Option<i64> {
        seen.0.insert(number).then_some(number)
    }

    #[step(chunk = 3)]
    fn load() {
        rows | number | new_only | checked | keep
    }
}

#[test]
fn a_state_that_is_added_removed_or_of_another_type_is_refused() {
    let world = begun_with_rows();
    for (after, has) in [
        (without_state::launch as fn(PathBuf) -> Launch, "no `#[state]`"),
        (with_another_state::launch, "the `#[state]` `u64` of `count` and `Seen` of `new_only`"),
        (with_a_state_of_another_type::launch, "the `#[state]` `Known` of `new_only`"),
    ] {
        let what = refused(&world, after);
        let ends = format!("it was begun with the `#[state]` `Seen` of `new_only`, and has {has} now");
        assert!(what.ends_with(&ends), "{what}");
    }
}

changed! { with_one_more_processor:
    #[processor]
    fn same(number: i64) -> i64 {
        number
    }

    #[step(chunk = 3)]
    fn load() {
        rows | number | same | new_only | checked | keep
    }
}

#[test]
fn a_processor_without_state_may_come_or_go() {
    let world = begun_with_rows();
    world.completes(&with_one_more_processor::launch(world.path("allowed")));
    assert_exact(&world);
}

changed! { tasklet:
    #[step]
    fn load(input: PathBuf, allowed: PathBuf) {
        let _ = (input, allowed);
    }
}

#[test]
fn a_pipe_that_became_a_tasklet_is_refused() {
    let world = begun_with_rows();
    let what = refused(&world, tasklet::launch);
    assert!(what.ends_with("it was begun as a step with `chunk`, and is a tasklet now"), "{what}");
}

#[test]
fn a_checkpoint_that_an_earlier_version_stored_without_its_kind_is_accepted() {
    let world = begun_with_rows();
    world.database().execute_batch("DELETE FROM BATCH_STEP_FORM").unwrap();
    world.completes(&launch(world.path("allowed")));
    assert_exact(&world);
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Quality {
    Good,
    Bad,
}

#[step]
fn quality(allowed: PathBuf) -> Quality {
    if allowed.exists() { Quality::Bad } else { Quality::Good }
}

/// Fails until it is allowed.
#[step]
fn wait(allowed: PathBuf, tx: &Transaction<'_>) -> Result<(), String> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")
        .map_err(|error| error.to_string())?;
    if allowed.exists() { Ok(()) } else { Err("not yet".to_owned()) }
}

mod unmatched {
    use super::*;

    #[job]
    pub(super) fn routed(#[param(identifying = false)] allowed: PathBuf) {
        quality;
        wait;
    }
}

mod matched {
    use super::*;

    #[job]
    pub(super) fn routed(#[param(identifying = false)] allowed: PathBuf) {
        match quality {
            Quality::Good => {}
            Quality::Bad => wait,
        }
    }
}

#[test]
fn a_match_on_a_step_that_is_complete_without_one_is_refused() {
    let world = begun(unmatched::routed);
    world.database().execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)").unwrap();
    let what = refused(&world, matched::routed);
    assert!(what.starts_with("it has passed `quality`, which is the subject of a `match` now"), "{what}");
}

#[test]
fn a_tasklet_that_has_done_its_work_in_an_arm_that_is_gone_fails_and_is_not_called_again() {
    let world = begun(unmatched::routed);
    // As after a crash between the commit of the tasklet and the end of its step.
    let context = r#"{"batch.tasklet":"{\"v\":1,\"at\":{\"arm\":\"Quality::Ugly\",\"output\":null}}"}"#;
    world
        .database()
        .execute_batch(&format!(
            "DELETE FROM BATCH_JOURNAL;
             DELETE FROM BATCH_STEP_FORM WHERE STEP_EXECUTION_ID IN (
                 SELECT STEP_EXECUTION_ID FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'wait');
             DELETE FROM BATCH_STEP_EXECUTION_CONTEXT WHERE STEP_EXECUTION_ID IN (
                 SELECT STEP_EXECUTION_ID FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'wait');
             DELETE FROM BATCH_STEP_PROFILE;
             DELETE FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'wait';
             UPDATE BATCH_STEP_EXECUTION SET STATUS = 'FAILED';
             UPDATE BATCH_STEP_EXECUTION_CONTEXT SET SHORT_CONTEXT = '{context}'"
        ))
        .unwrap();
    let failed = world.fails(&matched::routed(world.path("allowed")));
    let why = &failed.exit.description;
    assert!(why.contains("took the arm `Quality::Ugly`, which is no longer there"), "{why}");
}
