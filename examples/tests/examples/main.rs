//! Runs each example as a user would, as a process in its own folder, and compares its results with a computation that
//! shares no code with it.

mod control_flow;
mod custom_reader;
mod customer_parallel;
mod embedded;
mod flight_delays;
mod flights;
mod hello_job;
mod killed;
mod movie_companies;
mod partitioned_files;
mod program;
mod readme;
mod state;
mod transaction_files;
mod weekly_top_user;
mod within;
