//! The web page for operators, which the command `serve` offers: what ran, why it failed, and buttons to act on it.

mod actions;
mod child;
mod connection;
mod guard;
mod listen;
mod page;
mod query;
mod reply;
mod request;
mod routes;
mod session;
mod view;

use std::io;
use std::sync::Arc;

pub(crate) use guard::Guard;
pub(crate) use listen::{Listen, Listener};
pub(crate) use page::Page;
pub(crate) use session::Token;

/// Answers requests until the process is asked to end. Jobs that were started from the page keep running.
///
/// # Errors
/// If the system provides no sockets or signals.
pub(crate) fn serve(page: Page, listener: Listener) -> io::Result<()> {
    // One thread for the connections, and a few for the queries: all sleep while nobody uses the page.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(4)
        .thread_keep_alive(std::time::Duration::from_secs(5))
        .build()?;
    let page = Arc::new(page);
    let served = runtime.block_on(listen::serve(listener, routes::router(&page)));
    // No client waits for a query that is still running.
    runtime.shutdown_background();
    served
}
