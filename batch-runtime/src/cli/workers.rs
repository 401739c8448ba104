//! `worker`, `workers`, and how a run reaches its workers.

use std::io::{Read, Write as _};
use std::sync::Arc;
use std::time::Duration;

use super::arguments::{Globals, RunArguments, TelemetryArguments, Workers};
use super::broker;
use super::console::Console;
use super::documents::{self, worker_status};
use super::output::{done, print_json};
use super::repository::{self, Open};
use crate::definition::{JobInfo, Parameters, parse_parameters};
use crate::engine::{PartitionHandler, has_partitions};
use crate::frontend::parameter;
use crate::frontend::refusal::{Refusal, exit};
use crate::frontend::times::{moment, since};
use crate::observe::table::{Align, Table};
use crate::operator::JobOperator;
use crate::repository::Repository;
use crate::repository::work_queue::{WorkQueue, WorkerId};
use crate::workers::{LocalProcesses, Manager, Worker, WorkerSettings};

/// How long a worker that a manager has started waits for further partitions before it ends.
const IDLE_EXIT: Duration = Duration::from_secs(10);

/// Refuses workers for a job that has nothing for them, and a broker that cannot be used.
pub(super) fn check(
    job: &'static JobInfo,
    arguments: &RunArguments,
    console: &Console,
) -> Result<(), Refusal> {
    if arguments.workers.is_none() {
        return Ok(());
    }
    let has_broker = broker::check(arguments.broker.as_deref(), console)?;
    if has_partitions(job) || (broker::has_chunks(job) && has_broker) {
        return Ok(());
    }
    if broker::has_chunks(job) {
        return Err(Refusal::usage(format!(
            "the steps with `remote` of job `{}` send their chunks over RabbitMQ: name it with `--broker` or `BATCH_BROKER`",
            job.name
        )));
    }
    Err(Refusal::usage(format!(
        "job `{}` has no step with `partitions` or `remote`, so workers have nothing to run: leave `--workers` out",
        job.name
    )))
}

/// Runs the partitions of the operator's jobs on the workers that the arguments name.
pub(super) fn with_workers(
    operator: JobOperator,
    job: &'static JobInfo,
    arguments: &RunArguments,
    globals: &Globals,
    console: &Console,
) -> Result<JobOperator, Refusal> {
    let Some(workers) = &arguments.workers else { return Ok(operator) };
    check(job, arguments, console)?;
    let errors = console.err.clone();
    let repository_url = || {
        let url = repository::absolute(globals.repository.as_deref(), console)?;
        url.into_string()
            .map_err(|_| Refusal::usage("`--workers` needs a repository whose name is valid UTF-8"))
    };
    let manager = match workers {
        Workers::Remote => Manager::remote(),
        Workers::Local(most) => {
            let program = LocalProcesses::new()
                .map_err(|error| Refusal::usage(format!("the workers cannot be started: {error}")))?;
            let program = program.arguments(arguments.telemetry.of_child()?);
            Manager::starting(repository_url()?, program, *most)
        }
        Workers::Command(template) => {
            let most = match template.hosts() {
                [] => arguments.most_workers,
                hosts => u32::try_from(hosts.len()).unwrap_or(u32::MAX),
            };
            Manager::starting(repository_url()?, template.clone(), most)
        }
    };
    let manager = manager.slots(arguments.worker_slots).lines(move |line| errors.line(line));
    let manager = match arguments.workers_wait {
        Some(most) => manager.wait_at_most(most),
        None => manager,
    };
    let broker = broker::open(arguments.broker.as_deref(), &[job], operator.repository(), console)?;
    let (manager, operator) = match broker {
        Some(broker) => {
            broker.check(&manager.queues(job))?;
            broker.connect_run(manager, operator, arguments.replies)
        }
        None => (manager, operator),
    };
    let handler: Arc<dyn PartitionHandler> = Arc::new(manager);
    Ok(operator.partitions(handler))
}

