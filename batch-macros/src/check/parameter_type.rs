//! Checks an enum whose variants are the values of a parameter: they have no fields, and no two share a value.

use syn::{Data, DeriveInput, Expr, ExprLit, Fields, Ident, Lit, Variant};

use crate::errors::Errors;

/// The variants, each with its value.
pub(crate) fn variants<'i>(input: &'i DeriveInput, errors: &mut Errors) -> Vec<(&'i Ident, String)> {
    let Data::Enum(data) = &input.data else {
        errors.at(
            &input.ident,
            "`ParameterType` is derived for enums, whose variants are the values; for anything else take a `String` and parse it",
        );
        return Vec::new();
    };
    if let Some(parameter) = input.generics.params.first() {
        errors.at(parameter, "the type of a parameter cannot be generic: leave the generics out");
    }
    if data.variants.is_empty() {
        errors.at(&input.ident, "a parameter has at least one value: add a variant");
    }
    let mut values: Vec<(&Ident, String)> = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            errors.at(
                &variant.fields,
                format!("a parameter value is one word: write `{}` without fields", variant.ident),
            );
        }
        let value = name(variant, errors).unwrap_or_else(|| kebab_case(&variant.ident.to_string()));
        if let Some((earlier, _)) = values.iter().find(|(_, earlier)| *earlier == value) {
            errors.at(
                &variant.ident,
                format!("`{earlier}` and `{}` both have the value `{value}`; write `#[param(name = \"..\")]` on one of them", variant.ident),
            );
        }
        values.push((&variant.ident, value));
    }
    values
}

fn name(variant: &Variant, errors: &mut Errors) -> Option<String> {
    let mut name = None;
    for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("param")) {
        let read = attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("a variant accepts only `#[param(name = \"..\")]`"));
            }
            let value: Expr = meta.value()?.parse()?;
            match value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if !text.value().is_empty() => {
                    name = Some(text.value());
                    Ok(())
                }
                other => Err(syn::Error::new_spanned(
                    other,
                    "the name is a string: `#[param(name = \"us-east\")]`",
                )),
            }
        });
        if let Err(error) = read {
            errors.push(error);
        }
    }
    name
}

/// `UsEast` as `us-east`, `HTTPOnly` as `http-only`.
fn kebab_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        if *letter == '_' {
            out.push('-');
            continue;
        }
        let begins = letter.is_uppercase()
            && index > 0
            && letters[index - 1] != '_'
            && (!letters[index - 1].is_uppercase()
                || letters.get(index + 1).is_some_and(|next| next.is_lowercase()));
        if begins {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::kebab_case;

    #[test]
    fn a_variant_is_given_in_kebab_case() {
        for (variant, value) in [
            ("Eu", "eu"),
            ("UsEast", "us-east"),
            ("HTTPOnly", "http-only"),
            ("V2", "v2"),
            ("Us_East", "us-east"),
        ] {
            assert_eq!(kebab_case(variant), value);
        }
    }
}
