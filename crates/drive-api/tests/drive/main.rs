//! The client against a hostile wire: a real HTTP server whose answers are scripted byte for byte.
//!
//! Nothing here plays Drive. What Drive does is tested against a server; here is what the client does
//! when connections break, answers lie, tokens expire and time passes.

#![expect(clippy::unwrap_used, reason = "a test that cannot set the scene should stop at once")]

mod calls;
mod creates;
mod downloads;
mod retries;
mod sign_in;
mod tokens;
mod uploads;
mod wire;
