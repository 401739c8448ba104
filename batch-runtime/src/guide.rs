//! The guide: how to write, restart, scale and test batch programs.
//!
//! Every program in it is compiled and run as a test of this crate.
//!
//! | page | what it covers |
//! |---|---|
//! | [tour] | a first program, its command line, readers and writers, a table of all constructs, and a glossary |
//! | [components] | the attributes, what a component may ask for, and readers and writers of your own |
//! | [parameters] | the arguments of a job: types, ranges, checks, and what identifies an instance |
//! | [restart] | what exactly survives a kill, and what a restart runs again |
//! | [faults] | skip, retry, and what happens to everything else that fails |
//! | [recipes] | validation, duplicates, lookups, and messages about what was written |
//! | [scaling] | where the time of a step goes; threads, `order = none`, partitions, and many calls in flight |
//! | `profiling` | which functions take the CPU time of a run: flame graphs, two runs compared (feature `profile`) |
//! | [workers] | partitions in other processes, on this machine or on others |
//! | `postgres` | PostgreSQL: the repository on a server, who owns an execution, and rows there (feature `postgres`) |
//! | `http` | pages of an HTTP API: how they are named, resumed and retried (feature `http`) |
//! | [observing] | what a run logs: its spans, `--log`, and subscribers of your own; OpenTelemetry; metrics, a dashboard and alerts |
//! | `scheduling` | jobs that run at set times, never twice for the same time (feature `schedule`) |
//! | [operating] | `doctor`, `purge`, `--on-end`, `--parameters`, comparing executions, and the web page (feature `serve`) |
//! | [testing] | components, steps and jobs in unit tests; restarts, crashes, and whether a job survives them |
//! | [errors] | messages of the compiler and of a run, and what to do about them |
//! | [spring_batch] | the terms of Spring Batch and their equivalents, and five programs side by side |
//!
//! The pages of the attributes say everything about one construct: [`#[step]`](macro@crate::step),
//! [`#[job]`](macro@crate::job), [`#[processor]`](macro@crate::processor), [`#[listener]`](macro@crate::listener),
//! [`#[aggregator]`](macro@crate::aggregator).

#![allow(clippy::doc_markdown, reason = "SQLite and PostgreSQL are names, not code")]

#[doc = include_str!("../docs/guide/tour.md")]
pub mod tour {}

#[doc = include_str!("../docs/guide/components.md")]
pub mod components {}

#[doc = include_str!("../docs/parameters.md")]
pub mod parameters {}

// On a code host, the links of `exact.md` lead to the file `restart.md`. Here they must lead to the second half of this
// page: if a link is defined twice, the first definition counts.
/// [restart]: #what-a-restart-does
/// [changed program]: #a-changed-program
///
#[doc = include_str!("../docs/guide/exact.md")]
#[doc = include_str!("../docs/restart.md")]
pub mod restart {}

#[doc = include_str!("../docs/guide/faults.md")]
pub mod faults {}

#[doc = include_str!("../docs/guide/recipes.md")]
pub mod recipes {}

#[doc = include_str!("../docs/guide/scaling.md")]
#[cfg_attr(feature = "async", doc = include_str!("../docs/guide/scaling_async.md"))]
pub mod scaling {}

#[cfg(feature = "profile")]
#[doc = include_str!("../docs/guide/profiling.md")]
pub mod profiling {}

#[doc = include_str!("../docs/guide/workers.md")]
pub mod workers {}

#[cfg(feature = "postgres")]
#[doc = include_str!("../docs/guide/postgres.md")]
pub mod postgres {}

#[cfg(feature = "http")]
#[doc = include_str!("../docs/guide/http.md")]
pub mod http {}

#[doc = include_str!("../docs/guide/observing.md")]
pub mod observing {}

#[cfg(feature = "schedule")]
#[doc = include_str!("../docs/guide/scheduling.md")]
pub mod scheduling {}

#[doc = include_str!("../docs/guide/operating.md")]
pub mod operating {}

#[doc = include_str!("../docs/guide/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/guide/errors.md")]
pub mod errors {}

#[doc = include_str!("../docs/guide/spring_batch.md")]
#[cfg_attr(feature = "async", doc = include_str!("../docs/guide/spring_batch_async.md"))]
pub mod spring_batch {}
