//! Which files must change, and how, so that somebody may no longer use a file or folder.
//!
//! Entries that cover the user are taken out, wildcards and `USER` included: whoever else they
//! covered loses the access too, and a [`Warning`] says so. Wider rules keep their lists for all
//! that lies elsewhere (`carve`). In a folder, permission files further down are edited as well.

use super::carve::{Carved, carve_file, carve_folder, is_inside, touches};
use super::grant::{
    Edit, EditError, Target, carve_template, check_user, is_wildcard, template_rule,
};
use super::pattern::{TEMPLATE, escape};
use super::rules::{Access, Level};
use super::tree::{File, Governed, SyftPerm};
use super::users::covers;

/// The edits of a revocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocation {
    /// The files to store, at most one for each folder; none if nothing had been given.
    pub edits: Vec<Edit>,
    /// Who else is affected.
    pub warnings: Vec<Warning>,
}

/// An entry that covers more than the user was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The entry: whomever it covers loses `level` where the rule decides.
    pub entry: String,
    /// The list that it stood in.
    pub level: Level,
    /// The folder of the permission file.
    pub folder: String,
    /// The pattern of the rule, as it is now.
    pub pattern: String,
}

/// Returns the edits after which `user`, an address, has less than `level` on `target`. What is
/// below that level they keep: who loses `write` may still read.
///
/// # Errors
/// [`EditError`], if there are no such edits.
pub fn revoke(
    perm: &SyftPerm,
    target: &Target,
    user: &str,
    level: Level,
) -> Result<Revocation, EditError> {
    check_user(user)?;
    if user == perm.owner() {
        return Err(EditError::Owner);
    }
    let mut revocation = Revocation::default();
    let probe = target.probe();
    let mut is_terminal = false;
    if let Some(governed) = perm.governed(&probe) {
        is_terminal = governed.file.is_terminal();
        if governed.file.ruleset.is_some() {
            let file = governed.file;
            let mut take = Take { user, level, folder: &file.folder, warnings: Vec::new() };
            let carved = carve(&governed, target, &mut take)
                .ok_or_else(|| EditError::Tangled { folder: file.folder.clone() })?;
            revocation.add(file, carved, take.warnings);
        }
    }
    if target.is_folder() && !is_terminal {
        for file in perm.files_below(target.path()) {
            let mut take = Take { user, level, folder: &file.folder, warnings: Vec::new() };
            let Some(mut ruleset) = file.ruleset.clone() else { continue };
            for rule in &mut ruleset.rules {
                take.from(&mut rule.access, &rule.pattern);
            }
            revocation.add(file, Carved { ruleset, added: Vec::new() }, take.warnings);
        }
    }
    let after = revocation
        .edits
        .iter()
        .fold(perm.clone(), |perm, edit| perm.with_file(&edit.folder, edit.ruleset.clone()));
    if !is_wildcard(user) && after.allows(user, &probe, level) {
        let folder = after.governed(&probe).map(|g| g.file.folder.clone()).unwrap_or_default();
        return Err(EditError::Tangled { folder });
    }
    Ok(revocation)
}

impl Revocation {
    fn add(&mut self, file: &File, carved: Carved, warnings: Vec<Warning>) {
        if Some(&carved.ruleset) != file.ruleset.as_ref() {
            self.edits.push(Edit::new(&file.folder, carved));
            self.warnings.extend(warnings);
        }
    }
}

/// Takes entries out of lists and remembers whom else that concerns.
struct Take<'a> {
    user: &'a str,
    level: Level,
    folder: &'a str,
    warnings: Vec<Warning>,
}

impl Take<'_> {
    fn covers(&self, entry: &str) -> bool {
        entry == self.user || covers(entry, self.user)
    }

    /// True if the lists give the user the level that is to be taken.
    fn is_needed(&self, access: &Access) -> bool {
        let lists = Level::ALL.into_iter().filter(|&list| list >= self.level);
        lists.flat_map(|list| access.list(list)).any(|entry| self.covers(entry))
    }

    fn from(&mut self, access: &mut Access, pattern: &str) {
        for list in Level::ALL.into_iter().filter(|&list| list >= self.level) {
            let taken: Vec<String> =
                access.list_mut(list).extract_if(.., |entry| self.covers(entry)).collect();
            for entry in taken {
                if let Some(below) = self.level.below() {
                    access.add(below, &entry);
                }
                if entry != self.user {
                    let (folder, pattern) = (self.folder.to_owned(), pattern.to_owned());
                    self.warnings.push(Warning { entry, level: list, folder, pattern });
                }
            }
        }
    }
}

fn carve(governed: &Governed<'_>, target: &Target, take: &mut Take<'_>) -> Option<Carved> {
    let file = governed.file;
    let ruleset = file.ruleset.as_ref()?;
    let needed = |rank: usize, take: &Take<'_>| {
        take.is_needed(&ruleset.rules[file.rules[rank].index].access)
    };
    let unchanged = || Carved { ruleset: ruleset.clone(), added: Vec::new() };
    let own = template_rule(governed, take.user);
    if !target.is_folder() {
        let decides = own.or_else(|| governed.plain_rule());
        return match (decides.filter(|&rank| needed(rank, take)), own) {
            (None, _) => Some(unchanged()),
            (Some(rank), Some(_)) => {
                let user = take.user;
                carve_template(governed, target, user, rank, &mut |a, p| take.from(a, p))
            }
            (decides, None) => {
                let pattern = escape(&governed.below.join("/"));
                Some(carve_file(file, &pattern, decides, &mut |a, p| take.from(a, p)))
            }
        };
    }
    let folder = &governed.below[..governed.below.len() - 1];
    let ranks = file.templates..file.rules.len();
    let wanted: Vec<usize> = ranks
        .filter(|&rank| needed(rank, take) && touches(&file.rules[rank].text, folder))
        .collect();
    let is_wanted = |rank: usize| wanted.contains(&rank);
    let mut carved = if wanted.is_empty() {
        unchanged()
    } else {
        carve_folder(file, folder, false, &is_wanted, &mut |a, p| take.from(a, p)).ok()?
    };
    // Rules with a template that give the user something in the folder: taken from as they are.
    for rule in &mut carved.ruleset.rules {
        let for_user = rule.pattern.replace(TEMPLATE, &escape(take.user));
        if for_user != rule.pattern && take.is_needed(&rule.access) && touches(&for_user, folder) {
            if !is_inside(&for_user, folder) {
                return None;
            }
            take.from(&mut rule.access, &rule.pattern);
        }
    }
    Some(carved)
}
