//! Which directories of an inbox are jobs, and whether one has the form of a job.
//!
//! Pure. Whatever arrived is a stranger's: what is no job is said and hides no other. Source:
//! `docs/FORMAT.md`, "Jobs".

use super::layout::Layout;
use super::name::is_layout;

/// What an entry of a received directory is. Links are `Other`: they are never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// What a directory in an inbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A job.
    Job,
    /// What holds the jobs of another layout.
    Segment(Layout),
    /// Nothing that we can handle, and why.
    Unsupported(&'static str),
    /// Nothing: an empty directory whose name is no job's.
    Nothing,
}

/// The name of permission files, which may lie in any directory.
pub(crate) const PERMISSION_FILE: &str = "syft.pub.yaml";

/// The file whose arrival makes a directory a job.
pub(crate) const CONFIG_FILE: &str = "config.yaml";

/// Tells what the directory `name` with these `entries` is, where jobs of `layout` lie.
///
/// `v` and digits never name a job, as with the Python client of the second generation. One of the
/// first generation lets a job be called `v1`: such a directory is not taken for the segment, or
/// its `code` would be taken for a job.
pub(crate) fn place(layout: Layout, name: &str, entries: &[(String, EntryKind)]) -> Place {
    if !is_layout(name) {
        return Place::Job;
    }
    let config = (CONFIG_FILE.to_owned(), EntryKind::File);
    let segment = Layout::ALL.into_iter().find(|other| other.segment() == Some(name));
    match segment.filter(|_| layout == Layout::Flat) {
        _ if entries.is_empty() => Place::Nothing,
        _ if entries.contains(&config) => {
            Place::Unsupported("`v` and digits name a layout, so no job can be called so")
        }
        Some(segment) => Place::Segment(segment),
        None => Place::Unsupported("this layout of jobs is not supported by this version"),
    }
}

/// Decides whether a directory has the form of a job: exactly `code/`, `run.sh`, `config.yaml`,
/// permission files aside.
///
/// # Errors
/// What is wrong, in words for the submitter.
pub fn check_received(entries: &[(String, EntryKind)]) -> Result<(), String> {
    let expected = [
        ("code", EntryKind::Directory, "a directory"),
        ("run.sh", EntryKind::File, "a file"),
        (CONFIG_FILE, EntryKind::File, "a file"),
    ];
    for (name, kind, form) in expected {
        match entries.iter().find(|(entry, _)| entry == name) {
            None => return Err(format!("`{name}` is missing")),
            Some((_, found)) if *found != kind => return Err(format!("`{name}` must be {form}")),
            Some(_) => {}
        }
    }
    let known = |name: &str| {
        name == PERMISSION_FILE || expected.iter().any(|(expected, ..)| *expected == name)
    };
    match entries.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => {
            let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            Err(format!("`{shown}` does not belong there"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_called_like_a_layout_is_never_a_job() {
        use EntryKind::*;
        let called = Place::Unsupported("`v` and digits name a layout, so no job can be called so");
        let unknown = Place::Unsupported("this layout of jobs is not supported by this version");
        let (job, jobs) =
            (vec![("code", Directory), ("config.yaml", File)], vec![("a", Directory)]);
        #[rustfmt::skip]
        let cases = [
            // what                              in            name   holds                             is
            ("a job",                            Layout::Flat, "a",   job.clone(),                      Place::Job),
            ("a job that is on its way",         Layout::Flat, "a",   vec![],                           Place::Job),
            ("a capital",                        Layout::Flat, "V1",  job.clone(),                      Place::Job),
            ("the jobs of layout 1",             Layout::Flat, "v1",  jobs.clone(),                     Place::Segment(Layout::V1)),
            ("a folder called config.yaml",      Layout::Flat, "v1",  vec![("config.yaml", Directory)], Place::Segment(Layout::V1)),
            ("what 0.1 lets be called so",       Layout::Flat, "v1",  job.clone(),                      called),
            ("the same for others",              Layout::Flat, "v7",  job,                              called),
            ("a later layout",                   Layout::Flat, "v2",  jobs.clone(),                     unknown),
            ("what is no layout of anybody",     Layout::Flat, "v0",  jobs.clone(),                     unknown),
            ("a segment in a segment",           Layout::V1,   "v1",  jobs,                             unknown),
            ("what is left of a segment",        Layout::Flat, "v2",  vec![],                           Place::Nothing),
            ("a job of layout 1",                Layout::V1,   "a",   vec![],                           Place::Job),
        ];
        for (what, layout, name, entries, expected) in cases {
            let entries: Vec<_> =
                entries.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
            assert_eq!(place(layout, name, &entries), expected, "{what}");
        }
    }

    #[test]
    fn a_received_directory_has_exactly_the_form_of_a_job() {
        use EntryKind::*;
        let form = |entries: &[(&str, EntryKind)]| {
            let entries: Vec<_> =
                entries.iter().map(|(name, kind)| ((*name).into(), *kind)).collect();
            check_received(&entries).map_err(|reason| reason.to_string())
        };
        let good = [("code", Directory), ("run.sh", File), ("config.yaml", File)];
        assert_eq!(form(&good), Ok(()));
        assert_eq!(form(&[&good[..], &[("syft.pub.yaml", File)]].concat()), Ok(()));
        #[rustfmt::skip]
        let cases = [
            ("nothing",        vec![],                                                 "`code` is missing"),
            ("code as a file", vec![("code", File), good[1], good[2]],                 "`code` must be a directory"),
            ("run.sh a link",  vec![good[0], ("run.sh", Other), good[2]],              "`run.sh` must be a file"),
            ("more",           vec![good[0], good[1], good[2], ("x\u{1b}[2J", File)],  "`x\\u{1b}[2J` does not belong there"),
        ];
        for (what, entries, reason) in cases {
            assert_eq!(form(&entries), Err(reason.to_owned()), "{what}");
        }
    }
}
