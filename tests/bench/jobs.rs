//! Receives: parameters. Gives: the jobs that are measured, as a user of the framework has them.

use std::convert::Infallible;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use batch_runtime::engine::RunOptions;
use batch_runtime::graph::{Activity, Node, Use};
use batch_runtime::observe::JobReport;
use batch_runtime::readers::{CsvReader, IteratorReader};
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, Repository};
use batch_runtime::writers::{CsvWriter, FunctionWriter, SqliteTable};
use batch_runtime::{
    ChunkTransaction, ComponentUse, Failure, JobDefinition, JobInfo, JobOptions, Launch, Maybe, One,
    ParameterSpec, ParameterType, ParameterValue, Parameters, Pipe, Process, ProcessorFn, Reader, Scope,
    StepDefinition, StepInfo, StepKind, StepOptions, Writer, engine,
};

use crate::data::{Sale, charge};
use crate::{Outcome, memory};

macro_rules! job {
    ($job:ident runs $step:ident, chunk $chunk:expr, ($($parameter:ident: $ty:ty),*);
     $input:ty, $reader:expr; $output:ty, $processor:expr; $writer:expr) => {
        pub(crate) enum $step {}

        impl StepDefinition for $step {
            const INFO: &'static StepInfo = &StepInfo {
                id: concat!(module_path!(), "::", stringify!($step)),
                name: stringify!($step),
                doc: "",
                kind: StepKind::Chunk,
                options: StepOptions::DEFAULT.chunk($chunk),
                components: &[
                    ComponentUse { role: "reader", name: "reader", needs: &[], bindings: &[] },
                    ComponentUse { role: "processor", name: "processor", needs: &[], bindings: &[] },
                    ComponentUse { role: "writer", name: "writer", needs: &[], bindings: &[] },
                ],
                run: |run| engine::run_chunks::<$step>(run),
            };
        }

        impl Pipe for $step {
            type In = $input;
            type Out = $output;

            fn reader<'s>(scope: &Scope<'s>) -> Result<impl Reader<Item = $input> + 's, Failure> {
                let open: fn(&Scope<'s>) -> Result<_, Failure> = $reader;
                open(scope)
            }

            fn processor<'s>(_: &Scope<'s>) -> Result<impl Process<$input, Out = $output> + 's, Failure> {
                Ok($processor)
            }

            fn writer<'s>(scope: &Scope<'s>) -> Result<impl Writer<Item = $output> + 's, Failure> {
                let open: fn(&Scope<'s>) -> Result<_, Failure> = $writer;
                open(scope)
            }
        }

        pub(crate) enum $job {}

        impl JobDefinition for $job {
            const INFO: &'static JobInfo = &JobInfo {
                id: concat!(module_path!(), "::", stringify!($job)),
                name: stringify!($job),
                doc: "",
                parameters: &[$(ParameterSpec::of::<$ty>(stringify!($parameter), "")),*],
                flow: &[Node::Run(Use {
                    name: stringify!($step),
                    activity: Activity::Step(<$step as StepDefinition>::INFO),
                    bindings: &[],
                })],
                options: JobOptions::DEFAULT,
            };
        }
    };
}

job! { AddUpNumbers runs NumbersInMemory, chunk memory::CHUNK, (items: u64);
    u64, |scope| {
        let items: u64 = scope.parameter("items")?;
        Ok(IteratorReader::new(0..black_box(items)))
    };
    u64, ProcessorFn::<(), _, One>::new("scramble", |(), number| Ok(memory::scramble(number)));
    |_| Ok(FunctionWriter::new("add_up", |numbers: &[u64], _: &ChunkTransaction<'_>| {
        memory::add_up(numbers);
        Ok(())
    }))
}

