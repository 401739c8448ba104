//! Strips an annotated function of everything that only the attributes understand.

use syn::{Attribute, FnArg, ItemFn};

/// The function to emit: without our attributes on its arguments, and without doc comments there, which rustc
/// refuses.
pub(crate) fn stripped(function: &ItemFn) -> ItemFn {
    let mut function = function.clone();
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = input {
            typed.attrs.retain(|attribute| {
                !["state", "param", "doc"].iter().any(|ours| attribute.path().is_ident(ours))
            });
        }
    }
    function
}

/// The function's `#[cfg(..)]`, which applies to all generated code.
pub(crate) fn conditions(function: &ItemFn) -> Vec<&Attribute> {
    function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

/// The doc comment as one string, with its line breaks.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(meta) => match &meta.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n").trim().to_owned()
}
