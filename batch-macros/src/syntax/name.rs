//! The names that users give, as text.

use syn::Ident;

/// An identifier without `r#`.
pub(crate) fn plain(name: &Ident) -> String {
    syn::ext::IdentExt::unraw(name).to_string()
}

/// The name of a parameter, without the `_` that marks it as unused.
pub(crate) fn parameter_name(name: &Ident) -> String {
    let name = plain(name);
    match name.strip_prefix('_') {
        Some(rest) if rest.starts_with(|letter: char| letter.is_ascii_alphabetic()) => rest.to_owned(),
        _ => name,
    }
}
