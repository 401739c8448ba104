//! Faults in user code are skipped or retried by rule, and nothing else is lost or duplicated.

mod elsewhere;
mod files;
mod items;
mod limits;
mod parts;
mod process;
mod read;
mod retry;
mod rules;
mod script;
mod search_for_bad_items;
mod state;
mod stop;
mod time;
mod transaction;
mod whole_input;
mod write;
