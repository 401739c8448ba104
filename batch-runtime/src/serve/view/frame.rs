//! The frame of every page: its head and navigation, and the page of a refusal.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::parts::coded;
use super::{Place, View};
use crate::frontend::refusal::Refusal;
use crate::serve::page::Page;
use crate::serve::request::Asked;
use crate::serve::session::SESSION;

/// The styles and the script, as the browser gets them.
pub(in crate::serve) const CSS: &str = include_str!("../page.css");
pub(in crate::serve) const JS: &str = include_str!("../page.js");

/// A whole page.
pub(in crate::serve) fn page(page: &Page, asked: &Asked, view: &View) -> Markup {
    let entry = |place: Place, path: &str, name: &str| {
        html! {
            a href=(path) aria-current=[(view.place == place).then_some("page")] { (name) }
        }
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{} · {}", view.title, page.guard.program())))
            body {
                header {
                    a.program href="/" { (page.guard.program()) }
                    nav aria-label="Pages" {
                        (entry(Place::Jobs, "/", "Jobs"))
                        (entry(Place::Executions, "/executions", "Executions"))
                        @if has_schedule(page) { (schedule(view)) }
                    }
                    span.room {}
                    @if page.guard.is_read_only() {
                        span.note title="The buttons of this page do nothing: see serve --help" { "read-only" }
                    }
                    span #connection role="status" {}
                    form method="post" action=(SESSION) { button.link { "Log out" } }
                }
                main {
                    (view.fixed)
                    div #live data-follow=[view.follows.then_some("")] { (view.live) }
                }
                footer {
                    span {
                        "Times are in UTC" @if has_schedule(page) { ", scheduled times in the zone of their schedule" } "."
                    }
                    @if let Some(json) = json_of(asked) { a href=(json) { "JSON" } }
                }
            }
        }
    }
}

/// The address of this page's JSON.
fn json_of(asked: &Asked) -> Option<String> {
    let last = asked.path.rsplit('/').next().unwrap_or_default();
    let has_one = match last {
        "" | "executions" | "schedule" | "graph" | "skipped" | "compare" => true,
        number => number.parse::<i64>().is_ok(),
    };
    let stem = if asked.path == "/" { "/jobs" } else { asked.path.as_str() };
    let query = asked.query.to_string();
    let query = if query.is_empty() { query } else { format!("?{query}") };
    has_one.then(|| format!("{stem}.json{query}"))
}

#[cfg(feature = "schedule")]
fn has_schedule(page: &Page) -> bool {
    page.operator.jobs().iter().any(|job| job.options.schedule.is_some())
}

#[cfg(not(feature = "schedule"))]
fn has_schedule(_: &Page) -> bool {
    false
}

#[cfg(feature = "schedule")]
fn schedule(view: &View) -> Markup {
    let is_here = view.place == Place::Schedule;
    html! { a href="/schedule" aria-current=[is_here.then_some("page")] { "Schedule" } }
}

#[cfg(not(feature = "schedule"))]
fn schedule(_: &View) -> Markup {
    html! {}
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) }
            link rel="stylesheet" href="/page.css";
            link rel="stylesheet" href="/graph.css";
            link rel="icon" href="/icon.svg" type="image/svg+xml";
            script src="/page.js" defer {}
        }
    }
}

/// The icon of the page.
pub(in crate::serve) fn icon() -> Markup {
    PreEscaped(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" \
         fill=\"#2a6fdb\"/><path d=\"M4 11V8M8 11V4M12 11V6\" stroke=\"#fff\" stroke-width=\"2\"/></svg>"
            .to_owned(),
    )
}

/// Why a request was refused.
pub(in crate::serve) fn trouble(refusal: &Refusal) -> View {
    View {
        title: "Refused".to_owned(),
        place: Place::Elsewhere,
        fixed: html! {
            h1 { "This is not possible" }
            p.cause role="alert" { (coded(&refusal.to_string())) }
            @if let Some(detail) = &refusal.detail { pre { (detail) } }
        },
        live: html! {},
        follows: false,
    }
}
