//! Classifies the arguments of a component. A type that the framework knows is injected by type. Any other reference is
//! a resource, unless it is to a string or a path. Everything else is a parameter of the job.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Ident, ItemFn, Pat, PatType, Type};

use super::types::{as_reference, is_named, last_segment, only_argument, shown, type_arguments};
use crate::errors::Errors;

/// The kind of component that asks for arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Reader,
    Processor,
    /// A writer that is a function over items.
    Writer,
    /// A writer whose function returns an object.
    WriterObject,
    Classifier,
    Resource,
    Database,
    Decider,
    Tasklet,
    /// A listener of a step.
    Listener,
    /// A listener of a step that is notified of skips.
    SkipListener,
    JobListener,
    Partitioner,
    Aggregator,
    /// Decides where a chunk ends.
    Grouping,
}

impl Role {
    /// The noun that messages use.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Processor => "processor",
            Self::Writer | Self::WriterObject => "writer",
            Self::Classifier => "classifier",
            Self::Resource => "resource",
            Self::Database => "database",
            Self::Decider => "decider",
            Self::Tasklet => "tasklet",
            Self::Listener | Self::SkipListener | Self::JobListener => "listener",
            Self::Partitioner => "partitioner",
            Self::Aggregator => "aggregator",
            Self::Grouping => "function of `chunk_while`",
        }
    }

    /// Returns whether the function is called many times with arguments that are bound once.
    pub(crate) fn is_repeated(self) -> bool {
        matches!(
            self,
            Self::Processor
                | Self::Writer
                | Self::Classifier
                | Self::Listener
                | Self::SkipListener
                | Self::Grouping
        )
    }

    /// Returns whether the function's result outlives its arguments, so that the step must keep what they borrow.
    pub(crate) fn outlives_arguments(self) -> bool {
        matches!(self, Self::Reader | Self::WriterObject)
    }

    /// Returns whether the framework passes the first argument.
    pub(crate) fn takes_items(self) -> bool {
        matches!(self, Self::Processor | Self::Writer | Self::Classifier | Self::Aggregator)
    }
}

/// One injected argument.
#[derive(Clone)]
pub(crate) struct Argument {
    pub(crate) name: Ident,
    /// As the user wrote it.
    pub(crate) ty: Type,
    pub(crate) asks: Asks,
}

/// The thing that an argument asks for.
#[derive(Clone)]
pub(crate) enum Asks {
    /// `#[state] seen: &mut S`.
    State(Type),
    StepContext,
    JobContext,
    /// `&Transaction<'_>`, `&Transaction<'_, warehouse>`.
    Transaction(Option<Type>),
    /// `&Connection`, `&Connection<warehouse>`.
    Connection(Option<Type>),
    /// `&Output<step>`, `Option<&Output<step>>`.
    Output {
        step: Type,
        optional: bool,
    },
    /// `Partition<Range>` or a reference to it.
    Partition {
        range: Type,
        by_reference: bool,
    },
    /// The job's parameter with the argument's name, of this owned type.
    Parameter {
        owned: Type,
        by_reference: bool,
    },
    /// The resource whose function has the argument's name.
    Resource,
}

/// The types that are injected by type, each with its required spelling.
const BY_TYPE: [(&str, &str); 5] = [
    ("StepContext", "&StepContext"),
    ("JobContext", "&JobContext"),
    ("Transaction", "&Transaction<'_>"),
    ("Connection", "&Connection"),
    ("Output", "&Output<step>"),
];

/// The types that belong to parameters and never to a resource.
const BY_VALUE: [&str; 19] = [
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "f32",
    "f64",
    "bool",
    "Date",
    "DateTime",
    "Timestamp",
    "Option",
];

/// Classifies the injected arguments of a function: all except the first `first`.
pub(crate) fn arguments(role: Role, function: &ItemFn, first: usize, errors: &mut Errors) -> Vec<Argument> {
    function
        .sig
        .inputs
        .iter()
        .skip(first)
        .filter_map(|input| match input {
            // rustc itself refuses `self` outside an impl.
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => argument(role, typed, errors),
        })
        .collect()
}

fn argument(role: Role, typed: &PatType, errors: &mut Errors) -> Option<Argument> {
    let name = match &*typed.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => pattern.ident.clone(),
        other => {
            errors.at(other, "an injected argument needs a plain name: write a name here, not a pattern");
            return None;
        }
    };
    let asks = match state_attribute(&typed.attrs) {
        Some(attribute) => state(role, attribute, typed, errors)?,
        None => asks(role, &name, &typed.ty, errors)?,
    };
    Some(Argument { name, ty: (*typed.ty).clone(), asks })
}

fn state_attribute(attributes: &[Attribute]) -> Option<&Attribute> {
    attributes.iter().find(|attribute| attribute.path().is_ident("state"))
}

