//! The events of `#[listener(..)]`: the arguments that each event passes, and the forms in which a function can
//! take them.

use proc_macro2::{Ident, TokenStream};
use syn::{FnArg, ItemFn, Type, TypeParamBound};

use super::item::{check_owned, taken};
use super::types::{as_reference, is_named, only_argument, shown};
use crate::errors::Errors;
use crate::syntax::nearest::nearest;

/// An argument that an event passes to its listeners.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The item that was read.
    Read,
    /// The item to be written.
    Written,
    /// The items to be written.
    Items,
    Counters,
    /// The failure, if there is one.
    Failure,
    Error,
    /// The number of the retry.
    Repeat,
    /// How a job ended.
    End,
}

impl Shows {
    /// The argument as a user writes it.
    fn argument(self) -> &'static str {
        match self {
            Self::Read | Self::Written => "item: &Item",
            Self::Items => "items: &[Item]",
            Self::Counters => "counters: &Counters",
            Self::Failure => "failure: Option<&Failure>",
            Self::Error => "error: &Failure",
            Self::Repeat => "repeat: u32",
            Self::End => "end: &JobEnd",
        }
    }
}

/// An event of a job or step.
pub(crate) struct Event {
    pub(crate) name: &'static str,
    /// The adaptor type in the runtime, or the enum variant for events of jobs.
    pub(crate) adaptor: &'static str,
    pub(crate) shows: &'static [Shows],
}

impl Event {
    const fn new(name: &'static str, adaptor: &'static str, shows: &'static [Shows]) -> Self {
        Self { name, adaptor, shows }
    }

    pub(crate) fn is_of_job(&self) -> bool {
        self.name.ends_with("_job")
    }

    pub(crate) fn is_of_step(&self) -> bool {
        self.name.ends_with("_step")
    }

    pub(crate) fn is_of_partition(&self) -> bool {
        self.name.ends_with("_partition")
    }

    /// Returns whether the event is a skip.
    pub(crate) fn is_of_skips(&self) -> bool {
        self.name.starts_with("on_skip")
    }

    /// Returns whether the event may lack the item it shows.
    fn may_lack_item(&self) -> bool {
        ["on_process_error", "on_skip_in_process"].contains(&self.name)
    }

    /// Returns whether the event fires for each item while it is read or processed.
    pub(crate) fn is_of_items(&self) -> bool {
        ["before_read", "after_read", "before_process", "after_process"].contains(&self.name)
    }
}

static EVENTS: [Event; 22] = [
    Event::new("before_job", "Before", &[]),
    Event::new("after_job", "After", &[Shows::End]),
    Event::new("before_step", "BeforeStep", &[]),
    Event::new("after_step", "AfterStep", &[Shows::Counters, Shows::Failure]),
    Event::new("before_partition", "BeforePartition", &[]),
    Event::new("after_partition", "AfterPartition", &[Shows::Counters, Shows::Failure]),
    Event::new("before_chunk", "BeforeChunk", &[]),
    Event::new("after_chunk", "AfterChunk", &[Shows::Counters]),
    Event::new("on_chunk_error", "OnChunkError", &[Shows::Error]),
    Event::new("before_read", "BeforeRead", &[]),
    Event::new("after_read", "AfterRead", &[Shows::Read]),
    Event::new("on_read_error", "OnReadError", &[Shows::Error]),
    Event::new("before_process", "BeforeProcess", &[Shows::Read]),
    Event::new("after_process", "AfterProcess", &[Shows::Written]),
    Event::new("on_process_error", "OnProcessError", &[Shows::Read, Shows::Error]),
    Event::new("before_write", "BeforeWrite", &[Shows::Items]),
    Event::new("after_write", "AfterWrite", &[Shows::Items]),
    Event::new("on_write_error", "OnWriteError", &[Shows::Items, Shows::Error]),
    Event::new("on_skip_in_read", "OnSkipInRead", &[Shows::Error]),
    Event::new("on_skip_in_process", "OnSkipInProcess", &[Shows::Read, Shows::Error]),
    Event::new("on_skip_in_write", "OnSkipInWrite", &[Shows::Written, Shows::Error]),
    Event::new("on_retry", "OnRetry", &[Shows::Error, Shows::Repeat]),
];

/// Finds the event with that name; a mistake is reported.
pub(crate) fn event(function: &ItemFn, given: TokenStream, errors: &mut Errors) -> Option<&'static Event> {
    if given.is_empty() {
        errors.at(
            &function.sig.ident,
            "name the event that the listener handles: write `#[listener(after_step)]`, or another event",
        );
        return None;
    }
    let Ok(word) = syn::parse2::<Ident>(given.clone()) else {
        errors.at(
            given,
            "a listener handles one event: write `#[listener(after_step)]`, and a second function for the other event",
        );
        return None;
    };
    let name = word.to_string();
    let found = EVENTS.iter().find(|event| event.name == name);
    if found.is_none() {
        let known = EVENTS.iter().map(|event| event.name);
        let message = if let Some(near) = nearest(&name, known.clone()) {
            format!("no event is called `{name}`; did you mean `{near}`?")
        } else {
            let all: Vec<_> = known.map(|known| format!("`{known}`")).collect();
            format!("no event is called `{name}`; the events are {}", all.join(", "))
        };
        errors.at(word, message);
    }
    found
}

/// The form in which a function takes an error.
pub(crate) enum Seen {
    /// `&Failure`
    Failure,
    /// `&dyn Error`
    Any,
    /// `&LoadError`: the function is called if the failure contains that error.
    Type(Box<Type>),
}

