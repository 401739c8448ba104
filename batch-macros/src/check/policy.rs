//! A policy looks at an error, may take the count of earlier skips or retries, and answers yes or no.

use syn::{FnArg, ItemFn, ReturnType, Type};

use crate::errors::Errors;
use crate::model::types::{as_reference, is_named, shown};

/// The error that the policy looks at, without the reference; `None` if it is missing, which is reported.
pub(crate) fn check(noun: &str, count: &str, function: &ItemFn, errors: &mut Errors) -> Option<Type> {
    let name = &function.sig.ident;
    let types: Vec<&Type> = function
        .sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    match &function.sig.output {
        ReturnType::Type(_, ty) if is_named(ty, "bool") => {}
        ReturnType::Type(_, ty) => errors.at(ty, format!("a {noun} answers yes or no: write `-> bool`")),
        ReturnType::Default => errors.at(name, format!("a {noun} answers yes or no: write `-> bool`")),
    }
    if let Some(so_far) = types.get(1)
        && !is_named(so_far, "u64")
    {
        errors.at(so_far, format!("the second argument is the count so far: write `{count}: u64`"));
    }
    if let Some(third) = types.get(2) {
        errors.at(third, format!("a {noun} takes only the error and a count: leave this out"));
    }
    let Some(first) = types.first() else {
        errors.at(name, format!("a {noun} looks at an error: write `fn {name}(error: &MyError) -> bool`"));
        return None;
    };
    match as_reference(first) {
        Some(reference) if reference.mutability.is_none() => Some((*reference.elem).clone()),
        _ => {
            let seen = as_reference(first).map_or_else(|| shown(first), |reference| shown(&reference.elem));
            errors.at(first, format!("a {noun} only looks at the error: write `&{seen}`"));
            None
        }
    }
}
