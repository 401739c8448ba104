//! `aggregator = f` combines the results of the partitions, in their order and once, into the step's output.

use std::collections::BTreeMap;
use std::sync::Mutex;

use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;
use batch_runtime::writers::JsonLinesWriter;

use crate::support::{World, step};

/// The numbers read in one partition: the first, and how many.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    first: Option<u32>,
    many: u32,
    sum: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Total {
    firsts: Vec<u32>,
    many: u32,
    sum: u64,
    parts: usize,
}

#[reader]
fn numbers(count: u32) -> VecReader<u32> {
    VecReader::new((0..count).collect::<Vec<_>>())
}

/// Sees all numbers, and passes those that are not multiples of three.
#[processor]
fn look(number: u32, #[state] seen: &mut Seen) -> Option<u32> {
    seen.first.get_or_insert(number);
    seen.many += 1;
    seen.sum += u64::from(number);
    (!number.is_multiple_of(3)).then_some(number)
}

/// Fails on the number `bad`.
#[processor]
fn check(number: u32, bad: Option<u32>) -> Result<u32, String> {
    if bad == Some(number) { Err(format!("{number} is bad")) } else { Ok(number) }
}

#[writer]
fn keep(numbers: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

/// How often an aggregator was called, by the job's `tag`.
static CALLS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

fn calls(tag: &str) -> u32 {
    CALLS.lock().unwrap().get(tag).copied().unwrap_or_default()
}

#[aggregator]
fn total(parts: Vec<Seen>, tag: &str) -> Total {
    *CALLS.lock().unwrap().entry(tag.to_owned()).or_default() += 1;
    Total {
        firsts: parts.iter().filter_map(|part| part.first).collect(),
        many: parts.iter().map(|part| part.many).sum(),
        sum: parts.iter().map(|part| part.sum).sum(),
        parts: parts.len(),
    }
}

#[step(allow_start_if_complete)]
fn create_table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS number (n INTEGER); CREATE TABLE IF NOT EXISTS told (told TEXT)",
    )
}

/// Notes the output that it receives.
#[step]
fn tell(total: &Output<load>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let Total { firsts, many, sum, parts } = &**total;
    tx.execute("INSERT INTO told VALUES (?1)", [format!("{many} add up to {sum} in {parts}: {firsts:?}")])
        .map(drop)
}

#[step(chunk = 3, partitions = 4, threads = 1, aggregator = total)]
fn load() {
    numbers | look | check | keep
}

#[job]
fn totals(count: u32, tag: String, #[param(identifying = false)] bad: Option<u32>) {
    create_table;
    load;
    tell;
}

fn told(world: &World) -> Vec<String> {
    world.texts("SELECT told FROM told")
}

fn step_rows(world: &World, execution: i64) -> Vec<String> {
    world.texts(&format!(
        "SELECT STEP_NAME || ' ' || STATUS FROM BATCH_STEP_EXECUTION WHERE JOB_EXECUTION_ID = {execution} ORDER BY STEP_NAME"
    ))
}

#[test]
fn partition_results_are_combined_in_order_and_passed_to_later_steps() {
    let world = World::new();
    world.completes(&totals(40, "order".to_owned(), None));
    assert_eq!(told(&world), ["40 add up to 780 in 4: [0, 10, 20, 30]"]);
    assert_eq!(calls("order"), 1);
}

#[test]
fn a_restart_after_a_failed_partition_has_the_same_result_as_no_failure() {
    for bad in [0, 1, 2, 4, 13, 26, 38] {
        let (world, tag) = (World::new(), format!("bad {bad}"));
        let launch = |bad| totals(40, tag.clone(), bad);
        if bad % 3 == 0 {
            // The number is filtered before it could fail.
            world.completes(&launch(Some(bad)));
        } else {
            let failed = world.fails(&launch(Some(bad)));
            assert!(failed.exit.description.contains("is bad"), "{}", failed.exit.description);
            assert_eq!(calls(&tag), 0, "not all partitions were complete");
            world.completes(&launch(None));
        }
        assert_eq!(told(&world), ["40 add up to 780 in 4: [0, 10, 20, 30]"], "{bad}");
        assert_eq!(calls(&tag), 1);
    }
}

#[test]
fn partitions_that_read_nothing_count_as_the_default() {
    let world = World::new();
    world.completes(&totals(0, "nothing".to_owned(), None));
    assert_eq!(told(&world), ["0 add up to 0 in 1: []"]);
}

/// How the aggregators below fail.
#[aggregator]
fn judge(parts: Vec<Seen>, how: &str) -> Result<u32, String> {
    let many = parts.iter().map(|part| part.many).sum();
    match how {
        "error" => Err(format!("{many} are too few")),
        "panic" => panic!("cannot count to {many}"),
        _ => Ok(many),
    }
}

