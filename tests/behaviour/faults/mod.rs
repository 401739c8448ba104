//! Faults in user code: what is skipped, what is repeated, and that nothing else is lost or doubled by it.

mod elsewhere;
mod files;
mod isolation;
mod items;
mod limits;
mod parts;
mod process;
mod read;
mod retry;
mod rules;
mod script;
mod state;
mod stop;
mod time;
mod transaction;
mod whole_input;
mod write;
