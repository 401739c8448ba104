//! Reads `end!`, `fail!` and `stop!`.

use syn::Macro;

use super::statement::Kind;
use super::text::{Text, code_and_text};
use crate::errors::Errors;

/// `end!()`, `end!("CODE")`, `end!("CODE", "why")`.
pub(super) fn end(mac: &Macro, errors: &mut Errors) -> Kind {
    const WANTED: &str = "`end!` takes nothing, `end!()`, or an exit code in quotes, such as `end!(\"NOTHING_TO_DO\")`, and a reason if you like, such as `end!(\"NOTHING_TO_DO\", \"no rows for {year}\")`";
    if mac.tokens.is_empty() {
        return Kind::End("COMPLETED".to_owned(), None);
    }
    let Ok((code, why)) = mac.parse_body_with(code_and_text) else {
        errors.at(&mac.tokens, WANTED);
        return Kind::Broken;
    };
    if code.value().trim().is_empty() {
        errors.at(&code, WANTED);
        return Kind::Broken;
    }
    if code.value().contains(['{', '}']) {
        errors.at(
            &code,
            "an exit code is a fixed word that other programs look for; put values into the reason: `end!(\"NOTHING_TO_DO\", \"no rows for {year}\")`",
        );
        return Kind::Broken;
    }
    match why.map(|why| Text::read("end!", why, errors)) {
        Some(None) => Kind::Broken,
        why => Kind::End(code.value(), why.flatten()),
    }
}

/// `fail!("why")`.
pub(super) fn fail(mac: &Macro, errors: &mut Errors) -> Kind {
    text("fail!", mac, "the reason in quotes, such as `fail!(\"the file is damaged\")`", errors)
        .map_or(Kind::Broken, Kind::Fail)
}

/// `stop!("why")`.
pub(super) fn stop(mac: &Macro, errors: &mut Errors) -> Kind {
    text("stop!", mac, "the reason in quotes, such as `stop!(\"waits for approval\")`", errors)
        .map_or(Kind::Broken, Kind::Stop)
}

fn text(word: &'static str, mac: &Macro, wanted: &str, errors: &mut Errors) -> Option<Text> {
    if mac.tokens.is_empty() {
        errors.at(&mac.path, format!("`{word}` takes {wanted}"));
        return None;
    }
    match mac.parse_body::<syn::LitStr>() {
        Ok(text) if text.value().trim().is_empty() => {
            errors.at(&text, format!("`{word}` takes {wanted}"));
            None
        }
        Ok(text) => Text::read(word, text, errors),
        Err(_) => {
            errors.at(
                &mac.tokens,
                format!("`{word}` takes {wanted}; name the values in the text, such as `{word}(\"no rows for {{year}}\")`"),
            );
            None
        }
    }
}
