//! The web page for operators in a real browser: Chromium, headless.

mod browser;
mod execution;
mod form;
mod list;
mod login;
mod views;
mod without_scripts;
mod world;
