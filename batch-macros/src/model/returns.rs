//! Reads a function's return type: whether it can fail, and the type of its value.

use syn::{ItemFn, ReturnType, Type, TypeParamBound, TypeTuple};

use super::types::{last_segment, type_arguments};

/// The return type of a function.
#[derive(Clone)]
pub(crate) struct Returns {
    /// True if it is wrapped in a `Result`, from any module.
    pub(crate) fallible: bool,
    /// The type inside the `Result`, or the whole type; `()` if the function has no return type.
    pub(crate) value: Type,
    /// The return type as the user wrote it; `None` if the function has none.
    pub(crate) written: Option<Type>,
}

/// Reads a return type.
pub(crate) fn returns(function: &ItemFn) -> Returns {
    let unit = || {
        Type::Tuple(TypeTuple {
            attrs: Vec::new(),
            paren_token: syn::token::Paren::default(),
            elems: syn::punctuated::Punctuated::new(),
        })
    };
    match &function.sig.output {
        ReturnType::Default => Returns { fallible: false, value: unit(), written: None },
        ReturnType::Type(_, ty) => {
            let inside = type_in_result(ty);
            Returns {
                fallible: inside.is_some(),
                value: inside.cloned().unwrap_or_else(|| (**ty).clone()),
                written: Some((**ty).clone()),
            }
        }
    }
}

/// `T` of `Result<T, E>`, `io::Result<T>`, `anyhow::Result<T>`.
pub(crate) fn type_in_result(ty: &Type) -> Option<&Type> {
    let segment = last_segment(ty)?;
    if segment.ident != "Result" {
        return None;
    }
    type_arguments(segment).first().copied()
}

/// `T` of `impl Trait<Item = T>`.
pub(crate) fn item_of_impl(ty: &Type, trait_name: &str) -> Option<Type> {
    associated_type(ty, trait_name, "Item")
}

/// `T` of `impl Trait<Name = T>`.
pub(crate) fn associated_type(ty: &Type, trait_name: &str, name: &str) -> Option<Type> {
    let Type::ImplTrait(opaque) = ty else { return None };
    opaque.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let segment = bound.path.segments.last().filter(|segment| segment.ident == trait_name)?;
        let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::AssocType(assoc) if assoc.ident == name => Some(assoc.ty.clone()),
            _ => None,
        })
    })
}
