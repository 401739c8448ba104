//! The command line of a program: parses the arguments, runs the command through [`JobOperator`], prints the
//! result, and returns an exit code.
//!
//! # Exit codes
//! | code | meaning |
//! |---|---|
//! | 0 | the job completed, or the command succeeded |
//! | 1 | the job failed |
//! | 2 | the command line is wrong (an unknown argument, a bad parameter), or the repository cannot be used |
//! | 3 | the job was stopped |
//! | 4 | refused: already complete, already running, not restartable, the job changed, no such execution |
//!
//! `doctor` exits with 1 if it finds a problem.
//!
//! `show --follow` exits with the code that `run` would have for the execution, with 1 if its process is dead, and with
//! 130 on Ctrl-C, which does not stop the execution.
//!
//! # `--json`
//! `completions`, `worker`, and `schedule` without a subcommand print no JSON, and `show --follow` prints several
//! documents. Every other command prints one document on standard output, with these top-level keys:
//!
//! | command | keys |
//! |---|---|
//! | `jobs` | `jobs` |
//! | `run`, `restart` | `job`, `instance`, `execution`, `continues`, `recovered_from`, `status`, `exit_code`, `exit_description`, `durability`, `elapsed_seconds`, `steps`, `already_complete` |
//! | `executions` | `executions`, `more` |
//! | `show` | the keys of an entry of `executions`, and `continues`, `steps` |
//! | `show --follow` | a document on a line of its own for each change: an entry of `executions`, and at the end the document of `show` |
//! | `show --skipped` | `execution`, `skipped`, `next` |
//! | `stop`, `abandon` | `execution`, `asked` |
//! | `recover` | `recovered` |
//! | `workers` | `workers` |
//! | `workers drain` | `worker`, `asked` |
//! | `graph` | `job`, `format`, `graph` |
//! | `metrics` | `textfile`, `metrics` |
//! | `profile diff` | `samples_before`, `samples_after`, `functions`, `svg` |
//! | `run --due`, `run --backfill` | `job`, `runs` (a document of `run` for each run), `refused`, `waits_for`, `held_by`; or `job`, `times` if nothing was run for lack of `--yes` |
//! | `schedule list` | `schedules` |
//! | `schedule pause`, `schedule resume` | `job`, `paused`, `changed` |
//! | `schedule export` | `format`, `files` |
//! | `purge` | `purged`, `instances`, `executions`, `jobs` |
//! | `doctor` | `findings` |
//! | `show --compare` | `executions`: both as in `show` |
//! | `serve` | `link`, before it serves |
//! | any refused command | `error`: `kind`, `message`, `exit`, and `detail` if the message needs more than a line |
//!
//! In `run` and `restart`, a failed step has a `failure`: `component`; `phase`, one of `OPEN`, `READ`, `PROCESS`,
//! `WRITE`, `TASKLET`, `AGGREGATE`, `DECIDE`; `location`, the place of the item; `error`, the error with its sources;
//! `panicked`; and `record`, the text of a record that the reader could not read. Unknown parts are `null`. The
//! repository does not store these parts: in `show`, `failure` is `null` and `exit_description` has the text.
//!
//! With `--profile`, `run` and `restart` have `cpu_profile` too, unless the run could not be profiled: `samples`,
//! `in_components`, `components`, `without_lines`, `folded`, `flame_graph`. With `--profile=heap` they have
//! `heap_profile`: `peak_bytes`, `end_bytes`, `at_peak`, `at_end`, `file`. `profile diff` of heaps has
//! `peak_bytes_before`, `peak_bytes_after`, `sites`.

mod arguments;
mod broker;
mod compare;
mod complete;
mod console;
mod doctor;
mod documents;
mod executions;
mod follow;
mod invocation;
#[cfg(feature = "log")]
mod log;
mod metrics;
mod on_end;
mod options;
mod output;
mod parameters_file;
mod profile;
mod purge;
mod recover;
mod repository;
mod run;
#[cfg(feature = "schedule")]
mod schedule;
#[cfg(feature = "serve")]
mod serve;
mod show;
mod signals;
mod skipped;
mod telemetry;
#[cfg(test)]
mod tests;
mod unparsed;
mod workers;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use arguments::Globals;
use console::Console;
use invocation::Invocation;
use options::Parts;
use output::{CLI, done, refuse};
use repository::Open;

use crate::definition::JobInfo;
use crate::frontend::json::Drawing;
use crate::frontend::refusal::{Refusal, exit};
use crate::graph::render;
use crate::operator::JobOperator;
use crate::repository::OperationKind;

