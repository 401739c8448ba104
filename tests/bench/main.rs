//! `cargo bench [-- [--quick] [--builds] [NAME ..]]` compares the framework with hand-written loops. It prints a table and
//! writes `target/bench.json`, a list of `{name, value, unit, must, aim}`.
//!
//! Both sides of a comparison take turns in this process, and must have the same result. A value is the median of the
//! pairwise ratios. Steps measure how their time splits up, as always. `NAME` selects the benchmarks whose name contains
//! it, `--quick` takes less input and fewer rounds for a first look, and `--builds` adds build times, which take some
//! minutes. The exit code ignores values that miss their limit.

#![expect(clippy::cast_precision_loss, reason = "rates and means are shown with three digits")]

mod advice;
mod builds;
mod commits;
#[cfg(feature = "async")]
mod concurrent;
mod data;
mod documents;
mod executions;
mod faults;
mod files;
mod hand_written;
mod jobs;
mod measure;
mod memory;
mod numbers;
mod pages;
mod partitions;
mod places;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod purge;
mod report;
#[cfg(feature = "serve")]
mod tabs;
mod threads;
#[cfg(all(feature = "amqp", feature = "postgres"))]
mod workers;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use places::Folder;
use report::Row;

/// The result of a benchmark, or the reason why it could not run.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Why this machine cannot run a benchmark.
#[derive(Debug)]
struct Impossible(&'static str);

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Impossible {}

/// The settings of a benchmark run.
struct Plan {
    filters: Vec<String>,
    quick: bool,
    builds: bool,
    memory: Folder,
    disk: Folder,
}

impl Plan {
    /// This much input, or a tenth of it with `--quick`.
    fn size(&self, whole: u64) -> u64 {
        if self.quick { whole / 10 } else { whole }
    }

    /// This many rounds, or three with `--quick`.
    fn rounds(&self, whole: usize) -> usize {
        if self.quick { whole.min(3) } else { whole }
    }

    fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}

type Benchmark = fn(&Plan, &'static str) -> Outcome<Row>;

const BENCHMARKS: &[(&str, Benchmark)] = &[
    ("in_memory", numbers::in_memory),
    ("csv_to_csv_memory", files::csv_to_csv_in_memory),
    ("csv_to_csv_lent", files::csv_to_csv_lent),
    ("csv_to_csv_lent_threads", files::csv_to_csv_lent_on_threads),
    ("csv_to_csv_lent_partitions", files::csv_to_csv_lent_in_partitions),
    ("late_flights", files::late_flights),
    ("csv_to_sqlite_memory", files::csv_to_sqlite_in_memory),
    ("csv_to_csv_disk", files::csv_to_csv_on_disk),
    ("csv_to_sqlite_disk", files::csv_to_sqlite_on_disk),
    ("json_array", documents::json_array),
    ("xml", documents::xml),
    ("faults_good_path", faults::good_path),
    ("faults_good_path_instructions", faults::instructions),
    ("faults_by_value", faults::by_value),
    #[cfg(feature = "async")]
    ("async_window", concurrent::async_window),
    #[cfg(feature = "async")]
    ("movie_companies", pages::movie_companies),
    ("advice", advice::shapes),
    ("csv_to_sqlite_partitions", files::csv_to_sqlite_in_partitions),
    ("csv_to_csv_partitions", files::csv_to_csv_in_partitions),
    ("partitions_1000_first", partitions::first_of_a_thousand),
    ("partitions_1000_total", partitions::all_of_a_thousand),
    ("partitions_10000_first", partitions::first_of_ten_thousand),
    ("partitions_10000_total", partitions::all_of_ten_thousand),
    ("empty_chunk_commit", commits::empty_chunk),
    ("executions_page", executions::page),
    #[cfg(feature = "postgres")]
    ("executions_page_postgres", executions::page_in_postgres),
    ("first_item_new_repository", process::first_item_of_a_new_repository),
    ("first_item_existing_repository", process::first_item_of_an_existing_repository),
    ("memory_growth", process::memory_growth),
    #[cfg(feature = "serve")]
    ("page_ten_tabs", tabs::slow_down),
    #[cfg(feature = "serve")]
    ("page_memory", tabs::memory),
    #[cfg(feature = "serve")]
    ("page_wake_ups", tabs::wake_ups),
    ("purge_beside_job", purge::slow_down),
    ("threads_cpu", threads::cpu),
    ("threads_csv_to_csv", files::csv_to_csv_on_threads),
    ("threads_csv_to_sqlite", files::csv_to_sqlite_on_threads),
    ("threads_trivial", threads::trivial),
    ("synchronized", threads::synchronized),
    ("threads_memory", process::memory_growth_on_threads),
    #[cfg(feature = "postgres")]
    ("postgres_pages", postgres::pages),
    #[cfg(feature = "postgres")]
    ("postgres_pages_of_a_join", postgres::pages_of_a_join),
    #[cfg(feature = "postgres")]
    ("postgres_csv", postgres::plain),
    #[cfg(feature = "postgres")]
    ("postgres_csv_threads", postgres::on_threads),
    #[cfg(feature = "postgres")]
    ("postgres_csv_unordered", postgres::unordered),
    #[cfg(feature = "postgres")]
    ("postgres_csv_network", postgres::delayed),
    #[cfg(feature = "postgres")]
    ("postgres_empty_chunk", postgres::empty_chunk),
    #[cfg(feature = "postgres")]
    ("postgres_partitions_1000_first", postgres::first_of_a_thousand),
    #[cfg(feature = "postgres")]
    ("postgres_partitions_1000_total", postgres::all_of_a_thousand),
    #[cfg(feature = "postgres")]
    ("postgres_memory_growth", postgres::memory_growth),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_cpu", workers::cpu),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_1000", workers::thousand_on_sqlite),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_1000_postgres", workers::thousand_on_postgres),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_1000_rabbitmq", workers::thousand_with_rabbitmq),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_first_claim", workers::first_claim_by_rows),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_first_claim_rabbitmq", workers::first_claim_with_rabbitmq),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_killed_child", workers::killed_child),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_chunks", workers::chunks),
    #[cfg(all(feature = "amqp", feature = "postgres"))]
    ("workers_chunk", workers::chunk),
];

