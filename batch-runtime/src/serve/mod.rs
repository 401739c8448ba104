//! The web page for operators, which the command `serve` offers: what ran, why it failed, and the buttons for it.

mod act;
mod connection;
mod guard;
mod listen;
mod query;
mod reply;
mod routes;
mod session;
mod view;

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::operator::JobOperator;

pub(crate) use listen::{Listen, Listener};
pub(crate) use session::Token;

/// Everything that the page needs. All requests share it.
pub(crate) struct Page {
    /// The name of the program, for the head of the page.
    pub(crate) program: String,
    /// Knows the jobs of the program and the repository.
    pub(crate) operator: JobOperator,
    /// Makes the command that the arguments of a run are added to.
    pub(crate) command: Box<dyn Fn() -> Command + Send + Sync>,
    /// The folder for the logs of the jobs that the page starts.
    pub(crate) logs: Option<PathBuf>,
    /// Who may see it.
    pub(crate) guard: Guard,
    /// Tells the person who has started the server what the buttons did.
    pub(crate) say: Box<dyn Fn(&str) + Send + Sync>,
}

pub(crate) use guard::Guard;

/// Answers requests until the process is asked to end. Jobs that were started from the page run on.
///
/// # Errors
/// If the system gives no sockets or signals.
pub(crate) fn serve(page: Page, listener: Listener) -> io::Result<()> {
    // One thread for the connections, and few for the queries: none of them wakes up if nobody looks.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(4)
        .thread_keep_alive(std::time::Duration::from_secs(5))
        .build()?;
    let page = Arc::new(page);
    let served = runtime.block_on(listen::serve(listener, routes::router(&page)));
    // A query that still runs has nobody to answer to.
    runtime.shutdown_background();
    served
}
