//! Which file must change, and how, so that somebody may use a file or folder.
//!
//! As the Python client's helper does, the file that governs the target is edited, or one is made
//! in the target's folder if none does. Beyond it: names are put into patterns escaped, and what
//! others could do before they can do after (`carve`).

use crate::model::DatasitePath;

use super::carve::{
    Carved, carve_file, carve_folder, is_everything_in, pattern_in, pattern_with_template, touches,
};
use super::pattern::{Specificity, escape, has_template};
use super::rules::{Access, Level, Rule, Ruleset};
use super::tree::{File, Governed, SyftPerm, any_file_in, is_permission_file, normal};
use super::users::{USER_PLACEHOLDER, covers};
use super::yaml;

/// What an edit is about: a file, or a folder with all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Relative to the datasite, without a trailing slash; empty for the root folder.
    path: String,
    is_folder: bool,
}

/// The new content of one permission file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The folder that the file lies in; empty for the root.
    pub folder: String,
    /// The rules, all of them.
    pub ruleset: Ruleset,
    /// The rules as text, to be stored as they are.
    pub content: String,
    /// What one should know about the change.
    pub notes: Vec<Note>,
}

/// What one should know about an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The folder had no permission file.
    NewFile,
    /// A rule was added. It took over the lists of a wider one, which it hides for its paths.
    NewRule {
        /// Its pattern.
        pattern: String,
        /// The pattern of the wider rule; `None` if nothing decided there.
        lists_of: Option<String>,
    },
    /// A more specific rule still decides for some of the folder, and does not list the user.
    NotCovered {
        /// The pattern of that rule.
        pattern: String,
    },
    /// A permission file further down decides there.
    OwnFile {
        /// The folder that it lies in.
        folder: String,
    },
    /// In a folder, names that start with a dot are never included by `**`.
    HiddenFiles,
}

/// Why there is no edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The target is no path within the datasite.
    #[error("`{0}` is not a path within a datasite")]
    InvalidPath(String),
    /// Neither an address nor a wildcard over addresses. `USER` is not accepted: it is everybody.
    #[error("`{0}` is neither an e-mail address nor a wildcard")]
    InvalidUser(String),
    /// The governing file cannot be read, so changing it would lose what it says.
    #[error("the permission file of folder `{folder}` is not usable")]
    Unusable {
        /// The folder that it lies in.
        folder: String,
    },
    /// On a permission file, less than admin gives nothing.
    #[error("a permission file can only be given as admin")]
    NeedsAdmin,
    /// What the owner may do cannot be taken away.
    #[error("the owner of a datasite may always do everything")]
    Owner,
    /// No edit would leave the access of others as it is.
    #[error("the rules of folder `{folder}` overlap in a way that only an edit by hand can settle")]
    Tangled {
        /// The folder that the file lies in.
        folder: String,
    },
}

impl Target {
    /// Reads a target: a path relative to the datasite; a trailing slash means a folder, nothing or
    /// `/` the root folder.
    ///
    /// # Errors
    /// [`EditError::InvalidPath`] if it is no path within a datasite.
    pub fn parse(text: &str) -> Result<Self, EditError> {
        let is_folder = text.is_empty() || text.ends_with('/');
        let path = text.trim_end_matches('/');
        if !path.is_empty() && DatasitePath::parse(path).is_err() {
            return Err(EditError::InvalidPath(text.chars().take(120).collect()));
        }
        Ok(Self { path: path.to_owned(), is_folder })
    }

    /// Returns the folder at `path`, which may be empty, with or without a trailing slash.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn folder(path: &str) -> Result<Self, EditError> {
        Ok(Self { is_folder: true, ..Self::parse(path)? })
    }

    /// Returns the path without a trailing slash; empty for the root folder.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// True for a folder.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The path whose rule stands for the target.
    pub(super) fn probe(&self) -> String {
        if self.is_folder { normal(&any_file_in(&self.path)) } else { self.path.clone() }
    }
}

