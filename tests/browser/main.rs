//! The web page for operators in a real browser: Chromium, headless.

mod browser;
mod execution;
mod form;
mod list;
mod login;
mod schedule;
mod views;
mod without_scripts;
mod world;