#[writer]
fn list(output: PathBuf) -> JsonLinesWriter<u32> {
    JsonLinesWriter::create(output)
}

#[step(chunk = 3, partitions = 4, threads = 2, aggregator = judge)]
fn judged() {
    numbers | look | list
}

#[step]
fn tell_judged(many: &Output<judged>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO told VALUES (?1)", [many.to_string()]).map(drop)
}

#[job]
fn judgement(count: u32, output: PathBuf, #[param(identifying = false)] how: String) {
    create_table;
    judged;
    tell_judged;
}

#[test]
fn if_an_aggregator_fails_the_step_fails_and_a_restart_calls_only_the_aggregator() {
    for (how, why) in [("error", "40 are too few"), ("panic", "cannot count to 40")] {
        let world = World::new();
        let output = world.path("numbers.jsonl");
        let launch = |how: &str| judgement(40, output.clone(), how.to_owned());
        let failed = world.fails(&launch(how));
        let told = &failed.exit.description;
        assert!(told.starts_with("step `judged`: aggregating in `judge`: ") && told.ends_with(why), "{told}");
        assert!(!output.exists(), "what was refused is not published");
        let complete = (0..4).map(|number| format!("judged:partition{number} COMPLETED"));
        let rows = step_rows(&world, 1);
        assert_eq!(rows[..2], ["create_table COMPLETED", "judged FAILED"]);
        assert_eq!(rows[2..], complete.collect::<Vec<_>>());

        let report = world.completes(&launch("not"));
        assert_eq!(
            step_rows(&world, 2),
            ["create_table COMPLETED", "judged COMPLETED", "tell_judged COMPLETED"]
        );
        assert_eq!(step(&report, "judged").counters.read, 0);
        assert_eq!(world.texts("SELECT told FROM told"), ["40"]);
        let lines = std::fs::read_to_string(&output).unwrap();
        assert_eq!(lines.lines().count(), 26);
    }
}

// Routes

#[step]
fn tell_failure(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO told VALUES ('failed')", []).map(drop)
}

#[job]
fn routed(count: u32, output: PathBuf, how: String) {
    create_table;
    match judged {
        Completed => tell_judged,
        Failed => tell_failure,
    }
}

#[test]
fn a_job_matches_on_the_outcome_of_the_step_and_not_on_its_output() {
    let world = World::new();
    world.completes(&routed(10, world.path("a.jsonl"), "not".to_owned()));
    world.completes(&routed(10, world.path("b.jsonl"), "error".to_owned()));
    assert_eq!(told(&world), ["10", "failed"]);
}

// A restart of the later steps

#[step]
fn fail_if(fail: bool) -> Result<(), String> {
    if fail { Err("told to".to_owned()) } else { Ok(()) }
}

#[job]
fn failing_later(
    count: u32,
    tag: String,
    #[param(identifying = false)] bad: Option<u32>,
    #[param(identifying = false)] fail: bool,
) {
    create_table;
    load;
    fail_if;
    tell;
}

#[test]
fn a_complete_step_keeps_its_value_and_its_aggregator_is_not_called_again() {
    let world = World::new();
    world.fails(&failing_later(40, "later".to_owned(), None, true));
    world.completes(&failing_later(40, "later".to_owned(), None, false));
    assert_eq!(told(&world), ["40 add up to 780 in 4: [0, 10, 20, 30]"]);
    assert_eq!(calls("later"), 1);
}

// Again, although it is complete

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Count(u32);

#[processor]
fn count(number: u32, #[state] count: &mut Count) -> u32 {
    count.0 += 1;
    number
}

/// Counts as well, under the same name.
mod elsewhere {
    use super::{Deserialize, Serialize};
    use batch_runtime::prelude::processor;

    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub(super) struct Other(pub(super) String);

    #[processor]
    pub(super) fn count(number: u32, #[state] other: &mut Other) -> u32 {
        other.0.push('x');
        number
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Range {
    first: u32,
    last: u32,
}

#[partitioner]
fn ranges(parts: u32) -> Vec<(String, Range)> {
    (0..parts)
        .map(|part| (format!("part {part}"), Range { first: part * 10, last: part * 10 + part }))
        .collect()
}

#[reader]
fn ranged(range: Partition<Range>) -> impl Iterator<Item = u32> {
    range.first..range.last
}

#[processor]
fn refuse_sevens(number: u32) -> Result<u32, std::num::TryFromIntError> {
    if number % 10 == 7 { u32::try_from(-1) } else { Ok(number) }
}

/// Asks for everything that an aggregator may ask for.
#[aggregator]
fn counts(
    parts: Vec<Count>,
    connection: &Connection,
    factor: &Factor,
    step: &StepContext,
    job: &JobContext,
) -> Result<Vec<u32>, Failure> {
    let kept: u32 =
        connection.query_row("SELECT count(*) FROM number", [], |row| row.get(0)).map_err(Failure::new)?;
    let counts: Vec<u32> = parts.into_iter().map(|part| part.0 * factor.0).collect();
    step.put("kept", &kept)?;
    job.put("largest", &counts.iter().max())?;
    Ok(counts)
}

struct Factor(u32);

#[resource]
fn factor(times: u32) -> Factor {
    Factor(times)
}

#[step(
    chunk = 2,
    partitioner = ranges,
    aggregator = counts,
    threads = 2,
    skip(std::num::TryFromIntError),
    allow_start_if_complete
)]
fn count_ranges() {
    ranged | elsewhere::count | refuse_sevens | count | keep
}