/// Returns the edit that gives `user`, an address or a wildcard, `level` on `target`; `None` if
/// they have it already.
///
/// In a folder, rules and files of its own that are more specific keep deciding; the edit's notes
/// name them. Nobody else's access changes.
///
/// # Errors
/// [`EditError`], if there is no such edit.
pub fn grant(
    perm: &SyftPerm,
    target: &Target,
    user: &str,
    level: Level,
) -> Result<Option<Edit>, EditError> {
    check_user(user)?;
    let probe = target.probe();
    if is_permission_file(&probe) && level < Level::Admin {
        return Err(EditError::NeedsAdmin);
    }
    if !is_wildcard(user) && perm.allows(user, &probe, level) {
        return Ok(None);
    }
    let Some(governed) = perm.governed(&probe) else {
        return Ok(Some(new_file(target, user, level)));
    };
    let file = governed.file;
    if file.ruleset.is_none() {
        return Err(EditError::Unusable { folder: file.folder.clone() });
    }
    let mut change = |access: &mut Access, _: &str| {
        if !gives(access, user, level) {
            access.add(level, user);
        }
    };
    let carved = carve(&governed, target, user, &mut change)
        .ok_or_else(|| EditError::Tangled { folder: file.folder.clone() })?;
    if Some(&carved.ruleset) == file.ruleset.as_ref() {
        return Ok(None);
    }
    let mut edit = Edit::new(&file.folder, carved);
    let after = perm.with_file(&edit.folder, edit.ruleset.clone());
    if !is_wildcard(user) && !after.allows(user, &probe, level) {
        return Err(EditError::Tangled { folder: edit.folder });
    }
    if target.is_folder {
        note_exceptions(&after, target, user, level, &mut edit);
    }
    Ok(Some(edit))
}

impl Edit {
    pub(super) fn new(folder: &str, carved: Carved) -> Self {
        let Carved { ruleset, added } = carved;
        let notes = added.into_iter();
        Self {
            folder: folder.to_owned(),
            content: yaml::write(&ruleset),
            ruleset,
            notes: notes.map(|(pattern, lists_of)| Note::NewRule { pattern, lists_of }).collect(),
        }
    }
}

fn carve(
    governed: &Governed<'_>,
    target: &Target,
    user: &str,
    change: &mut dyn FnMut(&mut Access, &str),
) -> Option<Carved> {
    let file = governed.file;
    if !is_wildcard(user)
        && let Some(rank) = template_rule(governed, user)
    {
        return carve_template(governed, target, user, rank, change);
    }
    let decides = governed.plain_rule();
    if !target.is_folder {
        return Some(carve_file(file, &escape(&governed.below.join("/")), decides, change));
    }
    let folder = &governed.below[..governed.below.len() - 1];
    let plain = || file.rules.iter().enumerate().skip(file.templates);
    let same = plain().find(|(_, rule)| is_everything_in(&rule.text, folder)).map(|(rank, _)| rank);
    let key = Specificity::of(&pattern_in(folder, &["**".to_owned()]));
    let hidden = |rank: usize| same.is_none() && file.rules[rank].specificity < key;
    let wanted = |rank: usize| {
        rank >= file.templates && (Some(rank) == same || Some(rank) == decides || hidden(rank))
    };
    carve_folder(file, folder, same.is_none(), &wanted, change).ok()
}

/// The rule with a template that decides for `user`, if one does.
pub(super) fn template_rule(governed: &Governed<'_>, user: &str) -> Option<usize> {
    let templates = &governed.file.rules[..governed.file.templates];
    templates.iter().position(|rule| rule.matches(user, &governed.below))
}