fn main() -> ExitCode {
    if let Some(code) = process::child() {
        return code;
    }
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` does not pass `--bench`, and only checks that the program starts.
    let Some(at) = arguments.iter().position(|argument| argument == "--bench") else {
        return ExitCode::SUCCESS;
    };
    arguments.remove(at);
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Outcome {
    let mut plan = Plan {
        filters: Vec::new(),
        quick: false,
        builds: false,
        memory: Folder::in_memory()?,
        disk: Folder::on_disk()?,
    };
    for argument in arguments {
        match argument.as_str() {
            "--quick" => plan.quick = true,
            "--builds" => plan.builds = true,
            option if option.starts_with("--") => {
                return Err(format!("unknown option `{option}`: there are --quick and --builds").into());
            }
            _ => plan.filters.push(argument),
        }
    }
    if plan.memory.in_memory {
        println!("tmpfs: {}", plan.memory);
    } else {
        println!("tmpfs: none on this machine, on the disk instead: {}", plan.memory);
    }
    println!("disk:  {}", plan.disk);
    let mut rows = Vec::new();
    for (name, benchmark) in BENCHMARKS {
        if plan.wants(name) {
            eprintln!("{name} …");
            match benchmark(&plan, name) {
                Ok(row) => rows.push(row),
                Err(error) if error.is::<Impossible>() => eprintln!("{name} is left out: {error}"),
                Err(error) => return Err(format!("{name}: {error}").into()),
            }
        }
    }
    if plan.builds {
        rows.extend(builds::all(&plan)?);
    }
    if rows.is_empty() {
        let names = BENCHMARKS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "no benchmark has such a name: there are {names}, and with --builds {}",
            builds::NAMES.join(", ")
        )
        .into());
    }
    println!("\n{}", report::table(&rows));
    let json = places::target().join("bench.json");
    report::write_json(&json, &rows)?;
    println!("written to {}", json.display());
    Ok(())
}
