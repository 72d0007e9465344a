//! What a datasite holds at one moment.

use std::collections::BTreeMap;

use super::{DatasitePath, Digest};

/// Path to digest, at one moment. A path that is absent does not exist.
pub type Snapshot = BTreeMap<DatasitePath, Digest>;