/// The change among the rules with a template, which are tried before all others. The new rule
/// has one as well, so it is for `user` alone.
pub(super) fn carve_template(
    governed: &Governed<'_>,
    target: &Target,
    user: &str,
    rank: usize,
    change: &mut dyn FnMut(&mut Access, &str),
) -> Option<Carved> {
    let file = governed.file;
    if !target.is_folder {
        let pattern = pattern_with_template(&governed.below.join("/"), user);
        return Some(carve_file(file, &pattern, Some(rank), change));
    }
    let folder = &governed.below[..governed.below.len() - 1];
    let pattern = format!("{}/**", pattern_with_template(&folder.join("/"), user));
    let key = Specificity::of(&pattern);
    // The rule must have decided for the whole folder, and no other one for a part of it.
    let for_user = |text: &str| text.replace(super::pattern::TEMPLATE, &escape(user));
    let others = file.rules[..file.templates].iter().enumerate();
    let is_alone = others
        .filter(|(other, rule)| *other != rank && rule.specificity <= key)
        .all(|(_, rule)| !touches(&for_user(&rule.text), folder));
    let text = &file.rules[rank].text;
    let decides_all = text == &pattern || decides_all_below(&for_user(text), folder);
    (is_alone && decides_all).then(|| carve_file(file, &pattern, Some(rank), change))
}

/// True if the pattern ends in `**` and matches anything directly in the folder, and deeper.
fn decides_all_below(text: &str, folder: &[&str]) -> bool {
    let pattern = super::pattern::Pattern::new(text);
    let below = |names: &[&str]| pattern.matches_components(&[folder, names].concat());
    text.ends_with("/**") && below(&["__any__"]) && below(&["__any__", "__any__"])
}

fn new_file(target: &Target, user: &str, level: Level) -> Edit {
    let (folder, pattern) = if target.is_folder {
        (target.path.as_str(), "**".to_owned())
    } else {
        let (folder, name) = target.path.rsplit_once('/').unwrap_or(("", &target.path));
        (folder, escape(name))
    };
    let mut access = Access::default();
    access.add(level, user);
    let ruleset = Ruleset { rules: vec![Rule { access, pattern }], terminal: false };
    let mut edit = Edit::new(folder, Carved { ruleset, added: Vec::new() });
    edit.notes.push(Note::NewFile);
    if target.is_folder {
        edit.notes.push(Note::HiddenFiles);
    }
    edit
}

/// Names what in the folder the grant does not reach.
fn note_exceptions(after: &SyftPerm, target: &Target, user: &str, level: Level, edit: &mut Edit) {
    let probe = target.probe();
    let Some(governed) = after.governed(&probe) else { return };
    let file: &File = governed.file;
    let folder = &governed.below[..governed.below.len() - 1];
    for rule in file.rules.iter().filter(|rule| !has_template(&rule.text)) {
        let access = file.ruleset.as_ref().map(|ruleset| &ruleset.rules[rule.index].access);
        if access.is_some_and(|access| !gives(access, user, level)) && touches(&rule.text, folder) {
            // Less specific ones are hidden by the folder's own rule.
            if rule.specificity < Specificity::of(&pattern_in(folder, &["**".to_owned()])) {
                continue;
            }
            edit.notes.push(Note::NotCovered { pattern: rule.text.clone() });
        }
    }
    if !file.is_terminal() {
        let below = after.files_below(&target.path);
        edit.notes.extend(below.map(|file| Note::OwnFile { folder: file.folder.clone() }));
    }
    edit.notes.push(Note::HiddenFiles);
}

/// True if the lists give `entry` at least `level` already.
fn gives(access: &Access, entry: &str, level: Level) -> bool {
    let lists = Level::ALL.into_iter().filter(|&list| list >= level);
    let listed = |known: &String| {
        known == entry
            || known == "*"
            || known == USER_PLACEHOLDER
            || (!is_wildcard(entry) && covers(known, entry))
    };
    lists.flat_map(|list| access.list(list)).any(listed)
}

pub(super) fn is_wildcard(entry: &str) -> bool {
    entry.contains(['*', '?'])
}

pub(super) fn check_user(user: &str) -> Result<(), EditError> {
    let harmless = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    let valid = !user.is_empty()
        && user.len() <= 254
        && user != USER_PLACEHOLDER
        && user.chars().all(harmless);
    if valid { Ok(()) } else { Err(EditError::InvalidUser(user.chars().take(80).collect())) }
}

#[cfg(test)]
mod tests;
