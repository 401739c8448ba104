//! The login page.

use maud::{DOCTYPE, Markup, html};

use crate::serve::session::SESSION;

/// The page for a browser without a session. It has no styles, because these need a session too.
pub(in crate::serve) fn page(program: &str, to: &str, is_wrong: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Log in · " (program) }
            }
            body {
                h1 { (program) }
                @if is_wrong {
                    p role="alert" { "That is not the token." }
                } @else {
                    p {
                        "Open the link that " code { "serve" } " has printed, or type the token here. If you have just opened it, "
                        a href=(to) { "go on" } "."
                    }
                }
                form method="post" action=(SESSION) {
                    input type="hidden" name="to" value=(to);
                    p {
                        label { "Token " input type="password" name="token" autocomplete="current-password" autofocus required; }
                        " "
                        button { "Log in" }
                    }
                }
            }
        }
    }
}
