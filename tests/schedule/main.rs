//! Tests of schedules: which times they name, and that the job runs exactly once for each time.

mod commands;
mod due;
mod firing;
mod world;
mod zones;
