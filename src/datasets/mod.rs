//! Datasets: a public half that anybody may be shown and a private half that never leaves.
mod as_text;
mod collection;
mod metadata;
mod name;
mod url;

pub use collection::*;
pub use metadata::*;
pub use name::{DatasetName, InvalidName};
pub use url::{InvalidUrl, SyftUrl};