/// The whole program, as `batch_runtime::main!` calls it.
///
/// ```no_run
/// use batch_runtime::JobInfo;
///
/// fn main() -> std::process::ExitCode {
///     const JOBS: &[&JobInfo] = &[];
///     batch_runtime::cli::main(JOBS)
/// }
/// ```
#[must_use]
pub fn main(jobs: &[&'static JobInfo]) -> ExitCode {
    keep_freed_memory();
    match signals::stop_signal() {
        Ok(stop) => ExitCode::from(answer(std::env::args_os(), jobs, &Console::of_process(stop))),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: cannot listen for signals: {error}");
            ExitCode::from(exit::FAILED)
        }
    }
}

/// Lets the allocator of glibc keep the memory of a chunk for the next one.
///
/// By default, glibc returns free memory to the system as soon as 128 KiB are free. A chunk frees more than that at
/// once, so the next chunk would ask for its memory again, page by page. When a mapped block is freed, glibc raises the
/// limit to twice the size of the block (`mallopt(3)`, "dynamic mmap threshold"). So this function frees a block of
/// 4 MiB. That block costs nothing, because nothing touches its memory.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(4 << 20)));
}

/// The program as a function, for tests and for embedding. It handles no signals, draws no progress bars, and reads no
/// environment variables. The first of `arguments` is the name of the program. Returns the exit code.
///
/// ```
/// let code = batch_runtime::cli::run_from(["flights", "jobs"], &[], std::io::stdout(), std::io::stderr());
/// assert_eq!(code, 0);
/// ```
pub fn run_from<A: Into<OsString>>(
    arguments: impl IntoIterator<Item = A>,
    jobs: &[&'static JobInfo],
    out: impl Write + Send + 'static,
    err: impl Write + Send + 'static,
) -> u8 {
    answer(arguments, jobs, &Console::of_streams(out, err))
}

fn answer<A: Into<OsString>>(
    arguments: impl IntoIterator<Item = A>,
    jobs: &[&'static JobInfo],
    console: &Console,
) -> u8 {
    let mut arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    // clap would parse the flag after `help` as the name of a command.
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.retain(|word| word != "--help" && word != "-h");
    }
    let jobs = distinct(jobs);
    let program = arguments
        .first()
        .and_then(|path| std::path::Path::new(path).file_name())
        .map_or_else(|| "batch".to_owned(), |name| name.to_string_lossy().into_owned());
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let parse =
        |parts| options::command(&program, &jobs, console.width, parts).try_get_matches_from(&arguments);
    // Only the whole command line knows what to say about arguments that it does not accept.
    let parsed = parse(Parts::NamedIn(&arguments)).or_else(|_| parse(Parts::All));
    let matches = match parsed {
        Ok(matches) => matches,
        Err(error) => return unparsed::unparsed(&error, &arguments, &jobs, console, wants_json),
    };
    let globals = Globals::of(&matches);
    let done = Invocation::of(&matches, &jobs)
        .and_then(|invocation| dispatch(&invocation, &globals, &program, &jobs, console));
    done.unwrap_or_else(|refusal| refuse(&refusal, console, globals.json, globals.quiet))
}

#[expect(clippy::too_many_lines, reason = "an arm for each command")]
fn dispatch(
    invocation: &Invocation,
    globals: &Globals,
    program: &str,
    jobs: &[&'static JobInfo],
    console: &Console,
) -> Result<u8, Refusal> {
    let operator = |how| {
        let repository = repository::open(globals.repository.as_deref(), console, how)?;
        Ok::<_, Refusal>(JobOperator::new(repository).with_jobs(jobs))
    };
    match invocation {
        Invocation::Jobs => show::jobs(jobs, globals, console),
        Invocation::Worker { slots, idle_exit, broker, telemetry } => {
            let telemetry = telemetry.open_for_worker(program, HashMap::new(), console)?;
            let ended = workers::work(*slots, *idle_exit, broker.as_deref(), jobs, globals, console);
            telemetry.finish(None, console);
            return ended;
        }
        Invocation::AttachedWorker { telemetry } => {
            return workers::work_attached(telemetry, program, jobs, console);
        }
        Invocation::Workers => workers::list(globals, console)?,
        Invocation::Drain(worker) => workers::drain(*worker, globals, console)?,
        Invocation::Run { job, next, run } => {
            let launch = run::launch(job, run, console)?;
            workers::check(job, run, console)?;
            run.profile.prepare()?;
            let telemetry = run.telemetry.open(program, console)?;
            let operator = operator(Open::OrCreate)?;
            return telemetry.around(&operator, console, || {
                run::run(operator.clone(), launch, *next, run, globals, console)
            });
        }
        Invocation::Replay { execution, job, run } => {
            run.profile.prepare()?;
            let telemetry = run.telemetry.open(program, console)?;
            let operator = operator(Open::Existing)?;
            return telemetry.around(&operator, console, || {
                run::replay(operator.clone(), *execution, *job, run, globals, console)
            });
        }
        Invocation::Restart { execution, from, run } => {
            run.profile.prepare()?;
            let telemetry = run.telemetry.open(program, console)?;
            let operator = operator(Open::Existing)?;
            return telemetry.around(&operator, console, || {
                run::restart(operator.clone(), *execution, from.as_ref(), run, globals, console)
            });
        }
        #[cfg(feature = "schedule")]
        Invocation::Due { job, run } => {
            let telemetry = run.telemetry.open(program, console)?;
            let operator = operator(Open::OrCreate)?;
            return telemetry
                .around(&operator, console, || schedule::due(&operator, job, run, globals, console));
        }
        #[cfg(feature = "schedule")]
        Invocation::Backfill { job, backfill, run } => {
            let telemetry = run.telemetry.open(program, console)?;
            let operator = operator(Open::OrCreate)?;
            return telemetry.around(&operator, console, || {
                schedule::backfill(&operator, job, backfill, run, globals, console)
            });
        }
        #[cfg(feature = "schedule")]
        Invocation::Schedule(schedule) => return schedule::run(schedule, jobs, globals, program, console),
        Invocation::Stop(execution) => {
            let operator = operator(Open::Existing)?;
            operator.stop(*execution)?;
            operator.did(*execution, OperationKind::Stop, CLI)?;
            let text = format!("asked execution {execution} to stop after its current chunk");
            done(&documents::Asked { execution: *execution, asked: "stop" }, &text, globals, console);
        }
        Invocation::Abandon(execution) => {
            let operator = operator(Open::Existing)?;
            operator.abandon(*execution)?;
            operator.did(*execution, OperationKind::Abandon, CLI)?;
            let text = format!("execution {execution} is abandoned; `run --next` starts a new instance");
            done(&documents::Asked { execution: *execution, asked: "abandon" }, &text, globals, console);
        }
        Invocation::Recover { on_end } => {
            recover::recover(&operator(Open::Existing)?, on_end.as_deref(), globals, console)?;
        }
        Invocation::Executions(listed) => {
            executions::list(&operator(Open::Existing)?, listed, globals, console)?;
        }
        Invocation::Graph { job, format } => {
            let graph = render(job, *format);
            let document = Drawing { job: job.name, format: format.name(), graph: &graph };
            done(&document, graph.trim_end(), globals, console);
        }
        Invocation::GraphOf { execution, format } => {
            let operator = operator(Open::Existing)?;
            let graph = operator.graph(*execution, *format)?;
            let job = &operator.execution(*execution)?.instance.job;
            let document = Drawing { job, format: format.name(), graph: &graph };
            done(&document, graph.trim_end(), globals, console);
        }
        Invocation::Purge(arguments) => {
            purge::purge(&operator(Open::Existing)?, arguments, globals, console)?;
        }
        Invocation::Doctor => return doctor::doctor(&operator(Open::Existing)?, globals, console),
        #[cfg(feature = "serve")]
        Invocation::Serve(arguments) => return serve::run(arguments, program, jobs, globals, console),
        Invocation::Completions(shell) => complete::print(*shell, program, jobs, console),
        Invocation::Metrics(textfile) => {
            let repository = repository::open(globals.repository.as_deref(), console, Open::Existing)?;
            metrics::show(&*repository, textfile.as_deref(), globals, console)?;
        }
        Invocation::ProfileDiff(diff) => diff.show(jobs, globals, console)?,
        Invocation::Show(execution) => {
            show::show(&operator(Open::Existing)?, *execution, globals, console)?;
        }
        Invocation::Compare(one, other) => {
            compare::show(&operator(Open::Existing)?, *one, *other, globals, console)?;
        }
        Invocation::Follow(execution) => {
            return follow::follow(&operator(Open::Existing)?, *execution, globals, console);
        }
        Invocation::Skipped { page, csv } => {
            skipped::show(&operator(Open::Existing)?, page, *csv, globals, console)?;
        }
    }
    Ok(exit::COMPLETED)
}

/// Keeps one job for each name: clap panics on two commands with the same name.
fn distinct(jobs: &[&'static JobInfo]) -> Vec<&'static JobInfo> {
    let mut distinct: Vec<&'static JobInfo> = Vec::with_capacity(jobs.len());
    for job in jobs {
        if !distinct.iter().any(|known| known.name == job.name) {
            distinct.push(job);
        }
    }
    distinct
}
