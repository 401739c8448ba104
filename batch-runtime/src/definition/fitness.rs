//! Receives: the types of a wiring. Gives: traits that hold where the wiring is right, with the words that rustc
//! says where it is not.

use serde::{Serialize, de::DeserializeOwned};

use super::{AtOnce, ByReference, ByValue, Driver, InWindow, Reader, State, Writer};

/// What every attribute implements for the marker of its function.
pub trait Marked {
    /// What messages call the function: `reader`, `step`.
    const NOUN: &'static str;
}

/// Items that one thread hands to another.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot go from one thread to another, and `threads` hands it on",
    label = "gives `{Self}`",
    note = "make `{Self}` of what is `Send` (`Arc` for `Rc`, owned values for references); or drop `threads`, or use `partitions`"
)]
pub trait Crosses {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Send> Crosses for T {}

/// Processors that have one call under way on each thread of a step; implemented for the ways in which they take their items.
#[diagnostic::on_unimplemented(
    message = "a step has `threads`, or processors with `concurrency`, not both",
    label = "works on several items at once by itself",
    note = "drop `threads`: what stands around this processor runs beside its calls; or use `partitions`, each of which has a window of its own"
)]
pub trait OneByOne {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl OneByOne for ByValue {}
#[diagnostic::do_not_recommend]
impl OneByOne for ByReference {}
#[diagnostic::do_not_recommend]
impl OneByOne for AtOnce {}

/// First processors of a step that leave the item with the engine until it is known whether they failed; implemented for the ways
/// in which they take it. Where nobody wants to see it, all do.
#[diagnostic::on_unimplemented(
    message = "`{In}` is gone when a processor fails: the first one takes it by value, and it is no `Clone`",
    label = "asks for the `{In}` that failed",
    note = "let the first processor take `&{In}`, which costs nothing; or derive `Clone` for `{In}`, of which a copy is then kept;\nor let the listener observe `Option<&{In}>`, which is `None` here"
)]
pub trait ShowsItem<In, const WANTED: bool> {
    /// Named by generated code, to ask whether the trait holds.
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
/// It gives the item back with the failure.
#[diagnostic::do_not_recommend]
impl<In, How: ShowsItem<In, WANTED>, const WANTED: bool> ShowsItem<In, WANTED> for InWindow<How> {}

/// Processors whose state is `S` and that several threads run; implemented for `()`, as a reference to any other is none.
#[diagnostic::on_unimplemented(
    message = "the state `{S}` cannot be kept by several threads: each would have its own",
    label = "keeps `{S}` as its `#[state]`",
    note = "use `partitions`, each of which keeps its own; or share what all need as a `#[resource]`; or drop `threads`"
)]
pub trait Shares<S> {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<S: Stateless> Shares<S> for () {}

/// The state of a processor that keeps none.
pub trait Stateless {}

impl Stateless for () {}

/// A writer of a step whose chunks are committed in any order: one that is nowhere but in the chunk's transaction.
#[diagnostic::on_unimplemented(
    message = "this writer writes in the order of the input, which `order = none` does not keep",
    label = "goes on behind what it wrote last",
    note = "drop `order = none`; or use `partitions`, which put together in order what each has written;\nor write with a function over `&[Item]` or with `SqliteTable`, or return a type of your own whose `Position` is `()`,\nor `impl Writer<Item = .., Position = ()>`"
)]
pub trait InAnyOrder {}

#[diagnostic::do_not_recommend]
impl<W: Writer<Position: Nowhere>> InAnyOrder for W {}

/// The position of a writer whose work is all in the chunk's transaction.
pub trait Nowhere {}

impl Nowhere for () {}