/// The arguments that a listener observes.
#[derive(Default)]
pub(crate) struct Observed {
    /// The item's type, if an item is shown.
    pub(crate) item: Option<Type>,
    pub(crate) error: Option<Seen>,
    /// The number of the function's arguments that are observed.
    pub(crate) arguments: usize,
    /// The item of an event that [may lack it](Event::may_lack_item).
    pub(crate) lacking: Option<Lacking>,
}

/// The form in which a function takes an item that the event may lack.
pub(crate) enum Lacking {
    /// Not at all.
    LeftOut,
    /// `item: &Item`: the function is called only with an item, and the step makes sure there is one.
    Wanted,
    /// `item: Option<&Item>`, with the referenced type.
    Optional(Box<Type>),
}

/// Returns whether the function leaves out the item that the event shows first. Items and errors may both be of
/// any type, so the second argument decides.
fn leaves_item_out(event: &Event, arguments: &[&Type]) -> bool {
    let [Shows::Read | Shows::Written, Shows::Error] = event.shows else { return false };
    let referent = |place: usize| arguments.get(place).and_then(|ty| as_reference(ty)).map(|it| &*it.elem);
    if referent(0).is_some_and(|first| is_named(first, "Failure") || is_any_error(first)) {
        return true;
    }
    event.may_lack_item()
        && arguments.first().is_none_or(|first| only_argument(first, "Option").is_none())
        && referent(1).is_none_or(|second| {
            ["str", "Path", "StepContext", "JobContext", "Transaction", "Connection", "Output", "Partition"]
                .iter()
                .any(|injected| is_named(second, injected))
        })
}

/// Reads the first arguments; mistakes are reported.
pub(crate) fn observed(event: &Event, function: &ItemFn, errors: &mut Errors) -> Observed {
    let mut observed = Observed::default();
    let mut arguments = function.sig.inputs.iter();
    let given: Vec<_> = arguments
        .clone()
        .filter_map(|argument| match argument {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let left_out = leaves_item_out(event, &given);
    if left_out || event.may_lack_item() {
        observed.lacking = Some(if left_out { Lacking::LeftOut } else { Lacking::Wanted });
    }
    for shows in event.shows.iter().skip(usize::from(left_out)) {
        let Some(FnArg::Typed(typed)) = arguments.next() else {
            let all: Vec<_> = event.shows.iter().map(|shows| shows.argument()).collect();
            let name = &function.sig.ident;
            errors.at(
                name,
                format!(
                    "a listener for `{}` is written `fn {name}({})`: put these arguments first",
                    event.name,
                    all.join(", ")
                ),
            );
            return observed;
        };
        observed.arguments += 1;
        let optional = only_argument(&typed.ty, "Option").filter(|_| *shows == Shows::Read);
        if let (Some(Lacking::Wanted), Some(reference)) = (&observed.lacking, optional.and_then(as_reference))
        {
            observed.item = Some(taken(&Type::Reference(reference.clone())).item);
            observed.lacking = Some(Lacking::Optional(reference.elem.clone()));
            continue;
        }
        see(*shows, &typed.ty, event, &mut observed, errors);
    }
    if let Some(item) = &observed.item {
        check_owned(item, errors);
    }
    observed
}

fn see(shows: Shows, ty: &Type, event: &Event, observed: &mut Observed, errors: &mut Errors) {
    let referent =
        as_reference(ty).filter(|reference| reference.mutability.is_none()).map(|reference| &*reference.elem);
    let fits = match (shows, referent) {
        (Shows::Read | Shows::Written, Some(_)) => {
            observed.item = Some(taken(ty).item);
            true
        }
        (Shows::Items, Some(Type::Slice(slice))) => {
            observed.item = Some((*slice.elem).clone());
            true
        }
        (Shows::Counters, Some(referent)) => is_named(referent, "Counters"),
        (Shows::End, Some(referent)) => is_named(referent, "JobEnd"),
        (Shows::Failure, None) => only_argument(ty, "Option")
            .and_then(as_reference)
            .is_some_and(|reference| is_named(&reference.elem, "Failure")),
        (Shows::Repeat, None) => is_named(ty, "u32"),
        (Shows::Error, Some(referent)) => {
            observed.error = Some(seen(referent));
            true
        }
        _ => false,
    };
    if !fits {
        let remedy = match shows {
            Shows::Read | Shows::Written => format!("item: &{}", bare(ty)),
            Shows::Items => format!("items: &[{}]", bare(ty)),
            Shows::Error => format!("error: &{}", bare(ty)),
            other => other.argument().to_owned(),
        };
        errors.at(ty, format!("`{}` passes a different argument here: write `{remedy}`", event.name));
    }
}

/// The type without its reference, slice or `Vec`, as it appears in a signature to write.
fn bare(ty: &Type) -> String {
    match as_reference(ty).map_or(ty, |reference| &*reference.elem) {
        Type::Slice(slice) => shown(&slice.elem),
        other => only_argument(other, "Vec").map_or_else(|| shown(other), shown),
    }
}

fn seen(ty: &Type) -> Seen {
    if is_named(ty, "Failure") {
        Seen::Failure
    } else if is_any_error(ty) {
        Seen::Any
    } else {
        Seen::Type(Box::new(ty.clone()))
    }
}

/// `dyn Error`, in parentheses or not.
pub(crate) fn is_any_error(ty: &Type) -> bool {
    match ty {
        Type::Paren(paren) => is_any_error(&paren.elem),
        Type::TraitObject(object) => object.bounds.iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => {
                bound.path.segments.last().is_some_and(|segment| segment.ident == "Error")
            }
            _ => false,
        }),
        _ => false,
    }
}
