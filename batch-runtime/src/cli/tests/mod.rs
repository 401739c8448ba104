//! The promises of the command line, tested with real jobs in a real repository.

mod fixture;
mod follow;
mod help;
mod housekeeping;
mod looks;
mod owners;
mod runs;
mod skipped;
mod words;
