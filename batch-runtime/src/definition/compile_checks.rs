//! Traits that hold if a step is wired correctly, with the messages that rustc prints if it is not.

use serde::{Serialize, de::DeserializeOwned};

use super::{AtOnce, ByReference, ByValue, Driver, InWindow, Reader, State, Writer};

/// Implemented by every attribute for the marker of its function.
pub trait Marked {
    /// The word for the function in messages: `reader`, `step`.
    const NOUN: &'static str;
}

/// Items that one thread passes to another.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent between threads, as `threads` requires",
    label = "yields `{Self}`",
    note = "build `{Self}` from `Send` types (`Arc` for `Rc`, owned values for references); or drop `threads`, or use `partitions`"
)]
pub trait Crosses {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Send> Crosses for T {}

/// Ways of taking an item that leave a processor with only one call in flight on each thread of a step.
#[diagnostic::on_unimplemented(
    message = "a step has `threads`, or processors with `concurrency`, not both",
    label = "already works on several items at once",
    note = "drop `threads`: the rest of the step already runs while its calls are in flight; or use `partitions`, each with its own window of calls"
)]
pub trait OneByOne {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl OneByOne for ByValue {}
#[diagnostic::do_not_recommend]
impl OneByOne for ByReference {}
#[diagnostic::do_not_recommend]
impl OneByOne for AtOnce {}

/// Ways in which a step's first processor can take an item so that a listener can still see the item after a failure.
/// If no listener wants to see the item, every way qualifies.
#[diagnostic::on_unimplemented(
    message = "`{In}` is gone when a processor fails: the first processor takes it by value, and it is not `Clone`",
    label = "asks for the `{In}` that failed",
    note = "let the first processor take `&{In}`, which costs nothing; or derive `Clone` for `{In}`, so that a copy can be kept;\nor let the listener observe `Option<&{In}>`, which is `None` here"
)]
pub trait ShowsItem<In, const WANTED: bool> {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<In: Clone> ShowsItem<In, true> for ByValue {}
#[diagnostic::do_not_recommend]
impl<In> ShowsItem<In, false> for ByValue {}
#[diagnostic::do_not_recommend]
impl<In, const WANTED: bool> ShowsItem<In, WANTED> for ByReference {}
#[diagnostic::do_not_recommend]
impl<In, const WANTED: bool> ShowsItem<In, WANTED> for AtOnce {}
/// A concurrent processor returns the item together with the failure.
#[diagnostic::do_not_recommend]
impl<In, How: ShowsItem<In, WANTED>, const WANTED: bool> ShowsItem<In, WANTED> for InWindow<How> {}

/// Processors with state `S` that several threads can run: only those whose state is `()`, which means no state.
#[diagnostic::on_unimplemented(
    message = "the state `{S}` cannot be kept by several threads: each would have its own",
    label = "keeps `{S}` as its `#[state]`",
    note = "use `partitions`, each of which keeps its own state; or share the value as a `#[resource]`; or drop `threads`"
)]
pub trait Shares<S> {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<S: Stateless> Shares<S> for () {}

/// The state of a processor without state.
pub trait Stateless {}

impl Stateless for () {}

/// A writer of a step whose chunks are committed in any order: all its work is in the chunk's transaction.
#[diagnostic::on_unimplemented(
    message = "this writer writes in the order of the input, which `order = none` does not keep",
    label = "continues after its last output",
    note = "drop `order = none`; or use `partitions`, whose outputs are joined in order;\nor write with a function over `&[Item]` or with `SqliteTable`, or return a type of your own whose `Position` is `()`,\nor `impl Writer<Item = .., Position = ()>`"
)]
pub trait InAnyOrder {}

#[diagnostic::do_not_recommend]
impl<W: Writer<Position: Nowhere>> InAnyOrder for W {}

/// The position of a writer whose work is all in the chunk's transaction.
pub trait Nowhere {}

impl Nowhere for () {}