/// `worker`
pub(super) fn work(
    slots: u32,
    idle_exit: Option<Duration>,
    broker: Option<&str>,
    jobs: &[&'static JobInfo],
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    broker::check(broker, console)?;
    let repository = repository::open(globals.repository.as_deref(), console, Open::OrCreate)?;
    let broker = broker::open(broker, jobs, &*repository, console)?;
    let worker = Worker::new(repository, jobs).slots(slots);
    let worker = match broker {
        Some(broker) => {
            broker.check(&worker.queues())?;
            broker.connect_worker(worker)
        }
        None => worker,
    };
    let worker = match idle_exit {
        Some(after) => worker.idle_exit(after),
        None => worker,
    };
    run(worker, console)
}

/// `worker --attached`: the settings are the first line of the standard input.
pub(super) fn work_attached(
    telemetry: &TelemetryArguments,
    program: &str,
    jobs: &[&'static JobInfo],
    console: &Console,
) -> Result<u8, Refusal> {
    let mut first = String::new();
    let read = std::io::stdin().read_line(&mut first);
    let settings: WorkerSettings =
        read.ok().and_then(|_| serde_json::from_str(&first).ok()).ok_or_else(|| {
            Refusal::usage("`--attached` is only for workers that `run --workers` starts: leave it out")
        })?;
    let telemetry = telemetry.open_for_worker(program, settings.trace.clone(), console)?;
    let ended = work_as(settings, jobs, console);
    telemetry.finish(None, console);
    ended
}

/// Works for a manager, with the settings that it has sent.
fn work_as(settings: WorkerSettings, jobs: &[&'static JobInfo], console: &Console) -> Result<u8, Refusal> {
    let repository = repository::open(Some(settings.repository.as_ref()), console, Open::Existing)?;
    if repository.identity() != settings.identity {
        let place = repository.url();
        return Err(Refusal::usage(format!(
            "{place} is not the manager's repository: let this worker and the manager open the same one"
        )));
    }
    let broker = match &settings.broker {
        Some(url) => broker::open(Some(url), jobs, &*repository, console)?,
        None => None,
    };
    let worker =
        Worker::new(repository, jobs).slots(settings.slots).only_for(settings.token).idle_exit(IDLE_EXIT);
    let worker = match broker {
        Some(broker) => broker.connect_attached(worker),
        None => worker,
    };
    let worker = worker.attached(Orders, |hint| {
        // If the manager has ended, writing fails. The worker notices that anyway, because its orders end, too.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{hint}").and_then(|()| out.flush());
    });
    run(worker, console)
}

/// The rest of the standard input: the manager's orders.
struct Orders;

impl Read for Orders {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::io::stdin().read(buffer)
    }
}

fn run(worker: Worker, console: &Console) -> Result<u8, Refusal> {
    let environment = console.environment;
    let worker = worker.drain_on(console.stop.clone()).secrets(move |job| {
        // If one secret does not fit its parameter, all secrets of the environment count as missing.
        parse_parameters(job, parameter::secrets(job, environment)).unwrap_or_else(|_| Parameters::new())
    });
    worker.run()?;
    Ok(exit::COMPLETED)
}

/// `workers`
pub(super) fn list(globals: &Globals, console: &Console) -> Result<(), Refusal> {
    let repository = repository::open(globals.repository.as_deref(), console, Open::Existing)?;
    let workers = queue_of(&*repository)?.workers()?;
    if globals.json {
        print_json(&documents::Workers::of(&workers), console);
        return Ok(());
    }
    if workers.is_empty() {
        console.out.line("there are no workers");
        return Ok(());
    }
    let now = repository.now()?;
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("process", Align::Left),
        ("status", Align::Left),
        ("slots", Align::Right),
        ("since (UTC)", Align::Left),
        ("time", Align::Right),
        ("holds", Align::Left),
    ]);
    for worker in &workers {
        table.row([
            worker.id.to_string(),
            format!("{} on {}", worker.owner.pid, worker.owner.host),
            worker_status(worker).to_owned(),
            worker.slots.to_string(),
            moment(worker.started),
            since(worker.started, now),
            worker.holds.join(", "),
        ]);
    }
    console.out.put(table);
    for worker in &workers {
        if let Some(why) = &worker.declined {
            console.out.line(format_args!("worker {} could not run a partition: {why}", worker.id));
        }
    }
    Ok(())
}

/// `workers drain`
pub(super) fn drain(worker: WorkerId, globals: &Globals, console: &Console) -> Result<(), Refusal> {
    let repository = repository::open(globals.repository.as_deref(), console, Open::Existing)?;
    if !queue_of(&*repository)?.drain(worker)? {
        return Err(Refusal::refused(
            "no_such_worker",
            format!("there is no worker {worker}; `workers` lists them"),
        ));
    }
    let text =
        format!("asked worker {worker} to finish its current chunks, hand its partitions back, and end");
    done(&documents::Drained { worker, asked: "drain" }, &text, globals, console);
    Ok(())
}

fn queue_of(repository: &dyn Repository) -> Result<&dyn WorkQueue, Refusal> {
    repository.work_queue().ok_or_else(|| Refusal::usage("this kind of repository has no workers"))
}
