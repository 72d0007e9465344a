//! All permission files of one datasite, compiled, and who may do what by them.
//!
//! Built once from the files' content, then asked any number of times. Nothing here fails: a file
//! that cannot be read is a [`Problem`], and until it is mended it denies its folder and all below
//! to everybody but the owner. (It might have been `terminal`, so files further down must not
//! speak in its place.)

use std::collections::{BTreeMap, HashMap};

use crate::model::Email;

use super::pattern::{Pattern, Specificity, has_template};
use super::rules::{Level, PERMISSION_FILE_NAME, Ruleset};
use super::users::Lists;
use super::yaml::{self, InvalidRuleset};

/// The rules of one datasite.
///
/// Paths are relative to the datasite. Any text may be asked about: empty components are dropped,
/// `..` is a name like others and is not resolved.
#[derive(Clone, Debug)]
pub struct SyftPerm {
    owner: String,
    files: BTreeMap<String, File>,
    nodes: Vec<Node>,
}

/// A permission file that could not be read, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not usable, so only the owner may use what it governs", self.path())]
pub struct Problem {
    /// The folder that the file lies in; empty for the root.
    pub folder: String,
    /// What is wrong with it.
    pub source: InvalidRuleset,
}

impl Problem {
    /// Returns where the file is within the datasite.
    pub fn path(&self) -> String {
        file_path(&self.folder)
    }
}

/// One permission file.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// The folder, without empty components.
    pub(super) folder: String,
    /// `None` if it could not be read.
    pub(super) ruleset: Option<Ruleset>,
    /// Most specific first; ties in file order.
    pub(super) rules: Vec<CompiledRule>,
    /// How many of them, at the start, have a template.
    pub(super) templates: usize,
}

/// One rule, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    /// The index in the file.
    pub(super) index: usize,
    pub(super) specificity: Specificity,
    pub(super) text: String,
    /// `None` if it depends on the user.
    pattern: Option<Pattern>,
    pub(super) lists: Lists,
}

/// One folder on the way to a permission file.
#[derive(Clone, Debug, Default)]
struct Node {
    children: HashMap<String, usize>,
    file: Option<String>,
}

/// The file that governs a path, and the path's components below its folder.
#[derive(Clone, Debug)]
pub(super) struct Governed<'a> {
    pub(super) file: &'a File,
    pub(super) below: Vec<&'a str>,
}

impl SyftPerm {
    /// Compiles the permission files of `owner`'s datasite, given as (folder, content); the root
    /// folder is the empty text. Of two files for one folder the last counts.
    pub fn compile(
        owner: &Email,
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> (Self, Vec<Problem>) {
        let parsed = files.into_iter().map(|(folder, content)| (folder, yaml::parse(&content)));
        Self::from_parsed(owner.as_str(), parsed)
    }

    /// As [`SyftPerm::compile`], from files that are parsed, or not parseable, already.
    pub fn from_parsed(
        owner: &str,
        files: impl IntoIterator<Item = (String, Result<Ruleset, InvalidRuleset>)>,
    ) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut compiled = BTreeMap::new();
        for (folder, parsed) in files {
            let folder = normal(&folder);
            problems.retain(|problem: &Problem| problem.folder != folder);
            let ruleset = match parsed {
                Ok(ruleset) => Some(ruleset),
                Err(source) => {
                    problems.push(Problem { folder: folder.clone(), source });
                    None
                }
            };
            compiled.insert(folder.clone(), File::new(folder, ruleset));
        }
        (Self::from_files(owner.to_owned(), compiled), problems)
    }

    fn from_files(owner: String, files: BTreeMap<String, File>) -> Self {
        let mut nodes = vec![Node::default()];
        for folder in files.keys() {
            let mut at = 0;
            for name in components(folder) {
                at = match nodes[at].children.get(name) {
                    Some(&child) => child,
                    None => {
                        nodes.push(Node::default());
                        let child = nodes.len() - 1;
                        nodes[at].children.insert(name.to_owned(), child);
                        child
                    }
                };
            }
            nodes[at].file = Some(folder.clone());
        }
        Self { owner, files, nodes }
    }

    /// Returns the same rules with the file of one folder replaced or added.
    #[must_use]
    pub fn with_file(&self, folder: &str, ruleset: Ruleset) -> Self {
        let mut files = self.files.clone();
        let folder = normal(folder);
        files.insert(folder.clone(), File::new(folder, Some(ruleset)));
        Self::from_files(self.owner.clone(), files)
    }

    /// Returns the address of the datasite's owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns the rules in the file of `folder`; `None` if there is none, or none that is usable.
    pub fn ruleset(&self, folder: &str) -> Option<&Ruleset> {
        self.files.get(&normal(folder))?.ruleset.as_ref()
    }

    /// Returns the folders that have a permission file, sorted.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// True if `user` has `level` on `path`. A permission file needs [`Level::Admin`] whatever is
    /// asked.
    pub fn allows(&self, user: impl AsRef<str>, path: impl AsRef<str>, level: Level) -> bool {
        self.level(user, path) >= Some(level)
    }

