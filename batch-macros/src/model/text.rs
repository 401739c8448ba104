//! Receives: what stands after `end!`, `fail!` or `stop!`. Gives: the text, and the names of the values in it.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{LitStr, Token};

use crate::errors::Errors;

/// The text of an `end!`, `fail!` or `stop!`.
#[derive(Clone)]
pub(crate) struct Text {
    /// The word that it stands after: `fail!`.
    pub(crate) word: &'static str,
    /// As the user wrote it.
    pub(crate) literal: LitStr,
    /// The text, where it names no value.
    pub(crate) plain: String,
    /// The names in it, each once, in order.
    pub(crate) names: Vec<String>,
    /// What they are, in the same order: known once the names have been looked up in the body.
    pub(crate) values: Vec<Value>,
}

/// A value in a text.
#[derive(Clone)]
pub(crate) enum Value {
    /// The parameter at that place in the job.
    Parameter(usize),
    /// What the step left that is named by this path in the body.
    Output(String),
}

/// What stands in the parentheses of `end!`: the exit code, and why.
pub(crate) fn code_and_text(tokens: syn::parse::ParseStream<'_>) -> syn::Result<(LitStr, Option<LitStr>)> {
    let code = tokens.parse()?;
    let mut why = None;
    if !tokens.is_empty() {
        tokens.parse::<Token![,]>()?;
        if !tokens.is_empty() {
            why = Some(tokens.parse()?);
            tokens.parse::<Option<Token![,]>>()?;
        }
    }
    Ok((code, why))
}

impl Text {
    /// Reads a text; `None` where it is no such text, which is reported.
    pub(crate) fn read(word: &'static str, literal: LitStr, errors: &mut Errors) -> Option<Self> {
        let (mut plain, mut names) = (String::new(), Vec::new());
        let text = literal.value();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, behind) = rest[at..].split_at(1);
            if behind.starts_with(brace) {
                plain.push_str(brace);
                rest = &behind[1..];
                continue;
            }
            let inside = if brace == "{" { behind.split_once('}') } else { None };
            let Some((inside, behind)) = inside else {
                errors.at(
                    &literal,
                    format!("a `{brace}` stands alone here; write `{brace}{brace}` if the text is to have one, or the name of a value, as `{{year}}`"),
                );
                return None;
            };
            match name(inside) {
                Ok(name) if names.contains(&name) => {}
                Ok(name) => names.push(name),
                Err(message) => {
                    errors.at(&literal, message);
                    return None;
                }
            }
            rest = behind;
        }
        plain.push_str(rest);
        Some(Self { word, literal, plain, names, values: Vec::new() })
    }
}

/// The name in `{total:>5}`.
fn name(inside: &str) -> Result<String, String> {
    let (name, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let name = name.trim_end();
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err(
            "the values of a text are named in it; write the name of a parameter or step in the braces: `{year}`"
                .to_owned(),
        );
    }
    // A parameter may be called `r#type`, which is `{type}` here.
    let ident =
        Ident::parse_any.parse_str(name).ok().filter(|ident| ident == name && !name.starts_with("r#"));
    let Some(ident) = ident else {
        return Err(format!(
            "`{name}` is no name, and braces hold one, of a parameter or step; have a step return what is to be told, or write `{{{{` for a brace"
        ));
    };
    if spec.contains(['$', '*']) {
        return Err(format!("a width stands in the text as a number: write `{{{name}:>5}}`"));
    }
    Ok(ident.to_string())
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn read(text: &str) -> Option<(String, Vec<String>)> {
        let literal = LitStr::new(text, Span::call_site());
        let mut errors = Errors::default();
        let read = Text::read("fail!", literal, &mut errors);
        assert_eq!(read.is_some(), errors.is_empty());
        drop(errors.into_tokens());
        read.map(|text| (text.plain, text.names))
    }

    #[test]
    fn the_names_of_a_text_are_found_each_once() {
        let (_, names) = read("{a} of {b:>5}, {{c}}, {a:?}").unwrap();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_parameter_that_is_called_as_a_keyword_is_named_without_its_mark() {
        assert_eq!(read("{type:?}").unwrap().1, ["type"]);
        assert_eq!(read("{r#type:?}"), None);
    }

    #[test]
    fn doubled_braces_stand_for_one() {
        assert_eq!(read("{{}} is {{empty}}").unwrap(), ("{} is {empty}".to_owned(), Vec::new()));
    }

    #[test]
    fn a_lone_brace_no_name_and_a_width_from_elsewhere_are_refused() {
        for text in ["{", "}", "a } b", "{}", "{0}", "{a.b}", "{a:>width$}", "{a:.*}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
