//! The command `serve`.

use std::ffi::OsString;

use clap::{ArgAction, Command, value_parser};

use super::shared::option;
use crate::serve::Listen;

/// `serve`
pub(super) fn serve(command: Command) -> Command {
    let command = command
        .about("Serves a web page that shows executions, with buttons to start, stop and restart jobs")
        .long_about(
            "Serves a web page that shows what ran and why it failed, with buttons to start, stop and restart jobs. The \
             command prints the link that opens the page; nobody sees anything without the token in the link.\n\n\
             Jobs that are started from the page are separate processes, which go on when the server ends.",
        )
        .args([
            option("listen", 1)
                .value_name("ADDRESS")
                .value_parser(|text: &str| text.parse::<Listen>())
                .help("Listens on an address and a port (0.0.0.0:8000), on a port of the loopback address (8000), or on a Unix socket (unix:/run/batch.sock) [default: 127.0.0.1:8765]"),
            option("token-file", 2)
                .value_name("FILE")
                .value_parser(value_parser!(OsString))
                .help("Takes the token from this file, which is created if there is none [default: a new token each time]"),
            option("host", 3)
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("Answers to this name as well, for example behind a reverse proxy; may be repeated"),
            option("read-only", 4).action(ArgAction::SetTrue).help("Shows everything, and changes nothing"),
            option("allow-actions", 5)
                .action(ArgAction::SetTrue)
                .conflicts_with("read-only")
                .help("Allows the buttons even if other machines can reach the address; without this option, such a page is read-only"),
        ]);
    #[cfg(feature = "log")]
    let command = command.arg(
        option("log-folder", 6)
            .value_name("FOLDER")
            .value_parser(value_parser!(OsString))
            .help("Writes the log of each job that is started from the page into this folder, and shows it"),
    );
    command
}
