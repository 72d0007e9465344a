//! Decides which local edits keep a file that arrives from its place: a file where it needs a
//! folder, or files in a folder where it is to be.
//!
//! Pure. What is agreed is no edit: either its deletion is about to arrive, or the sender does not
//! know what it wants; and what waits to be written or removed is dealt with.

use crate::model::{DatasitePath, Snapshot};

/// Returns the local files above and below `path` that are edits: those that are not settled.
pub fn edits_in_the_way(
    path: &DatasitePath,
    local: &Snapshot,
    is_settled: impl Fn(&DatasitePath) -> bool,
) -> Vec<DatasitePath> {
    let is_edit = |file: &DatasitePath| local.contains_key(file) && !is_settled(file);
    let mut found: Vec<_> = path.folders().filter(is_edit).collect();
    // What begins with the name stands together; not all of it lies below.
    let alike = local.range(path.clone()..).map(|(other, _)| other);
    let alike = alike.take_while(|other| other.as_str().starts_with(path.as_str()));
    found
        .extend(alike.filter(|other| other.is_below(path.as_str()) && !is_settled(other)).cloned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn edits_above_and_below_are_found_and_nothing_else() {
        type Paths<'a> = &'a [&'a str];
        type Case<'a> = (&'a str, &'a str, Paths<'a>, Paths<'a>, Paths<'a>);
        #[rustfmt::skip]
        let cases: [Case<'_>; 8] = [
            // what                                  arrives    local                          settled     in the way
            ("nothing",                              "x",       &["y", "x2/y"],                &[],        &[]),
            ("the file itself is another matter",    "x",       &["x"],                        &[],        &[]),
            ("a file where a folder is needed",      "x/y/z",   &["x/y"],                      &[],        &["x/y"]),
            ("further up",                           "x/y/z",   &["x"],                        &[],        &["x"]),
            ("such a file, about to go",             "x/y",     &["x"],                        &["x"],     &[]),
            ("files in a folder of its name",        "x",       &["x/a", "x/b/c", "x-d", "xe"], &[],       &["x/a", "x/b/c"]),
            ("some of them are agreed",              "x",       &["x/a", "x/b"],               &["x/a"],   &["x/b"]),
            ("names that sort in between",           "x",       &["x!", "x-", "x/a"],          &[],        &["x/a"]),
        ];
        let path = |text: &str| DatasitePath::parse(text).unwrap();
        for (what, arrives, local, settled, wanted) in cases {
            let local: Snapshot = local.iter().map(|p| (path(p), Digest::of(b"1"))).collect();
            let found =
                edits_in_the_way(&path(arrives), &local, |path| settled.contains(&path.as_str()));
            let found: Vec<&str> = found.iter().map(DatasitePath::as_str).collect();
            assert_eq!(found, wanted, "{what}");
        }
    }
}
