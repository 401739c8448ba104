//! A program for the tests of its process: it writes the numbers from 1 to `to` into a table beside the repository's
//! own, and takes its time. Written against the traits, as one does who uses no attributes.

use std::process::ExitCode;
use std::time::Duration;

use batch_runtime::graph::{Activity, Node, Use};
use batch_runtime::readers::IteratorReader;
use batch_runtime::{
    ChunkTransaction, Failure, JobInfo, JobOptions, ParameterSpec, ParameterType, Pipe, Process, Reader,
    Scope, Sink, Sqlite, StepDefinition, StepInfo, StepKind, StepOptions, Writer, engine,
};

enum Keep {}

impl StepDefinition for Keep {
    const INFO: &'static StepInfo = &StepInfo {
        id: "numbers::keep",
        name: "keep",
        doc: "",
        kind: StepKind::Chunk,
        options: StepOptions::DEFAULT.chunk(5),
        components: &[],
        run: |run| engine::run_chunks::<Self>(run),
    };
}

impl Pipe for Keep {
    type In = u32;
    type Out = u32;

    fn reader<'s>(scope: &Scope<'s>) -> Result<impl Reader<Item = u32> + 's + use<'s>, Failure> {
        Ok(IteratorReader::new(1..=scope.parameter::<u32>("to")?))
    }

    fn processor<'s>(scope: &Scope<'s>) -> Result<impl Process<u32, Out = u32> + 's + use<'s>, Failure> {
        Ok(Slowly(Duration::from_millis(scope.parameter::<u64>("pause")?)))
    }

    fn writer<'s>(_: &Scope<'s>) -> Result<impl Writer<Item = u32> + 's + use<'s>, Failure> {
        Ok(Table)
    }
}

struct Slowly(Duration);

impl Process<u32> for Slowly {
    type Out = u32;

    fn process(&mut self, item: u32, out: &mut impl Sink<u32>) -> Result<(), Failure> {
        std::thread::sleep(self.0);
        out.push(item)
    }
}

struct Table;

impl Writer for Table {
    type Item = u32;
    type Position = ();
    type Error = Failure;

    fn write(&mut self, items: &[u32], tx: &ChunkTransaction<'_>) -> Result<(), Failure> {
        let tx = tx.of::<Sqlite>()?;
        tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)").map_err(Failure::new)?;
        for item in items {
            tx.execute("INSERT INTO kept VALUES (?1)", [*item]).map_err(Failure::new)?;
        }
        Ok(())
    }

    fn position(&self) {}
}

const COUNT: &JobInfo = &JobInfo {
    id: "numbers::count",
    name: "count",
    doc: " Writes numbers down.",
    parameters: &[
        ParameterSpec::of::<u32>("to", " The last number"),
        ParameterSpec {
            default: Some(|| 0_u64.to_value()),
            identifying: false,
            ..ParameterSpec::of::<u64>("pause", " Milliseconds a number")
        },
    ],
    flow: &[Node::Run(Use { name: "keep", activity: Activity::Step(Keep::INFO), bindings: &[] })],
    options: JobOptions::DEFAULT,
};

fn main() -> ExitCode {
    batch_runtime::cli::main(&[COUNT])
}
