//! The web page for operators, over plain sockets: who sees it, what it shows, and what its buttons do.

mod actions;
mod attacks;
mod client;
mod documents;
mod secrets;
mod views;
mod world;
