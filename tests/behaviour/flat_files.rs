//! Groups of lines, fixed columns, trailers and totals, through restarts, threads, partitions and skips.

use batch_runtime::prelude::*;
use batch_runtime::readers::FixedColumn;
use batch_runtime::writers::{FixedWriter, WithTotals};
use batch_runtime::{BoxError, Launch, Totals};

use crate::support::{World, step};

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Order {
    id: u32,
    cents: i64,
}

/// `H17` begins an order, and each `I250` adds to it.
fn order(record: &str) -> Result<Order, BoxError> {
    let mut lines = record.lines();
    let id = lines.next().unwrap_or_default().trim_start_matches('H').parse()?;
    let mut cents = 0;
    for line in lines {
        cents += line.trim_start_matches('I').parse::<i64>()?;
    }
    Ok(Order { id, cents })
}

fn is_complete(trailer: &str, orders: u64) -> Result<(), String> {
    if trailer == format!("T{orders}") { Ok(()) } else { Err(format!("{orders} orders before `{trailer}`")) }
}

#[reader]
fn orders(input: PathBuf) -> Result<LinesReader<Order>, ReadError> {
    LinesReader::options()
        .record_begins(|line| line.starts_with(['H', 'T']))
        .trailer(is_complete)
        .parse(order)
        .open(input)
}

#[processor]
fn check(order: Order, fail_at: Option<u32>) -> Result<Order, String> {
    if fail_at == Some(order.id) { Err(format!("order {} is refused", order.id)) } else { Ok(order) }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Sum {
    cents: i64,
}

impl Totals<Order> for Sum {
    fn add(&mut self, order: &Order) {
        self.cents += order.cents;
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.cents += other.cents;
    }
}

#[writer]
fn report(output: PathBuf) -> WithTotals<FixedWriter<Order>, Sum> {
    let columns = [FixedColumn::new("id", 0..5).right(), FixedColumn::new("cents", 5..12).zeros()];
    FixedWriter::create(output, columns).totals(|sum: &Sum, orders| format!("{orders:>5}{:07}", sum.cents))
}

#[step(chunk = 3)]
fn convert() {
    orders | check | report
}

#[step(chunk = 3, threads = 3)]
fn convert_on_threads() {
    orders | check | report
}

#[step(chunk = 3, partitions = 4)]
fn convert_in_partitions() {
    orders | check | report
}

#[step(chunk = 3, skip(ReadError, limit = 10))]
fn convert_what_is_good() {
    orders | check | report
}

macro_rules! jobs {
    ($($job:ident: $step:ident;)*) => {$(
        #[job]
        fn $job(input: PathBuf, output: PathBuf, #[param(identifying = false)] fail_at: Option<u32>) {
            $step;
        }
    )*};
}

jobs! {
    converting: convert;
    converting_on_threads: convert_on_threads;
    converting_in_partitions: convert_in_partitions;
    converting_what_is_good: convert_what_is_good;
}

const ORDERS: u32 = 20;

fn input(change: impl Fn(u32) -> String) -> String {
    let orders: Vec<String> = (1..=ORDERS).map(change).collect();
    format!("{}\nT{ORDERS}\n", orders.join("\n"))
}

fn group(id: u32) -> String {
    format!("H{id}\nI{}\nI1", id * 100)
}

fn output(ids: impl Iterator<Item = u32> + Clone) -> String {
    let cents = |id: u32| id * 100 + 1;
    let lines: Vec<String> = ids.clone().map(|id| format!("{id:>5}{:07}", cents(id))).collect();
    format!("{}\n{:>5}{:07}\n", lines.join("\n"), lines.len(), ids.map(cents).sum::<u32>())
}

type Job = fn(PathBuf, PathBuf, Option<u32>) -> Launch;

#[test]
fn groups_and_totals_are_exact_after_a_failure_with_threads_and_with_partitions() {
    // The partition with order 14 may be complete when that with order 8 fails.
    let jobs: [(Job, [u32; 2]); 3] = [
        (|input, output, fail_at| converting(input, output, fail_at), [8, 14]),
        (|input, output, fail_at| converting_on_threads(input, output, fail_at), [8, 14]),
        (|input, output, fail_at| converting_in_partitions(input, output, fail_at), [8, 8]),
    ];
    for (job, failures) in jobs {
        let world = World::new();
        std::fs::write(world.path("in.txt"), input(group)).unwrap();
        let launch = |fail_at| job(world.path("in.txt"), world.path("out.txt"), fail_at);
        for fail_at in failures {
            world.fails(&launch(Some(fail_at)));
            assert!(!world.path("out.txt").exists());
        }
        world.completes(&launch(None));
        assert_eq!(std::fs::read_to_string(world.path("out.txt")).unwrap(), output(1..=ORDERS));
    }
}

#[test]
fn a_bad_group_is_one_skip_with_all_of_its_lines() {
    let world = World::new();
    let bad = |id| if id == 5 { "H5\nI1\nIx\nI2".to_owned() } else { group(id) };
    std::fs::write(world.path("in.txt"), input(bad)).unwrap();
    let report = world.completes(&converting_what_is_good(world.path("in.txt"), world.path("out.txt"), None));
    assert_eq!(step(&report, "convert_what_is_good").counters.read_skip, 1);
    let good = (1..=ORDERS).filter(|id| *id != 5);
    assert_eq!(std::fs::read_to_string(world.path("out.txt")).unwrap(), output(good));
    let record: String =
        world.database().query_row("SELECT ITEM FROM BATCH_SKIPPED_ITEM", [], |row| row.get(0)).unwrap();
    assert_eq!(record, "H5\nI1\nIx\nI2");
}

#[test]
fn nothing_of_an_incomplete_file_is_processed_whatever_may_be_skipped() {
    let world = World::new();
    let whole = input(group);
    let cut = whole.replace("H20\nI2000\nI1\n", "");
    std::fs::write(world.path("in.txt"), cut).unwrap();
    for job in [converting_what_is_good as fn(_, _, _) -> _, converting_in_partitions] {
        let report = world.fails(&job(world.path("in.txt"), world.path("out.txt"), None));
        let text = &report.exit.description;
        assert!(text.contains("trailer: 19 orders before `T20`"), "{text}");
        assert!(report.steps.iter().all(|step| step.counters.commit == 0), "{report:?}");
    }
}
