//! syft.
