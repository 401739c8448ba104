//! A component is an ordinary, non-generic function that the framework can call.

use syn::{GenericParam, ItemFn};

use crate::errors::Errors;

pub(crate) fn check(noun: &str, function: &ItemFn, errors: &mut Errors) {
    let sig = &function.sig;
    for parameter in &sig.generics.params {
        match parameter {
            GenericParam::Lifetime(_) => {}
            GenericParam::Type(parameter) => errors.at(
                &parameter.ident,
                format!("a {noun} cannot be generic, because a step names it without types: write a type in place of `{}`", parameter.ident),
            ),
            GenericParam::Const(parameter) => errors.at(
                &parameter.ident,
                format!("a {noun} has no const generics: write a constant, or take `{}` as a job parameter", parameter.ident),
            ),
        }
    }
    if let syn::Safety::Unsafe(keyword) = &sig.safety {
        errors.at(keyword, format!("a {noun} is called by safe code: leave `unsafe` out"));
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, format!("a {noun} is a plain Rust function: leave the `extern` out"));
    }
}

/// Refuses `async` for every component except processors, which alone run calls concurrently.
pub(crate) fn not_async(noun: &str, function: &ItemFn, errors: &mut Errors) {
    if let Some(keyword) = &function.sig.asyncness {
        errors.at(
            keyword,
            format!("a {noun} cannot be `async`: write a plain `fn`; processors can, with `concurrency`"),
        );
    }
}
