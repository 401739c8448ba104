//! Bad input of every kind: the program reports it in one line (what, where, what to do), exits with the right code,
//! writes nothing wrong, and resumes where it was once the problem is fixed.
//!
//! One case is a compile error and is tested elsewhere: two databases in one step, `ui/step/fail`.

mod disk;
mod input;
mod launch;
mod output;
mod panics;
mod repository;
#[cfg(feature = "postgres")]
mod server;
mod words;
mod world;
