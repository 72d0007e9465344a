//! Every path against every user at once, for a sync that asks who may see what.
//!
//! Same answers as [`SyftPerm::level`], asked one by one; faster since a path's rule is looked for
//! once for all users and a rule's lists are read once for each user.

use std::collections::HashMap;

use super::pattern::Pattern;
use super::rules::Level;
use super::tree::{File, Governed, SyftPerm, raised};

/// The level of each user on each path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    users: usize,
    levels: Vec<Option<Level>>,
}

impl Grid {
    /// Returns the level of a user on a path, both by their index in what was asked; `None` also
    /// outside of it.
    pub fn level(&self, path: usize, user: usize) -> Option<Level> {
        if user < self.users {
            self.levels.get(path * self.users + user).copied().flatten()
        } else {
            None
        }
    }

    /// True if a user has `level` on a path.
    pub fn allows(&self, path: usize, user: usize, level: Level) -> bool {
        self.level(path, user) >= Some(level)
    }

    /// Returns the indices of the users who have `level` on a path.
    pub fn users_with(&self, path: usize, level: Level) -> impl Iterator<Item = usize> {
        (0..self.users).filter(move |&user| self.allows(path, user, level))
    }
}

/// What is known about one file so far.
struct Memo {
    /// For each rule with a template, its pattern for each user.
    templates: Vec<Vec<Pattern>>,
    /// For each rule, once needed, the level of each user.
    levels: Vec<Option<Vec<Option<Level>>>>,
}

impl SyftPerm {
    /// Returns the level of each of `users` on each of `paths`.
    pub fn evaluate_all<P: AsRef<str>, U: AsRef<str>>(&self, paths: &[P], users: &[U]) -> Grid {
        let mut memos: HashMap<&str, Memo> = HashMap::new();
        let mut levels = Vec::with_capacity(paths.len() * users.len());
        let is_owner: Vec<bool> = users.iter().map(|user| user.as_ref() == self.owner()).collect();
        for path in paths {
            let path = path.as_ref();
            let row = levels.len();
            match self.governed(path) {
                Some(governed) => {
                    let file = governed.file;
                    let memo = memos.entry(&file.folder).or_insert_with(|| Memo::new(file, users));
                    memo.append_row(&governed, path, users, &mut levels);
                }
                None => levels.resize(row + users.len(), None),
            }
            for (level, _) in levels[row..].iter_mut().zip(&is_owner).filter(|(_, owner)| **owner) {
                *level = Some(Level::Admin);
            }
        }
        Grid { users: users.len(), levels }
    }
}

impl Memo {
    fn new<U: AsRef<str>>(file: &File, users: &[U]) -> Self {
        let templates = file.rules[..file.templates].iter();
        Self {
            templates: templates
                .map(|rule| users.iter().map(|user| rule.pattern_for(user.as_ref())).collect())
                .collect(),
            levels: vec![None; file.rules.len()],
        }
    }

    fn append_row<U: AsRef<str>>(
        &mut self,
        governed: &Governed<'_>,
        path: &str,
        users: &[U],
        levels: &mut Vec<Option<Level>>,
    ) {
        let plain = governed.plain_rule();
        for user in 0..users.len() {
            let own =
                self.templates.iter().position(|p| p[user].matches_components(&governed.below));
            let level = own.or(plain).and_then(|rule| {
                self.levels[rule].get_or_insert_with(|| {
                    let lists = &governed.file.rules[rule].lists;
                    users.iter().map(|user| lists.level(user.as_ref())).collect()
                })[user]
            });
            levels.push(raised(path, level));
        }
    }
}