/// What `#[reader]` implements for the one item type it reads: readers in `(a, b)` read the same.
#[diagnostic::on_unimplemented(
    message = "reader `{Self}` does not read `{Item}`",
    label = "reads something else than the readers before it",
    note = "readers that are read one after the other give the same items"
)]
pub trait Reads<Item> {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

/// What can be `#[state]`: every [`State`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as state",
    label = "a state is saved in the checkpoint",
    note = "write `#[derive(Default, Serialize, Deserialize)]` above `{Self}`"
)]
pub trait Kept {
    /// Named by generated code, to ask whether the trait holds.
    const IS_KEPT: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: State> Kept for T {}

/// What a tasklet or an aggregator can leave to later steps: every serde type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be left as the output of a step",
    label = "what a step leaves is stored as JSON",
    note = "write `#[derive(Serialize, Deserialize)]` above `{Self}`"
)]
pub trait Leaves {
    /// Named by generated code, to ask whether the trait holds.
    const IS_LEFT: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Leaves for T {}

/// What a `#[resource]` function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a resource",
    label = "a resource is shared by the threads of a job",
    note = "a resource is `Send` and `Sync`: use `Arc` for `Rc`, `Mutex` for `RefCell`"
)]
pub trait Shared {
    /// Named by generated code, to ask whether the trait holds.
    const IS_SHARED: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Shared for T {}

/// What a processor on several threads may take and return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to another thread",
    label = "passes between the threads of `concurrency`",
    note = "an item is `Send` there: use `Arc` for `Rc`; or drop `concurrency`"
)]
pub trait ChangesThreads {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Send> ChangesThreads for T {}

/// What a processor may return in `Many`: whatever is iterated over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is one item, and `Many` takes a collection of them",
    label = "cannot be iterated over",
    note = "write `Many<Vec<{Self}>>` for several items, or `{Self}` alone for one"
)]
pub trait Collection {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator> Collection for I {}

/// What a `#[database]` function may return: every [`Driver`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not how to connect to a database",
    label = "no kind of database",
    note = "a `#[database]` function returns `Sqlite`: `Sqlite::open(path)`"
)]
pub trait ConnectsTo {
    /// Named by generated code, to ask whether the trait holds.
    const IS_DRIVER: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Driver> ConnectsTo for T {}

/// Items that a reader makes of records: every serde type that owns its data.
#[diagnostic::on_unimplemented(
    message = "a reader cannot make a `{Self}` of a record",
    label = "`{Self}` does not say how it is read",
    note = "write `#[derive(Deserialize)]` above `{Self}`; where it has lifetimes, own the data (`String` for `&str`)"
)]
pub trait Deserializes: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Deserializes for T {}

/// Items that a writer makes records of: every serde type.
#[diagnostic::on_unimplemented(
    message = "a writer cannot make a record of a `{Self}`",
    label = "`{Self}` does not say how it is written",
    note = "write `#[derive(Serialize)]` above `{Self}`"
)]
pub trait Serializes: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Serializes for T {}

/// What a `#[reader]` function may return: every [`Reader`]. Where a reader lacks something of its own, rustc says that.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reader",
    label = "this is not a reader",
    note = "return an `impl Iterator<Item = ..>`, one of the readers of `batch_runtime::readers`,\nor a type of your own that implements `batch_runtime::Reader`"
)]
pub trait IsReaderObject {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

impl<T: Reader> IsReaderObject for T {}

/// What a `#[writer]` function may return in place of taking items: every [`Writer`]. Where a writer lacks something of its
/// own, rustc says that.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a writer",
    label = "this is not a writer",
    note = "write `fn name(items: &[Item])`, or return one of the writers of `batch_runtime::writers`\nor a type of your own that implements `batch_runtime::Writer`"
)]
pub trait IsWriterObject {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

impl<T: Writer> IsWriterObject for T {}

/// What a component may return as its error: whatever can be shown.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error",
    label = "a component's error can be shown",
    note = "derive `thiserror::Error` for `{Self}`, implement `Display` for it, or return a `String` or `anyhow::Error`"
)]
pub trait IsError {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<E: std::fmt::Display> IsError for E {}

/// What `skip(..)` and `retry(..)` of a step can name: every error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error",
    label = "does not implement `std::error::Error`",
    note = "name a type that implements `std::error::Error`: derive `thiserror::Error` for it;\nof an `anyhow::Error` or `Box<dyn Error>` name what is inside"
)]
pub trait NamedError {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<E: std::error::Error + 'static> NamedError for E {}
