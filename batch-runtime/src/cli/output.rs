//! Prints the result of a command: as text, as a JSON document, or as the refusal of the command.

use serde::Serialize;

use super::arguments::Globals;
use super::console::Console;
use crate::frontend::json::Refused;
use crate::frontend::refusal::Refusal;
use crate::observe::words;

/// The origin that the repository records for an operation of the command line.
pub(super) const CLI: &str = "cli";

/// Prints a refusal, and returns its exit code.
pub(super) fn refuse(refusal: &Refusal, console: &Console, wants_json: bool, briefly: bool) -> u8 {
    if wants_json {
        print_json(&Refused::from(refusal), console);
    }
    console.err.line(format_args!("error: {}", words::line(&refusal.to_string(), 4_000)));
    if let (Some(detail), false) = (&refusal.detail, wants_json || briefly) {
        console.err.line(format_args!("\n{detail}"));
    }
    refusal.code
}

/// Prints the result of a command that has nothing else to print.
pub(super) fn done(document: &impl Serialize, text: &str, globals: &Globals, console: &Console) {
    if globals.json {
        print_json(document, console);
    } else if !globals.quiet {
        console.out.line(text);
    }
}

pub(super) fn print_json(document: &impl Serialize, console: &Console) {
    match serde_json::to_string_pretty(document) {
        Ok(text) => console.out.line(text),
        Err(error) => console.err.line(format_args!("error: cannot print the answer as JSON: {error}")),
    }
}
