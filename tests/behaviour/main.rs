//! Tests of the framework's promises, one file per promise.

#![allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "the language fixes what components take and return"
)]

mod aggregators;
mod borrowed_items;
mod borrowed_parameters;
mod changed;
mod chunks;
mod clocks;
mod compressed_outputs;
mod concurrent;
mod control_flow;
mod databases;
mod done_ranges;
mod failures;
mod faults;
mod files;
mod flat_files;
mod groups;
mod http;
mod interleavings;
mod joined_inputs;
mod launching;
mod leftovers;
mod listeners;
mod listeners_of_chunks;
mod listeners_of_partitions;
mod many_files;
mod model;
mod naming_errors;
mod panics;
mod parameters;
mod partitions;
mod paths;
mod profile;
mod progress;
mod rates;
mod replays;
mod replays_in_full;
mod replays_of_aggregators;
mod rerouting;
mod restart_from;
mod restarts;
mod routing;
mod sandboxes;
mod splits;
mod support;
mod survival;
mod texts;
mod threads;
mod threads_reading;
mod threads_values;
mod unordered;
