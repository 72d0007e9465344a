//! Who we are to the server: access tokens, where they come from, and signing in.
//!
//! [`StaticToken`] never changes; [`TokenFile`] renews itself; [`sign_in`] makes such a file.
//! Invariant: no secret is in a `Debug` output, an error or a log line.

mod error;
mod loopback;
mod oauth;
mod sign_in;
mod token;
mod token_file;

pub use error::SignInError;
pub use sign_in::{Pasted, SCOPE, SignIn, Way, sign_in};
pub use token::{AccessToken, StaticToken, TokenSource};
pub use token_file::TokenFile;
