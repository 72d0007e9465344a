//! `orderBy` of `files.list`. Pure.

use super::BadQuery;

/// The most keys that one may sort by.
const KEYS_MAX: usize = 8;

/// One key to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) key: Key,
    pub(crate) descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Folders before files.
    Folder,
    Name,
    Created,
    Modified,
    Size,
}

impl Order {
    /// Returns the SQL expression of the key.
    pub(crate) fn column(&self) -> &'static str {
        match self.key {
            Key::Folder => "(f.mime <> 'application/vnd.google-apps.folder')",
            Key::Name => "f.name",
            Key::Created => "f.created_ms",
            Key::Modified => "f.modified_ms",
            Key::Size => "f.size",
        }
    }
}

/// Parses `folder,name desc`; blank means no order asked for.
pub(crate) fn parse_order(text: &str) -> Result<Vec<Order>, BadQuery> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > KEYS_MAX {
        return Err(BadQuery);
    }
    parts.into_iter().map(parse_key).collect()
}

fn parse_key(part: &str) -> Result<Order, BadQuery> {
    let mut words = part.split_whitespace();
    let key = match words.next() {
        Some("folder") => Key::Folder,
        Some("name" | "name_natural") => Key::Name,
        Some("createdTime") => Key::Created,
        Some(
            "modifiedTime" | "modifiedByMeTime" | "viewedByMeTime" | "sharedWithMeTime" | "recency",
        ) => Key::Modified,
        Some("quotaBytesUsed") => Key::Size,
        _ => return Err(BadQuery),
    };
    let descending = match words.next() {
        None => false,
        Some("desc") => true,
        Some(_) => return Err(BadQuery),
    };
    if words.next().is_some() { Err(BadQuery) } else { Ok(Order { key, descending }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_separated_by_commas_and_may_descend() {
        let order = |key, descending| Order { key, descending };
        let got = parse_order("folder, name desc,modifiedTime").unwrap();
        let wanted =
            [order(Key::Folder, false), order(Key::Name, true), order(Key::Modified, false)];
        assert_eq!(got, wanted);
        assert_eq!(parse_order(""), Ok(vec![]));
        for bad in ["title", "name asc", "name desc desc", &["name"; 9].join(",")] {
            assert_eq!(parse_order(bad), Err(BadQuery), "{bad}");
        }
    }
}