    /// Returns the highest level that `user` has on `path`; `None` if there is none.
    pub fn level(&self, user: impl AsRef<str>, path: impl AsRef<str>) -> Option<Level> {
        let (user, path) = (user.as_ref(), path.as_ref());
        if user == self.owner {
            return Some(Level::Admin);
        }
        let governed = self.governed(path)?;
        let rule = governed.rule_for(user)?;
        raised(path, rule.lists.level(user))
    }

    /// True if `user` has `level` on what is put into `folder`, empty for the root.
    pub fn allows_in_folder(&self, user: impl AsRef<str>, folder: &str, level: Level) -> bool {
        self.allows(user, any_file_in(folder), level)
    }

    /// Returns those of `users` who may read `path`, in the same order.
    pub fn readers<'u>(&self, path: impl AsRef<str>, users: &'u [Email]) -> Vec<&'u Email> {
        let path = path.as_ref();
        users.iter().filter(|user| self.allows(user, path, Level::Read)).collect()
    }

    /// Returns the file that governs `path`: the nearest, unless one above is terminal.
    pub(super) fn governed<'a>(&'a self, path: &'a str) -> Option<Governed<'a>> {
        let (file, depth) = self.on_the_way(path).pop()?;
        Some(Governed { file, below: components(path).skip(depth).collect() })
    }

    /// Returns the files from the root towards `path`, with their depth, as far as they count. The
    /// last one governs.
    pub(super) fn on_the_way(&self, path: &str) -> Vec<(&File, usize)> {
        let mut files = Vec::new();
        let mut node = &self.nodes[0];
        let mut depth = 0;
        let mut names = components(path);
        loop {
            if let Some(file) = node.file.as_ref().and_then(|folder| self.files.get(folder)) {
                files.push((file, depth));
                if file.is_terminal() {
                    return files;
                }
            }
            match names.next().and_then(|name| node.children.get(name)) {
                Some(&child) => node = &self.nodes[child],
                None => return files,
            }
            depth += 1;
        }
    }

    /// Returns the files in folders below `folder`.
    pub(super) fn files_below(&self, folder: &str) -> impl Iterator<Item = &File> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.files.values().filter(move |f| f.folder.starts_with(&prefix) && f.folder != folder)
    }
}

impl File {
    fn new(folder: String, ruleset: Option<Ruleset>) -> Self {
        let rules = ruleset.iter().flat_map(|ruleset| ruleset.rules.iter().enumerate());
        let mut rules: Vec<CompiledRule> = rules
            .map(|(index, rule)| CompiledRule {
                index,
                specificity: Specificity::of(&rule.pattern),
                text: rule.pattern.clone(),
                pattern: (!has_template(&rule.pattern)).then(|| Pattern::new(&rule.pattern)),
                lists: Lists::compile(&rule.access),
            })
            .collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.specificity)); // stable
        let templates = rules.iter().take_while(|rule| rule.pattern.is_none()).count();
        Self { folder, ruleset, rules, templates }
    }

    /// True if nothing further down counts.
    pub(super) fn is_terminal(&self) -> bool {
        self.ruleset.as_ref().is_none_or(|ruleset| ruleset.terminal)
    }
}

impl CompiledRule {
    /// True if the pattern matches for `user`.
    pub(super) fn matches(&self, user: &str, below: &[&str]) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches_components(below),
            None => self.pattern_for(user).matches_components(below),
        }
    }

    /// Returns the pattern as it is for `user`.
    pub(super) fn pattern_for(&self, user: &str) -> Pattern {
        Pattern::for_user(&self.text, user)
    }
}

impl<'a> Governed<'a> {
    /// Returns the rule that decides for `user`: the first that matches.
    pub(super) fn rule_for(&self, user: &str) -> Option<&'a CompiledRule> {
        self.file.rules.iter().find(|rule| rule.matches(user, &self.below))
    }

    /// Returns the first rule without a template that matches: it decides for everybody for whom
    /// none with a template does.
    pub(super) fn plain_rule(&self) -> Option<usize> {
        let plain = self.file.rules.iter().enumerate().skip(self.file.templates);
        plain.into_iter().find(|(_, rule)| rule.matches("", &self.below)).map(|(at, _)| at)
    }
}

/// What a level is worth on `path`: on a permission file, nothing below [`Level::Admin`] counts.
pub(super) fn raised(path: &str, level: Option<Level>) -> Option<Level> {
    level.filter(|&level| level == Level::Admin || !is_permission_file(path))
}

/// True if `path` can only be used by administrators. Any name that *ends* so, as peers judge it.
pub(super) fn is_permission_file(path: &str) -> bool {
    path.ends_with(PERMISSION_FILE_NAME)
}

/// Returns the path that stands for anything put into a folder.
pub(super) fn any_file_in(folder: &str) -> String {
    format!("{folder}/__any__")
}

/// Returns where the permission file of `folder` is.
pub(super) fn file_path(folder: &str) -> String {
    if folder.is_empty() {
        PERMISSION_FILE_NAME.to_owned()
    } else {
        format!("{folder}/{PERMISSION_FILE_NAME}")
    }
}

/// The components of a path, empty ones dropped.
pub(super) fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// The path without empty components.
pub(super) fn normal(path: &str) -> String {
    components(path).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