/// Implemented by `#[reader]` for the item type it reads: both readers of `(a, b)` read the same type.
#[diagnostic::on_unimplemented(
    message = "reader `{Self}` does not read `{Item}`",
    label = "reads a different type than the readers before it",
    note = "chained readers must yield the same items"
)]
pub trait Reads<Item> {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// A type that can be `#[state]`: every [`State`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as state",
    label = "a state is saved in the checkpoint",
    note = "write `#[derive(Default, Serialize, Deserialize)]` above `{Self}`"
)]
pub trait Kept {
    /// Named by generated code to check the trait.
    const IS_KEPT: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: State> Kept for T {}

/// A value that a tasklet or an aggregator can return for later steps: every serde type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a step",
    label = "the output of a step is stored as JSON",
    note = "write `#[derive(Serialize, Deserialize)]` above `{Self}`"
)]
pub trait Leaves {
    /// Named by generated code to check the trait.
    const IS_LEFT: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Leaves for T {}

/// A type that a `#[resource]` function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a resource",
    label = "a resource is shared by the threads of a job",
    note = "a resource is `Send` and `Sync`: use `Arc` for `Rc`, `Mutex` for `RefCell`"
)]
pub trait Shared {
    /// Named by generated code to check the trait.
    const IS_SHARED: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Shared for T {}

/// A type that a processor on several threads may take and return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to another thread",
    label = "passes between the threads of `concurrency`",
    note = "make the item `Send`: use `Arc` for `Rc`; or drop `concurrency`"
)]
pub trait ChangesThreads {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Send> ChangesThreads for T {}

/// A type that a processor may return in `Many`: anything that can be iterated over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is one item, and `Many` takes a collection of them",
    label = "cannot be iterated over",
    note = "write `Many<Vec<{Self}>>` for several items, or `{Self}` alone for one"
)]
pub trait Collection {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator> Collection for I {}

/// A type that a `#[database]` function may return: every [`Driver`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not connect to a database",
    label = "not a supported database",
    note = "a `#[database]` function returns how to connect: `Sqlite::open(path)`, `Postgres::at(url)`, or `AnyDatabase::at(url)`"
)]
pub trait ConnectsTo {
    /// Named by generated code to check the trait.
    const IS_DRIVER: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Driver> ConnectsTo for T {}

/// Items that a reader deserialises from records: every serde type that owns its data.
#[diagnostic::on_unimplemented(
    message = "a reader cannot make a `{Self}` from a record",
    label = "`{Self}` does not implement `DeserializeOwned`",
    note = "write `#[derive(Deserialize)]` above `{Self}`; if it has lifetimes, own the data (`String` for `&str`)"
)]
pub trait Deserializes: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Deserializes for T {}

/// Items that a writer serialises to records: every serde type.
#[diagnostic::on_unimplemented(
    message = "a writer cannot make a record from a `{Self}`",
    label = "`{Self}` does not implement `Serialize`",
    note = "write `#[derive(Serialize)]` above `{Self}`"
)]
pub trait Serializes: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Serializes for T {}

/// A type that a `#[reader]` function may return: every [`Reader`]. If an implementation of that trait is only
/// incomplete, rustc reports that.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reader",
    label = "this is not a reader",
    note = "return an `impl Iterator<Item = ..>`, one of the readers of `batch_runtime::readers`,\nor a type of your own that implements `batch_runtime::Reader`"
)]
pub trait IsReaderObject {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

impl<T: Reader> IsReaderObject for T {}

/// A type that a `#[writer]` function may return instead of taking items: every [`Writer`]. If an implementation
/// of that trait is only incomplete, rustc reports that.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a writer",
    label = "this is not a writer",
    note = "write `fn name(items: &[Item])`, or return one of the writers of `batch_runtime::writers`\nor a type of your own that implements `batch_runtime::Writer`"
)]
pub trait IsWriterObject {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

impl<T: Writer> IsWriterObject for T {}

/// A type that a component may return as its error: anything that implements `Display`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error",
    label = "a component's error implements `Display`",
    note = "derive `thiserror::Error` for `{Self}`, implement `Display` for it, or return a `String` or `anyhow::Error`"
)]
pub trait IsError {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<E: std::fmt::Display> IsError for E {}

/// A type that `skip(..)` and `retry(..)` of a step can name: every error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error",
    label = "does not implement `std::error::Error`",
    note = "name a type that implements `std::error::Error`: derive `thiserror::Error` for it;\nfor an `anyhow::Error` or `Box<dyn Error>`, name the error inside"
)]
pub trait NamedError {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<E: std::error::Error + 'static> NamedError for E {}
