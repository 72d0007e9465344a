//! Permissions of the own datasite: giving, taking, asking and explaining.
//!
//! What an edit is, is decided in `permissions`; here the rule files are read and written. The
//! next sync tells peers.

use super::{Client, Result};
use crate::caches::scan;
use crate::model::{DatasitePath, RULE_FILE, Role, is_rule_file};
use crate::permissions::{
    self, Edit, EditError, Explanation, Level, Note, RULE_BYTES_MAX, SyftPerm, Target, Warning,
};

impl Client {
    /// Gives `user` (an address or a wildcard) `level` on `path`, relative to the datasite; a
    /// trailing `/` means the folder with all below. Returns what one should know about it.
    ///
    /// # Errors
    /// [`super::Error::Permission`] if there is no such edit; [`super::Error::WrongRole`] for a
    /// scientist; [`super::Error::Locked`].
    pub async fn grant(&self, path: &str, user: &str, level: Level) -> Result<Vec<String>> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let edit = permissions::grant(&self.rules()?, &Target::parse(path)?, user, level)?;
        let Some(edit) = edit else { return Ok(vec![format!("{user} has that already")]) };
        self.store_edit(&edit)?;
        Ok(edit.notes.iter().map(note).collect())
    }

    /// Takes `level`, and what is above it, on `path` from `user`. Returns what one should know
    /// about it.
    ///
    /// # Errors
    /// As [`Client::grant`].
    pub async fn revoke(&self, path: &str, user: &str, level: Level) -> Result<Vec<String>> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let revocation = permissions::revoke(&self.rules()?, &Target::parse(path)?, user, level)?;
        if revocation.edits.is_empty() {
            return Ok(vec![format!("{user} did not have that")]);
        }
        for edit in &revocation.edits {
            self.store_edit(edit)?;
        }
        let notes = revocation.edits.iter().flat_map(|edit| &edit.notes).map(note);
        Ok(notes.chain(revocation.warnings.iter().map(warning)).collect())
    }

    /// True if `user` has `level` on `path` by the rules as they stand on this machine.
    ///
    /// # Errors
    /// [`super::Error::WrongRole`] for a scientist; if the rules cannot be read.
    pub fn allows(&self, path: &str, user: &str, level: Level) -> Result<bool> {
        Ok(self.explain_level(path, user, level)?.allowed)
    }

    /// Explains what `user` may do with `path`: whether it may read it, and why.
    ///
    /// # Errors
    /// As [`Client::allows`].
    pub fn explain(&self, path: &str, user: &str) -> Result<Explanation> {
        self.explain_level(path, user, Level::Read)
    }

    /// Explains whether `user` has `level` on `path`.
    ///
    /// # Errors
    /// As [`Client::allows`].
    pub fn explain_level(&self, path: &str, user: &str, level: Level) -> Result<Explanation> {
        self.needs(Role::Owner)?;
        Ok(self.rules()?.explain(user, path, level))
    }

    /// Returns the rules of the own datasite as they stand on this machine. A rule file that
    /// cannot be read denies its folder.
    ///
    /// # Errors
    /// [`super::Error::WrongRole`] for a scientist; if the datasite cannot be read.
    pub fn rules(&self) -> Result<SyftPerm> {
        self.needs(Role::Owner)?;
        let (account, now) = (&self.account, self.now().micros().saturating_mul(1000));
        let tree = account.tree(&account.email)?;
        let found = scan(&account.store, &tree, &account.email, now)?;
        let mut files = Vec::new();
        for path in found.files.keys().filter(|path| is_rule_file(path)) {
            let folder = path.parent().map_or_else(String::new, |folder| folder.to_string());
            let content = tree.read_first(path, RULE_BYTES_MAX + 1)?;
            files.push((folder, content.unwrap_or_default()));
        }
        Ok(SyftPerm::compile(&account.email, files).0)
    }

    fn store_edit(&self, edit: &Edit) -> Result<()> {
        let path = match edit.folder.as_str() {
            "" => RULE_FILE.to_owned(),
            folder => format!("{folder}/{RULE_FILE}"),
        };
        let path = DatasitePath::parse(&path).map_err(|_| EditError::InvalidPath(path))?;
        let tree = self.account.tree(&self.account.email)?;
        Ok(tree.write(&path, edit.content.as_bytes())?)
    }
}

fn note(note: &Note) -> String {
    match note {
        Note::NewFile => "the folder has a permission file of its own now".to_owned(),
        Note::NewRule { pattern, lists_of: None } => format!("there is a new rule `{pattern}`"),
        Note::NewRule { pattern, lists_of: Some(wider) } => {
            format!("there is a new rule `{pattern}`, which took over the lists of `{wider}`")
        }
        Note::NotCovered { pattern } => {
            format!("the more specific rule `{pattern}` still decides for what it matches")
        }
        Note::OwnFile { folder } => format!("`{folder}` has a permission file that decides there"),
        Note::HiddenFiles => "names that start with a dot are not included".to_owned(),
    }
}

fn warning(warning: &Warning) -> String {
    let Warning { entry, level, pattern, .. } = warning;
    format!("all of `{entry}` lose {level} where the rule `{pattern}` decides")
}
