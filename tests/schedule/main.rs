//! Tests of schedules: which times they name, and that each time runs exactly once.

mod commands;
mod due;
mod firing;
mod world;
mod zones;
