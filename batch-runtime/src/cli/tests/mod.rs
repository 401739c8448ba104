//! Tests of the command line with real jobs in a real repository.

mod fixture;
mod follow;
mod help;
mod housekeeping;
mod looks;
mod owners;
mod parts;
mod runs;
mod skipped;
mod words;