fn state(role: Role, attribute: &Attribute, typed: &PatType, errors: &mut Errors) -> Option<Asks> {
    if !matches!(role, Role::Processor | Role::Tasklet | Role::Grouping) {
        errors.at(
            attribute,
            format!(
                "a {} keeps no state: processors and tasklets do{}",
                role.noun(),
                match role {
                    Role::Reader => "; the engine saves the reader's position: to save more, implement `Reader` with your own `Position`",
                    Role::Writer | Role::WriterObject =>
                        "; move it into a processor before the writer, or implement `Writer` with your own `Position`",
                    _ => "",
                }
            ),
        );
        return None;
    }
    match as_reference(&typed.ty) {
        Some(reference) if reference.mutability.is_some() => Some(Asks::State((*reference.elem).clone())),
        Some(reference) => {
            errors
                .at(&typed.ty, format!("state is changed in place: write `&mut {}`", shown(&reference.elem)));
            None
        }
        None => {
            errors.at(&typed.ty, format!("state is changed in place: write `&mut {}`", shown(&typed.ty)));
            None
        }
    }
}

fn asks(role: Role, name: &Ident, ty: &Type, errors: &mut Errors) -> Option<Asks> {
    if let Some(reference) = as_reference(ty) {
        return by_reference(role, name, reference, errors);
    }
    if let Some(inner) = only_argument(ty, "Option").and_then(as_reference)
        && let Some(step) = only_argument(&inner.elem, "Output")
    {
        return Some(Asks::Output { step: step.clone(), optional: true });
    }
    if let Some(range) = only_argument(ty, "Partition") {
        return Some(Asks::Partition { range: range.clone(), by_reference: false });
    }
    if let Some(segment) = last_segment(ty)
        && let Some((word, written)) = BY_TYPE.iter().find(|(word, _)| segment.ident == word)
    {
        let why = match *word {
            "Transaction" => "the engine commits the transaction, and a component borrows it",
            _ => "a component borrows it",
        };
        let written = match type_arguments(segment).first() {
            Some(database) if *word == "Transaction" => format!("&Transaction<'_, {}>", shown(database)),
            Some(argument) => format!("&{word}<{}>", shown(argument)),
            None => (*written).to_owned(),
        };
        errors.at(ty, format!("write `{name}: {written}`: {why}"));
        return None;
    }
    if let Some(found) = super::types::impl_trait(ty) {
        errors.at(
            found,
            format!(
                "`{name}` is injected by name, so it needs a concrete type: write the type of the job's parameter"
            ),
        );
        return None;
    }
    Some(Asks::Parameter { owned: ty.clone(), by_reference: false })
}

fn by_reference(
    role: Role,
    name: &Ident,
    reference: &syn::TypeReference,
    errors: &mut Errors,
) -> Option<Asks> {
    let inner = &*reference.elem;
    if reference.mutability.is_some() {
        let remedy = match role {
            Role::Processor | Role::Tasklet => {
                format!(
                    "put `#[state]` before it if it is the {}'s state, or take `&{}`",
                    role.noun(),
                    shown(inner)
                )
            }
            _ => format!("write `&{}`", shown(inner)),
        };
        errors.at(reference, format!("an injected argument is shared and cannot be `&mut`: {remedy}"));
        return None;
    }
    if let Some(segment) = last_segment(inner) {
        let argument = type_arguments(segment).first().map(|ty| (*ty).clone());
        match segment.ident.to_string().as_str() {
            "StepContext" => return Some(Asks::StepContext),
            "JobContext" => return Some(Asks::JobContext),
            "Transaction" => return Some(Asks::Transaction(argument)),
            "Connection" => return Some(Asks::Connection(argument)),
            "Partition" if argument.is_some() => {
                return argument.map(|range| Asks::Partition { range, by_reference: true });
            }
            "Output" => {
                if argument.is_none() {
                    errors.leave_to_rustc();
                }
                return argument.map(|step| Asks::Output { step, optional: false });
            }
            _ => {}
        }
    }
    if let Some(step) = only_argument(inner, "Option").and_then(|ty| only_argument(ty, "Output")) {
        errors.at(
            reference,
            format!("write `{name}: Option<&Output<{}>>`: the reference goes inside", shown(step)),
        );
        return None;
    }
    if let Some(owned) = owned_form(inner) {
        return Some(Asks::Parameter { owned, by_reference: true });
    }
    if let Some(word) = last_segment(inner).filter(|word| BY_VALUE.contains(&word.ident.to_string().as_str()))
    {
        errors.at(
            reference,
            format!(
                "`{name}` is a job parameter, which is passed by value: write `{name}: {}`; a resource needs its own type",
                shown(word)
            ),
        );
        return None;
    }
    if let Some(found) = super::types::impl_trait(inner) {
        errors.at(
            found,
            format!(
                "`{name}` is injected by name, so it needs a concrete type: write the type of the resource"
            ),
        );
        return None;
    }
    Some(Asks::Resource)
}

/// The owned type of a parameter that is taken by reference.
fn owned_form(inner: &Type) -> Option<Type> {
    let owned = if is_named(inner, "str") {
        syn::parse_quote_spanned!(inner.span()=> ::std::string::String)
    } else if is_named(inner, "Path") {
        syn::parse_quote_spanned!(inner.span()=> ::std::path::PathBuf)
    } else if is_named(inner, "String") || is_named(inner, "PathBuf") {
        inner.clone()
    } else {
        return None;
    };
    Some(owned)
}

impl Argument {
    pub(crate) fn span(&self) -> Span {
        self.name.span()
    }
}
