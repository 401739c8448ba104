//! Receives: the types of a wiring. Gives: traits that hold where the wiring is right, with the words that rustc
//! says where it is not.

use serde::{Serialize, de::DeserializeOwned};

use crate::definition::{Driver, State};

/// `<T as If<{ check; true }>>::Is` is `T` where the check compiles; else an erroneous type, about which rustc
/// reports nothing more.
pub trait If<const HOLDS: bool> {
    type Is: ?Sized;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> If<true> for T {
    type Is = T;
}

/// The value as that type, which it is unless an error was reported before.
#[inline]
pub fn same<T>(value: T) -> T {
    value
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a processor",
    label = "stands where a processor is expected",
    note = "a step is `reader | processor | .. | writer`: between the reader and the writer stand functions with `#[processor]`"
)]
pub trait IsProcessor {
    const IS: () = ();
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a writer",
    label = "stands where a writer is expected",
    note = "a step is `reader | processor | .. | writer`: end it with a function that has `#[writer]`"
)]
pub trait IsWriter {
    const IS: () = ();
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a classifier",
    label = "a step matches on a classifier",
    note = "put `#[classifier]` on a function `fn {Self}(item: &Item) -> Kind`"
)]
pub trait IsClassifier {
    const IS: () = ();
}

#[diagnostic::on_unimplemented(
    message = "reader `{Self}` does not read `{Item}`",
    label = "reads something else than the readers before it",
    note = "readers that are read one after the other give the same items"
)]
pub trait Reads<Item> {
    const IS: () = ();
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as state",
    label = "a state is saved in the checkpoint",
    note = "write `#[derive(Default, Serialize, Deserialize)]` above `{Self}`"
)]
pub trait Kept {
    const IS_KEPT: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: State> Kept for T {}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be left as the output of a step",
    label = "what a step leaves is stored as JSON",
    note = "write `#[derive(Serialize, Deserialize)]` above `{Self}`"
)]
pub trait Leaves {
    const IS_LEFT: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Leaves for T {}

#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a resource",
    label = "a resource is shared by the threads of a job",
    note = "a resource is `Send` and `Sync`: use `Arc` for `Rc`, `Mutex` for `RefCell`"
)]
pub trait Shared {
    const IS_SHARED: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Shared for T {}

#[diagnostic::on_unimplemented(
    message = "`{Self}` is not how to connect to a database",
    label = "no kind of database",
    note = "a `#[database]` function returns `Sqlite`: `Sqlite::open(path)`"
)]
pub trait ConnectsTo {
    const IS_DRIVER: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Driver> ConnectsTo for T {}
