//! Whatever a program is given that it cannot work with, it says so in one line (what, where, what to do), ends with the
//! exit code that fits, writes nothing that should not be, and goes on where it was once the matter is mended.
//!
//! One case is a compile error and has its test elsewhere: two databases in one step, `ui/step/fail`.

mod disk;
mod input;
mod launch;
mod output;
mod panics;
mod repository;
mod words;
mod world;