job! { CsvToCsv runs CopySales, chunk 1_000, (input: PathBuf, output: PathBuf);
    Sale, |scope| CsvReader::<Sale>::open(scope.parameter::<PathBuf>("input")?).map_err(Failure::new);
    Sale, ProcessorFn::<(), _, Maybe>::new("charge", |(), sale| Ok(charge(sale)));
    |scope| Ok(CsvWriter::create(scope.parameter::<PathBuf>("output")?))
}

job! { CsvToSqlite runs LoadSales, chunk 1_000, (input: PathBuf);
    Sale, |scope| CsvReader::<Sale>::open(scope.parameter::<PathBuf>("input")?).map_err(Failure::new);
    Sale, ProcessorFn::<(), _, Maybe>::new("charge", |(), sale| Ok(charge(sale)));
    |_| Ok(SqliteTable::<Sale>::into("sale"))
}

/// Chunks before the clock is started: by then the write-ahead log has got its size and is written over, as in a long job.
pub(crate) const WARMING: u64 = 500;

/// Items that are all filtered out, one a chunk; notes how long they take behind the first few.
struct Empty {
    left: u64,
    all: u64,
}

thread_local! {
    static FIRST: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
    static TOOK: std::cell::Cell<Option<std::time::Duration>> = const { std::cell::Cell::new(None) };
}

/// How long the chunks of the last [`EmptyChunks`] took.
pub(crate) fn empty_chunks_took() -> Option<std::time::Duration> {
    TOOK.take()
}

impl Reader for Empty {
    type Item = u64;
    type Position = u64;
    type Error = Infallible;

    fn read(&mut self) -> Result<Option<u64>, Infallible> {
        if self.all - self.left == WARMING {
            FIRST.set(Some(Instant::now()));
        }
        if self.left == 0 {
            TOOK.set(FIRST.take().map(|first| first.elapsed()));
            return Ok(None);
        }
        self.left -= 1;
        Ok(Some(self.left))
    }

    fn position(&self) -> u64 {
        self.all - self.left
    }

    fn resume(&mut self, position: u64) -> Result<(), Infallible> {
        self.left = self.all - position;
        Ok(())
    }
}

job! { EmptyChunks runs CommitNothing, chunk 1, (chunks: u64);
    u64, |scope| {
        let all: u64 = scope.parameter("chunks")?;
        Ok(Empty { left: all, all })
    };
    u64, ProcessorFn::<(), _, Maybe>::new("none", |(), _: u64| Ok(None::<u64>));
    |_| Ok(FunctionWriter::new("nowhere", |_: &[u64], _: &ChunkTransaction<'_>| Ok(())))
}

job! { FirstItem runs TellFirst, chunk 10, (input: String);
    u64, |_| Ok(IteratorReader::new((0..10_u64).inspect(|number| {
        if *number == 0 {
            // The parent waits for this byte.
            let mut output = std::io::stdout();
            output.write_all(b"!").and_then(|()| output.flush()).expect("the parent listens");
        }
    })));
    u64, ProcessorFn::<(), _, One>::new("same", |(), number: u64| Ok(number));
    |_| Ok(FunctionWriter::new("nowhere", |_: &[u64], _: &ChunkTransaction<'_>| Ok(())))
}

/// A parameter.
pub(crate) fn value<T: ParameterType>(value: &T) -> ParameterValue {
    value.to_value().expect("no optional parameter is used here")
}

/// Runs the job on a repository in that file; one that does not complete is an error.
pub(crate) fn run<J: JobDefinition>(
    repository: &Path,
    parameters: &[(&str, ParameterValue)],
) -> Outcome<JobReport> {
    let parameters = parameters
        .iter()
        .fold(Parameters::new(), |parameters, (name, value)| parameters.with(*name, value.clone()));
    let repository: Arc<dyn Repository> = Arc::new(SqliteRepository::open(repository)?);
    let report = engine::run(&repository, &Launch { job: J::INFO, parameters }, &RunOptions::default())?;
    if report.status != BatchStatus::Completed {
        return Err(format!("{} ended as {:?}", report.job, report.exit).into());
    }
    Ok(report)
}
