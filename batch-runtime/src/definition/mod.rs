//! The traits that the attributes implement and that users implement for their own readers and writers.

mod classifier;
mod context;
mod database;
mod failure;
mod fitness;
mod job;
mod nearest;
mod need;
mod output;
mod parameter;
mod parameter_types;
mod path;
mod processor;
mod processor_fn;
mod reader;
mod resolve;
mod resource;
mod scope;
mod slots;
mod splitting;
mod state;
mod step;
mod writer;

pub use classifier::ClassifierDefinition;
pub use context::{ExecutionId, InstanceId, JobContext, StepContext, StepExecutionId, StopSignal};
pub use database::{
    ChunkTransaction, Connection, Database, DatabaseHandle, DatabaseInfo, Driver, Sqlite, Transaction,
};
pub use failure::{BoxError, Failure, Phase};
pub use fitness::{
    ConnectsTo, IsClassifier, IsError, IsProcessor, IsReaderObject, IsWriter, IsWriterObject, Kept, Leaves,
    Reads, Shared,
};
pub use job::{DeciderInfo, Decides, FlowInfo, JobDefinition, JobInfo, JobOptions, Launch, Runs};
pub use need::{Binding, BoundTo, ComponentUse, Need, NeedKind};
pub use output::{Output, Produces};
pub use parameter::{
    ConstantValue, Parameter, ParameterSpec, ParameterType, ParameterValue, Parameters, TypeName,
};
pub use processor::{Many, Process, ProcessorDefinition, Sink, Then, Through};
pub use processor_fn::{BulkFn, Fallible, Maybe, One, ProcessorFn, Several, Yields};
pub use reader::{Progress, Reader, ReaderDefinition};
pub use resolve::{ParametersError, RUN_ID, parse_parameters, resolve_parameters};
pub use resource::ResourceDefinition;
pub use scope::Scope;
pub use splitting::Splittable;
pub use state::{STATE_LIMIT, State, States};
pub use step::{
    Ended, Pipe, Piped, Repeat, StepDefinition, StepInfo, StepKind, StepOptions, Tasklet, TaskletCall,
};
pub use writer::{Durability, Writer, WriterDefinition};

pub(crate) use context::Values;
pub(crate) use nearest::nearest;
pub(crate) use path::resource_name;
pub(crate) use scope::{Environment, StepEnvironment};
pub(crate) use splitting::evenly;
