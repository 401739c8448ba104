//! The traits that the attributes implement and that users implement for their own readers and writers.

mod aggregation;
mod any_database;
mod bulk_fn;
mod chunk_transaction;
mod classifier;
mod compile_checks;
mod context;
mod database;
mod database_value;
mod failure;
mod faults;
mod grouping;
mod job;
mod job_listener;
mod lazy_values;
mod listener;
mod listener_fn;
mod local_error;
mod nearest;
mod need;
mod output;
mod output_mark;
mod overrides;
mod panic_origin;
mod parameter;
mod parameter_numbers;
mod parameter_rule;
#[cfg(test)]
mod parameter_tests;
mod parameter_times;
mod parameter_types;
mod parameter_value;
mod partition;
mod path;
mod position_kinds;
mod processor;
mod processor_chain;
mod processor_fn;
#[cfg(test)]
mod processor_tests;
mod raises;
mod rate_limit;
mod reader;
mod resolve_parameters;
mod resource;
mod return_kinds;
mod schedule;
mod scope;
mod splitting;
mod sqlite;
mod state;
mod state_cell;
mod step;
mod step_options;
mod step_sizes;
mod stop_signal;
mod sync;
mod time_limit;
#[cfg(feature = "async")]
mod timed_out;
mod transaction_watch;
mod values;
#[cfg(test)]
mod values_tests;
mod writer;

pub use aggregation::{AggregatedProcessor, Aggregation, AggregatorDefinition, StoredStates};
pub use any_database::{AnyConnection, AnyDatabase, AnyTransaction, DatabaseError};
pub use bulk_fn::BulkFn;
pub use chunk_transaction::{ChunkTransaction, OpenTransaction};
pub use classifier::ClassifierDefinition;
pub use compile_checks::{
    ChangesThreads, Collection, ConnectsTo, Crosses, Deserializes, InAnyOrder, IsError, IsReaderObject,
    IsWriterObject, Kept, Leaves, Marked, NamedError, OneByOne, Reads, Serializes, Shared, Shares, ShowsItem,
};
pub use context::{ExecutionId, InstanceId, JobContext, StepContext, StepExecutionId};
pub use database::{
    Backend, Connection, Database, DatabaseHandle, DatabaseInfo, DatabaseKind, Driver, Of, Transaction,
};
pub use database_value::DatabaseValue;
pub(crate) use database_value::nan;
#[cfg(feature = "remote-chunks")]
pub(crate) use failure::FailureParts;
pub use failure::{BoxError, Failure, Phase};
pub use faults::{Backoff, Covers, FaultRules, Rank, RetryRule, SkipRule};
pub use grouping::{Grouping, GroupingDefinition, IsGrouping, Pairwise, Totalled};
pub use job::{DeciderInfo, Decides, FlowInfo, JobDefinition, JobInfo, JobOptions, Launch, Runs};
pub use job_listener::{JobEnd, JobEvent, JobListener, JobListenerDefinition};
pub use listener::{Listeners, StepListener};
#[doc(hidden)]
pub use listener_fn::{
    AfterChunk, AfterPartition, AfterProcess, AfterRead, AfterStep, AfterWrite, BeforeChunk, BeforePartition,
    BeforeProcess, BeforeRead, BeforeStep, BeforeWrite, OnChunkError, OnProcessError, OnProcessErrorOf,
    OnReadError, OnRetry, OnSkipInProcess, OnSkipInProcessOf, OnSkipInRead, OnSkipInWrite, OnWriteError,
    WriteSkipInProcess, WriteSkipInProcessOf, WriteSkipInRead, WriteSkipInWrite, find_error,
};
pub use listener_fn::{
    HearsChunks, HearsRead, HearsSteps, HearsWholeSteps, HearsWritten, IsListener, ListenerDefinition,
};
pub use need::{Binding, BoundTo, ComponentUse, Need, NeedKind, OPTION};
pub use output::{Output, Produces};
pub use output_mark::Mark;
pub use overrides::Given;
pub use parameter::{ConstantValue, Parameter, ParameterSpec, ParameterType, Parameters, TypeName};
pub use parameter_rule::{ParameterRule, Ranged, Verdict, passes, within};
pub use parameter_value::{BigInteger, BigIntegerError, ParameterValue};
pub use partition::{
    IsRange, IsShared, Partition, Partitioned, PartitionerDefinition, Partitioning, Splits, TakesPartition,
};
pub use position_kinds::{PositionKinds, position_kinds};
pub use processor::{
    AtOnce, ByReference, ByValue, Holds, InWindow, Many, Process, ProcessorDefinition, Sink, Slot,
};
pub use processor_chain::{Then, Through};
pub use processor_fn::{ItemFn, ProcessorFn, ReferenceFn};
pub use raises::{Raises, RaisesAny, RaisesOf, ResultOf};
#[cfg(feature = "http")]
pub(crate) use rate_limit::Turns;
pub use rate_limit::{InvalidRate, RateLimit};
pub use reader::{Progress, Reader, ReaderDefinition};
pub use resolve_parameters::{
    ParametersError, REPLAY, RUN_ID, SCHEDULE_TIME, parse_parameters, resolve_parameters,
};
pub use resource::ResourceDefinition;
pub use return_kinds::{Fallible, Maybe, One, Several, Yields};
pub use schedule::{Missed, OnFailure, Overlap, Schedule};
pub use scope::Scope;
pub use splitting::Splittable;
pub use sqlite::Sqlite;
pub use state::{STATE_LIMIT, State, States};
pub use step::{Ended, Exit, Pipe, Piped, Repeat, StepDefinition, StepInfo, StepKind, Tasklet, TaskletCall};
pub use step_options::{EarlierName, SizedBy, StepOptions};
pub use stop_signal::{StopSignal, Stopped};
pub use time_limit::TimeLimit;
#[cfg(feature = "async")]
pub use timed_out::TimedOut;
pub use writer::{Arranged, Durability, Partitionable, Writer, WriterDefinition};

pub(crate) use local_error::LocalError;
pub(crate) use nearest::nearest;
pub(crate) use panic_origin::{naming, take_passed};
pub(crate) use parameter_times::{Kind, expected};
pub(crate) use partition::{Assigned, decoded, encoded};
pub(crate) use path::{file_uri, path_of_text, path_to_text, resolved_path, resource_name, shown};
pub(crate) use position_kinds::without_modules;
pub(crate) use processor::{forward_process, forward_state};
#[cfg(feature = "serve")]
pub(crate) use resolve_parameters::resolve_without_secrets;
pub(crate) use resolve_parameters::{is_of_ours, resolve_beside};
pub(crate) use scope::{Environment, StepEnvironment};
pub(crate) use splitting::evenly;
pub(crate) use step_sizes::Sizes;
pub(crate) use transaction_watch::TransactionWatch;
pub(crate) use values::{Changes, Moment, Values};
