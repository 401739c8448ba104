//! Reads the text of an `end!`, `fail!` or `stop!`, and the names of the values in it.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{LitStr, Token};

use crate::errors::Errors;

/// The text of an `end!`, `fail!` or `stop!`.
#[derive(Clone)]
pub(crate) struct Text {
    /// The command that it belongs to: `fail!`.
    pub(crate) word: &'static str,
    /// As the user wrote it.
    pub(crate) literal: LitStr,
    /// The text, if it names no value.
    pub(crate) plain: String,
    /// The names in it, each once, in order.
    pub(crate) names: Vec<String>,
    /// Their values, in the same order, once the names have been looked up in the body.
    pub(crate) values: Vec<Value>,
}

/// A value in a text.
#[derive(Clone)]
pub(crate) enum Value {
    /// The parameter with that index in the job.
    Parameter(usize),
    /// The output of the step with this path in the body.
    Output(String),
}

/// The arguments of `end!`: the exit code, and the reason.
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
    /// Reads a text; `None` if it is malformed, which is reported.
    pub(crate) fn read(word: &'static str, literal: LitStr, errors: &mut Errors) -> Option<Self> {
        let (mut plain, mut names) = (String::new(), Vec::new());
        let text = literal.value();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if after.starts_with(brace) {
                plain.push_str(brace);
                rest = &after[1..];
                continue;
            }
            let inside = if brace == "{" { after.split_once('}') } else { None };
            let Some((inside, after)) = inside else {
                errors.at(
                    &literal,
                    format!("unmatched `{brace}` in this text; write `{brace}{brace}` for a literal one, or the name of a value, such as `{{year}}`"),
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
            rest = after;
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
        return Err("a text names its values; write the name of a parameter or step in the braces: `{year}`"
            .to_owned());
    }
    // A parameter may be named `r#type`, which is `{type}` here.
    let ident =
        Ident::parse_any.parse_str(name).ok().filter(|ident| ident == name && !name.starts_with("r#"));
    let Some(ident) = ident else {
        return Err(format!(
            "`{name}` is not a name, and braces take the name of a parameter or step; let a step return the value to show, or write `{{{{` for a brace"
        ));
    };
    if spec.contains(['$', '*']) {
        return Err(format!("a width is a number in the text: write `{{{name}:>5}}`"));
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
    fn a_parameter_named_like_a_keyword_is_written_without_its_prefix() {
        assert_eq!(read("{type:?}").unwrap().1, ["type"]);
        assert_eq!(read("{r#type:?}"), None);
    }

    #[test]
    fn doubled_braces_become_one() {
        assert_eq!(read("{{}} is {{empty}}").unwrap(), ("{} is {empty}".to_owned(), Vec::new()));
    }

    #[test]
    fn a_lone_brace_a_missing_name_and_a_width_argument_are_refused() {
        for text in ["{", "}", "a } b", "{}", "{0}", "{a.b}", "{a:>width$}", "{a:.*}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