#[step]
fn tell_counts(counts: &Output<count_ranges>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO told VALUES (?1)", [format!("{:?}", **counts)]).map(drop)
}

#[job]
fn counted(parts: u32, #[param(identifying = false)] times: u32, #[param(identifying = false)] fail: bool) {
    create_table;
    count_ranges;
    fail_if;
    tell_counts;
}

#[test]
fn the_parts_of_a_partitioner_are_counted_without_their_skipped_items() {
    let world = World::new();
    world.completes(&counted(11, 1, false));
    assert_eq!(told(&world), ["[0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9]"]);
}

#[test]
fn without_partitions_the_aggregator_is_called_with_no_results() {
    let world = World::new();
    world.completes(&counted(0, 1, false));
    assert_eq!(told(&world), ["[]"]);
}

#[test]
fn a_completed_step_that_starts_again_returns_the_new_value() {
    let world = World::new();
    world.fails(&counted(3, 1, true));
    world.completes(&counted(3, 5, false));
    assert_eq!(told(&world), ["[0, 5, 10]"]);
}

// A state without a size

/// Counts nothing, under the same name.
mod silent {
    use super::{Deserialize, Serialize};
    use batch_runtime::prelude::processor;

    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub(super) struct Nothing;

    #[processor]
    pub(super) fn count(number: u32, #[state] nothing: &mut Nothing) -> u32 {
        *nothing = Nothing;
        number
    }
}

#[aggregator]
fn parts_seen(parts: Vec<silent::Nothing>) -> usize {
    parts.len()
}

#[step(chunk = 2, partitioner = ranges, aggregator = parts_seen, threads = 1)]
fn count_silently() {
    ranged | silent::count | count | keep
}

#[step]
fn tell_parts_seen(seen: &Output<count_silently>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO told VALUES (?1)", [seen.to_string()]).map(drop)
}

#[job]
fn silently(parts: u32) {
    create_table;
    count_silently;
    tell_parts_seen;
}

#[test]
fn a_state_that_has_no_size_is_not_taken_from_a_later_processor_of_the_same_name() {
    let world = World::new();
    world.completes(&silently(3));
    assert_eq!(told(&world), ["3"]);
}

#[test]
fn context_entries_of_an_aggregator_are_committed() {
    let world = World::new();
    world.completes(&counted(4, 1, false));
    let kept = "SELECT json_extract(SHORT_CONTEXT, '$.kept[1]') FROM BATCH_STEP_EXECUTION_CONTEXT
                JOIN BATCH_STEP_EXECUTION USING (STEP_EXECUTION_ID) WHERE STEP_NAME = 'count_ranges'";
    assert_eq!(world.numbers(kept), [6]);
    let of_job = world.texts("SELECT SHORT_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT").concat();
    assert!(of_job.contains("largest"), "{of_job}");
}

// Another database

#[database]
fn warehouse(warehouse_path: PathBuf) -> Sqlite {
    Sqlite::open(warehouse_path)
}

#[writer]
fn stock(numbers: &[u32], tx: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS stock (n INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO stock VALUES (?1)", [number]).map(drop))
}

#[step(chunk = 3, partitions = 4, threads = 2, aggregator = total)]
fn stock_up() {
    numbers | look | check | stock
}

#[step]
fn tell_stock(total: &Output<stock_up>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO told VALUES (?1)", [format!("{} of {}", total.many, total.sum)]).map(drop)
}

#[job]
fn stocked(count: u32, tag: String, warehouse_path: PathBuf, #[param(identifying = false)] bad: Option<u32>) {
    create_table;
    stock_up;
    tell_stock;
}

#[test]
fn states_committed_in_another_database_take_precedence() {
    let world = World::new();
    let launch = |bad| stocked(40, "stock".to_owned(), world.path("warehouse.db"), bad);
    world.fails(&launch(Some(26)));
    world.completes(&launch(None));
    assert_eq!(told(&world), ["40 of 780"]);
}
