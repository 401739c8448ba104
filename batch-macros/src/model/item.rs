//! Finds the item types of components, and how items are passed, in the first arguments of processors, writers
//! and classifiers and in the return types of readers and processors.

use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{FnArg, GenericArgument, ItemFn, PathArguments, PathSegment, Type, parse_quote_spanned};

use super::returns::{item_of_impl, type_in_result};
use super::types::{
    as_reference, borrowed_part, is_named, is_static, is_unit, only_argument, shown, with_static_lifetimes,
};
use crate::errors::Errors;

/// How a function takes an item.
pub(crate) struct Taken {
    /// The owned type.
    pub(crate) item: Type,
    pub(crate) by_reference: bool,
}

/// The type of the first argument.
pub(crate) fn first_argument(function: &ItemFn) -> Option<&Type> {
    match function.sig.inputs.first()? {
        FnArg::Typed(typed) => Some(&typed.ty),
        FnArg::Receiver(_) => None,
    }
}

/// `T` of a first argument `&[T]`.
pub(crate) fn slice_element(function: &ItemFn) -> Option<&Type> {
    let reference = as_reference(first_argument(function)?)?;
    match &*reference.elem {
        Type::Slice(slice) => Some(&slice.elem),
        _ => None,
    }
}

/// The item of a processor or classifier, by value or by reference.
pub(crate) fn taken(ty: &Type) -> Taken {
    match as_reference(ty) {
        Some(reference) if !is_static(reference.lifetime.as_ref()) => {
            let inner = &*reference.elem;
            let item = match inner {
                Type::Slice(slice) => {
                    let element = &slice.elem;
                    parse_quote_spanned!(inner.span()=> ::std::vec::Vec<#element>)
                }
                _ if is_named(inner, "str") => parse_quote_spanned!(inner.span()=> ::std::string::String),
                _ if is_named(inner, "Path") => parse_quote_spanned!(inner.span()=> ::std::path::PathBuf),
                _ => inner.clone(),
            };
            Taken { item, by_reference: true }
        }
        _ => Taken { item: ty.clone(), by_reference: false },
    }
}

/// The record that lends this item, if the item borrows.
pub(crate) fn lent(item: &Type) -> Option<Type> {
    borrowed_part(item)?;
    let item = with_static_lifetimes(item);
    Some(parse_quote_spanned!(item.span()=> ::batch_runtime::readers::Lent<#item>))
}

/// The readers that lend their records: such a reader copies each record from its buffer, and the processor decodes it.
const LENDERS: [&str; 1] = ["CsvReader"];

/// Names the lent record in the place of an item that borrows: `CsvReader<Lent<Flight<'static>>>` for
/// `CsvReader<Flight<'_>>`, which a function without references could not return.
pub(crate) fn lend_items(function: &ItemFn) -> ItemFn {
    struct Lend;
    impl VisitMut for Lend {
        fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
            let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else { return };
            if !LENDERS.iter().any(|lender| segment.ident == lender) {
                return visit_mut::visit_path_segment_mut(self, segment);
            }
            for argument in &mut arguments.args {
                if let GenericArgument::Type(item) = argument
                    && let Some(record) = lent(item)
                {
                    *item = record;
                }
            }
        }
    }
    let mut function = function.clone();
    Lend.visit_return_type_mut(&mut function.sig.output);
    function
}

/// How a processor's return value becomes items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Yield {
    One,
    Maybe,
    Several,
    /// Each outcome of a bulk processor is a `Result`, whose value becomes items in this way.
    Fallible(Box<Yield>),
}

/// The kind and the item of a return type without its `Result`.
pub(crate) fn yielded(value: &Type) -> (Yield, Type) {
    if let Some(item) = only_argument(value, "Option") {
        (Yield::Maybe, item.clone())
    } else if let Some(items) = only_argument(value, "Many") {
        let item = parse_quote_spanned! {items.span()=>
            <__Several as ::batch_runtime::__private::Yields<::batch_runtime::__private::Many<#items>>>::Out
        };
        (Yield::Several, item)
    } else {
        (Yield::One, value.clone())
    }
}

/// The kind and the item of one outcome of a bulk processor.
pub(crate) fn bulk_outcome(outcome: &Type) -> (Yield, Type) {
    match type_in_result(outcome) {
        Some(inside) => {
            let (kind, item) = yielded(inside);
            (Yield::Fallible(Box::new(kind)), item)
        }
        None => yielded(outcome),
    }
}

/// The return type of a reader.
pub(crate) enum Source {
    /// `impl Iterator<Item = T>`.
    Iterator { item: Type },
    /// `impl Iterator<Item = Result<T, E>>`.
    FallibleIterator { item: Type },
    /// `impl Reader<Item = T>`, `impl Splittable<Item = T>`.
    OpaqueReader { item: Type, splits: bool },
    /// A type that implements `Reader`.
    Reader,
}

/// Tells which kind of source a type is.
pub(crate) fn source(value: &Type) -> Source {
    if let Some(item) = item_of_impl(value, "Iterator") {
        match type_in_result(&item) {
            Some(inside) => Source::FallibleIterator { item: inside.clone() },
            None => Source::Iterator { item },
        }
    } else if let Some(item) = item_of_impl(value, "Splittable") {
        Source::OpaqueReader { item, splits: true }
    } else if let Some(item) = item_of_impl(value, "Reader") {
        Source::OpaqueReader { item, splits: false }
    } else {
        Source::Reader
    }
}

/// Reports an item that borrows. Items outlive the chunk they came in, so they must own their data.
pub(crate) fn check_owned(item: &Type, errors: &mut Errors) {
    if let Some(part) = borrowed_part(item) {
        let remedy = match as_reference(item) {
            Some(reference) if is_named(&reference.elem, "str") => "`String`".to_owned(),
            Some(reference) => format!("`{}`", shown(&reference.elem)),
            None => "owned fields (`String` for `&str`)".to_owned(),
        };
        errors.at(part, format!("an item must own its data, because it outlives its source: use {remedy}"));
    }
}

/// Reports a function that returns nothing. Returns whether it returns a value.
pub(crate) fn check_returns_value(
    value: &Type,
    written: Option<&Type>,
    function: &ItemFn,
    message: &str,
    errors: &mut Errors,
) -> bool {
    if written.is_none() {
        errors.at(&function.sig.ident, message);
        return false;
    }
    if is_unit(value) {
        errors.at(value, message);
        return false;
    }
    true
}
