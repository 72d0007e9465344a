//! Says what a request costs in Google's quota units, and adds up what was sent. Pure but for the sum.
//!
//! Google limits an account to [`UNITS_A_MINUTE`] in one project, and prices a call by what it does:
//! <https://developers.google.com/workspace/drive/api/guides/limits> ("Per-method quota"). A request
//! is known by its method and path, so that what is counted is what leaves. A batch costs what its
//! parts cost. Each request of a resumable upload counts as an edit, and each try counts again: too
//! much rather than too little.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Request;

/// The quota units that one account may use in a minute.
pub const UNITS_A_MINUTE: u64 = 325_000;

/// What a call does, as far as its price goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Looks through files or changes, a page at a time: `files.list`, `changes.list`.
    List,
    /// Gets the content of a file: `files.get` with `alt=media`, `files.export`.
    Download,
    /// Makes, changes or deletes something, or uploads content.
    Edit,
    /// Gets what is known about one thing: `files.get`, `about.get`, `permissions.list`.
    Read,
}

impl Kind {
    /// Returns the price in quota units.
    pub const fn units(self) -> u64 {
        match self {
            Self::List => 100,
            Self::Download => 200,
            Self::Edit => 50,
            Self::Read => 5,
        }
    }

    /// The table: what a request does, by its method, path and query.
    pub fn of(method: &str, path: &str, query: &str) -> Self {
        if method != "GET" {
            return Self::Edit;
        }
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let api = parts.iter().position(|part| *part == "v3").map_or(0, |at| at + 1);
        match parts[api..] {
            ["files" | "changes" | "drives"] => Self::List,
            ["files", _, "export" | "download"] => Self::Download,
            ["files", _] if query.split('&').any(|pair| pair == "alt=media") => Self::Download,
            _ => Self::Read,
        }
    }
}

/// Returns the price of a request that is no batch.
pub(crate) fn price<B>(request: &Request<B>) -> u64 {
    let uri = request.uri();
    Kind::of(request.method().as_str(), uri.path(), uri.query().unwrap_or_default()).units()
}

/// Returns the price of a part of a batch.
pub(crate) fn price_of_part(method: &str, target: &str) -> u64 {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Kind::of(method, path, query).units()
}

/// What was sent: requests, tries included, and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// HTTP requests; a batch is one.
    pub requests: u64,
    /// Google's quota units.
    pub units: u64,
}

/// What all sessions of this process have sent.
static OF_PROCESS: Meter = Meter::new();

/// Returns what all sessions of this process have sent to a drive.
pub fn usage_of_process() -> Usage {
    OF_PROCESS.usage()
}

/// Counts what is sent.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    requests: AtomicU64,
    units: AtomicU64,
}

impl Meter {
    const fn new() -> Self {
        Self { requests: AtomicU64::new(0), units: AtomicU64::new(0) }
    }

    /// Counts one request of a session, and of the process.
    pub(crate) fn count(&self, units: u64) {
        self.add(units);
        OF_PROCESS.add(units);
    }

    fn add(&self, units: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.units.fetch_add(units, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        let (requests, units) = (&self.requests, &self.units);
        Usage { requests: requests.load(Ordering::Relaxed), units: units.load(Ordering::Relaxed) }
    }
}

/// Counts one request that belongs to no session.
pub(crate) fn count_alone(kind: Kind) {
    OF_PROCESS.add(kind.units());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_what_googles_table_says() {
        use Kind::{Download, Edit, List, Read};
        #[rustfmt::skip]
        let cases = [
            // Drive's name                  method    path and query                                   price
            ("files.list",                   "GET",    "/drive/v3/files?q=x&pageSize=1000",              List),
            ("files.list, elsewhere",        "GET",    "/a/proxy/drive/v3/files",                        List),
            ("changes.list",                 "GET",    "/drive/v3/changes?pageToken=7",                  List),
            ("files.get, content",           "GET",    "/drive/v3/files/A?alt=media",                    Download),
            ("files.get, content, of a drive", "GET",  "/drive/v3/files/A?supportsAllDrives=true&alt=media", Download),
            ("files.export",                 "GET",    "/drive/v3/files/A/export?mimeType=text/plain",   Download),
            ("files.create",                 "POST",   "/drive/v3/files?fields=id",                      Edit),
            ("files.create, multipart",      "POST",   "/upload/drive/v3/files?uploadType=multipart",    Edit),
            ("files.create, resumable",      "POST",   "/upload/drive/v3/files?uploadType=resumable",    Edit),
            ("a piece of an upload",         "PUT",    "/upload/drive/v3/files?upload_id=x",             Edit),
            ("files.update",                 "PATCH",  "/drive/v3/files/A",                              Edit),
            ("files.update, content",        "PATCH",  "/upload/drive/v3/files/A?uploadType=multipart",  Edit),
            ("files.delete",                 "DELETE", "/drive/v3/files/A",                              Edit),
            ("permissions.create",           "POST",   "/drive/v3/files/A/permissions",                  Edit),
            ("permissions.delete",           "DELETE", "/drive/v3/files/A/permissions/P",                Edit),
            ("files.get",                    "GET",    "/drive/v3/files/A?fields=id",                    Read),
            ("files.get, no content",        "GET",    "/drive/v3/files/A?q=not-alt=media",              Read),
            ("files.get, a treacherous id",  "GET",    "/drive/v3/files/files",                          Read),
            ("files.generateIds",            "GET",    "/drive/v3/files/generateIds?count=9",            Read),
            ("permissions.list",             "GET",    "/drive/v3/files/A/permissions?pageSize=100",     Read),
            ("changes.getStartPageToken",    "GET",    "/drive/v3/changes/startPageToken",               Read),
            ("about.get",                    "GET",    "/drive/v3/about?fields=user",                    Read),
        ];
        for (name, method, target, kind) in cases {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            assert_eq!(Kind::of(method, path, query), kind, "{name}");
            assert_eq!(price_of_part(method, target), kind.units(), "{name}");
        }
        assert_eq!([List, Download, Edit, Read].map(Kind::units), [100, 200, 50, 5]);
    }
}
