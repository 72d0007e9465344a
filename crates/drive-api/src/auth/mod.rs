//! Who we are to the server: access tokens, where they come from, and signing in.
//!
//! Invariant: no secret is in a `Debug` output, an error or a log line.

mod error;
mod token;

pub use error::SignInError;
pub use token::{AccessToken, StaticToken, TokenSource};
