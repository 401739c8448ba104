//! Turns a `#[listener(event)]` function, given as a closure, into a [`StepListener`] for this one event. Also contains
//! [`ListenerDefinition`], the trait that the attribute implements for the function's marker.

use std::error::Error;

use super::{ChunkTransaction, Failure, Need, Scope, StepListener};
use crate::repository::Counters;

/// Implemented by `#[listener]` for the marker of the annotated function. The implementation is generic over the item
/// types that the function does not observe.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a listener of a step that reads `{In}` and writes `{Out}`",
    label = "observes other items"
)]
pub trait ListenerDefinition<In, Out> {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];
    /// True if it needs the item that a processor failed on.
    const WANTS_ITEMS: bool = false;

    /// Binds the injected arguments.
    ///
    /// # Errors
    /// If an argument is unavailable.
    fn bind<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl StepListener<In, Out> + 's + use<'s, Self, In, Out>, Failure>;
}

/// Implemented by `#[listener]` for listeners of a step, regardless of the item types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a listener of a step",
    label = "must listen to a step",
    note = "put `#[listener(after_step)]`, or another event, on the function of this name;\nlisteners of `before_job` and `after_job` belong in `#[job(listeners(..))]`"
)]
pub trait IsListener {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// Implemented by `#[listener]` if a tasklet can call the function: it observes `before_step` or `after_step`.
#[diagnostic::on_unimplemented(
    message = "listener `{Self}` observes chunks or items, and a tasklet has none",
    label = "would never be called by a tasklet",
    note = "leave it out, or let it observe `before_step` or `after_step`"
)]
pub trait HearsSteps {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// Implemented by `#[listener]` if a step without partitions can call the function.
#[diagnostic::on_unimplemented(
    message = "listener `{Self}` observes partitions, and this step has none",
    label = "would never be called by this step",
    note = "leave it out, let it observe `before_step` or `after_step`, or read the input in parts: `partitions = 8`"
)]
pub trait HearsWholeSteps {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// Implemented by `#[listener]` if the function does not observe single items while they are read and
/// processed.
#[diagnostic::on_unimplemented(
    message = "listener `{Self}` observes single items, which `threads` read and process concurrently",
    label = "would be called by several threads at once",
    note = "leave it out, or let it observe chunks, writes, errors or skips, which come in order; or drop `threads`"
)]
pub trait HearsChunks {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// Implemented by `#[listener]` for the items of a step's reader.
#[diagnostic::on_unimplemented(
    message = "listener `{Self}` does not observe `{Item}`, which this step reads",
    label = "receives `{Item}` here",
    note = "change what the listener observes to `&{Item}`, or leave it out of this step"
)]
pub trait HearsRead<Item> {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// Implemented by `#[listener]` for the items of a step's writer.
#[diagnostic::on_unimplemented(
    message = "listener `{Self}` does not observe `{Item}`, which this step writes",
    label = "receives `{Item}` here",
    note = "change what the listener observes to `{Item}`, or leave it out of this step"
)]
pub trait HearsWritten<Item> {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// Finds an error of type `E`: `error` itself, or one of its sources.
#[must_use]
pub fn find_error<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

macro_rules! events {
    ($($(#[$($of:ident),+])? $adaptor:ident: $event:ident($($argument:ident: $ty:ty),*);)*) => {$(
        #[doc = concat!("Listens to `", stringify!($event), "`.")]
        #[derive(Debug)]
        pub struct $adaptor<F>(pub F);

        impl<In, Out, F: FnMut($($ty),*) -> Result<(), Failure>> StepListener<In, Out> for $adaptor<F> {
            $($(events!(@$of);)+)?

            #[inline]
            fn $event(&mut self, $($argument: $ty),*) -> Result<(), Failure> {
                (self.0)($($argument),*)
            }
        }
    )*};
    (@closely) => { const HEARS_ITEMS: bool = true; };
    (@wanting) => { const WANTS_ITEMS: bool = true; };
    (@writing) => { const WRITES_SKIPS: bool = true; };
    (@chunkwise) => { const HEARS_CHUNKS: bool = true; };
}

events! {
    BeforeStep: before_step();
    AfterStep: after_step(counters: &Counters, failure: Option<&Failure>);
    BeforePartition: before_partition();
    AfterPartition: after_partition(counters: &Counters, failure: Option<&Failure>);
    #[chunkwise] BeforeChunk: before_chunk();
    #[chunkwise] AfterChunk: after_chunk(counters: &Counters);
    OnChunkError: on_chunk_error(error: &Failure);
    #[closely] BeforeRead: before_read();
    #[closely] AfterRead: after_read(item: &In);
    OnReadError: on_read_error(error: &Failure);
    #[closely] BeforeProcess: before_process(item: &In);
    #[closely] AfterProcess: after_process(item: &Out);
    OnProcessError: on_process_error(item: Option<&In>, error: &Failure);
    #[wanting] OnProcessErrorOf: on_process_error(item: Option<&In>, error: &Failure);
    #[chunkwise] BeforeWrite: before_write(items: &[Out]);
    #[chunkwise] AfterWrite: after_write(items: &[Out]);
    #[chunkwise] OnWriteError: on_write_error(items: &[Out], error: &Failure);
    OnSkipInRead: on_skip_in_read(error: &Failure);
    OnSkipInProcess: on_skip_in_process(item: Option<&In>, error: &Failure);
    #[wanting] OnSkipInProcessOf: on_skip_in_process(item: Option<&In>, error: &Failure);
    OnSkipInWrite: on_skip_in_write(item: &Out, error: &Failure);
    #[writing] WriteSkipInRead: write_skip_in_read(error: &Failure, tx: &ChunkTransaction<'_>);
    #[writing] WriteSkipInProcess: write_skip_in_process(item: Option<&In>, error: &Failure, tx: &ChunkTransaction<'_>);
    #[wanting, writing] WriteSkipInProcessOf: write_skip_in_process(item: Option<&In>, error: &Failure, tx: &ChunkTransaction<'_>);
    #[writing] WriteSkipInWrite: write_skip_in_write(item: &Out, error: &Failure, tx: &ChunkTransaction<'_>);
    OnRetry: on_retry(error: &Failure, repeat: u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_hears_only_its_event() {
        let mut heard = Vec::new();
        let mut listener = AfterRead(|item: &u32| {
            heard.push(*item);
            Ok(())
        });
        let listening: &mut dyn StepListenerOfNumbers = &mut listener;
        listening.tell();
        assert_eq!(heard, [7]);
    }

    trait StepListenerOfNumbers {
        fn tell(&mut self);
    }

    impl<L: StepListener<u32, String>> StepListenerOfNumbers for L {
        fn tell(&mut self) {
            self.before_step().unwrap();
            self.before_process(&3).unwrap();
            self.after_read(&7).unwrap();
        }
    }

    #[test]
    fn only_listeners_to_reading_and_processing_hear_items() {
        const fn hears<L: StepListener<u32, u32>>(_: &L) -> bool {
            L::HEARS_ITEMS
        }
        assert!(hears(&AfterRead(|_: &u32| Ok(()))));
        assert!(!hears(&OnSkipInWrite(|_: &u32, _: &Failure| Ok(()))));
    }
}
