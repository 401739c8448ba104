//! The web page for operators in a real browser: Chromium, headless.

mod browser;
mod login;
mod world;
