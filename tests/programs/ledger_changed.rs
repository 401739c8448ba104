//! The job of the program `ledger` after a rewrite: it takes the same parameters, but has other steps.

use batch_runtime::prelude::*;

#[step]
fn audit() {}

/// Checks the books.
#[allow(unused_variables, reason = "some parameters are there for the command line alone")]
#[job]
fn ledger(
    /// CSV file of entries: account, cents, note
    input: PathBuf,
    /// The financial year
    #[param(default = 2024)]
    year: u16,
) {
    audit;
}

batch_runtime::main!(ledger);
