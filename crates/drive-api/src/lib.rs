//! A Google Drive v3 client.
