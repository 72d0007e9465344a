//! Who we are to the server: access tokens, where they come from, and signing in.
//!
//! [`StaticToken`] never changes; [`SavedToken`] renews itself; [`sign_in`] makes what it is kept
//! from; [`Delegate`] is a service account that acts for a person.
//! Invariant: no secret is in a `Debug` output, an error or a log line.

mod credentials;
mod document;
mod error;
mod loopback;
mod oauth;
mod pasted;
mod saved_token;
mod service_account;
mod sign_in;
mod token;
mod token_file;

pub use credentials::Credentials;
pub use document::{Keeper, TokenDocument, Unkept};
pub use error::SignInError;
pub use pasted::{Misread, said};
pub use saved_token::SavedToken;
pub use service_account::{Delegate, ServiceAccountKey};
pub use sign_in::{Asker, Pasted, SCOPE, SignIn, Way, sign_in};
pub use token::{AccessToken, StaticToken, TokenSource};
pub use token_file::TokenFile;
