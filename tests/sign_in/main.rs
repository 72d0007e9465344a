//! Signing in as people do it: the real program, our own Drive server in Google's place, and the
//! test as the person in front of the browser.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod browser;
mod delegation;
mod doctor;
mod flow;
mod keyring;
mod lifetime;
mod mail;
mod pasting;
mod renewal;
mod secret_service;
mod setup;
mod world;
