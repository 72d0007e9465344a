//! An embedded Drive server.
