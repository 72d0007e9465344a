//! Changes who may use one file or folder without changing it anywhere else.
//!
//! The first rule that matches decides alone, so a rule that is added for a target hides the one
//! that decided there before. Each new rule therefore starts from the lists of the rule that it
//! hides. A folder may have been decided by several wider rules (`**/*.csv`, `**`): each gets its
//! own counterpart within the folder (`reports/**/*.csv`, `reports/**`).
//!
//! Invariant: for every path, the rule that decides afterwards is the one that decided before, or
//! its counterpart. Where the order by specificity cannot keep that, there is no edit but a
//! [`Tangled`].

use super::pattern::{Part, Specificity, TEMPLATE, escape, has_template, has_wildcard, split};
use super::rules::{Access, Rule, Ruleset};
use super::tree::File;

/// No set of rules would leave everybody else's access as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tangled;

/// What the change came to.
#[derive(Debug)]
pub(super) struct Carved {
    pub(super) ruleset: Ruleset,
    /// New patterns, each with the pattern of the rule whose lists it took over.
    pub(super) added: Vec<(String, Option<String>)>,
}

/// A new rule and the place in the order of the rule that it stands for; `usize::MAX` for none.
struct New {
    rule: Rule,
    rank: usize,
    from: Option<String>,
}

/// What a rule has to do with a folder.
enum Overlap {
    None,
    /// It matches nothing outside of the folder.
    Inside,
    /// It matches more; these are its counterparts within.
    Partly(Vec<Vec<String>>),
}

/// Changes the lists of `target` alone, a file given by its components below the file's folder.
/// `rank` is the place in `file.rules` of the rule that decides there now.
pub(super) fn carve_file(
    file: &File,
    pattern: &str,
    rank: Option<usize>,
    change: &mut dyn FnMut(&mut Access, &str),
) -> Carved {
    let mut ruleset = file.ruleset.clone().unwrap_or_default();
    if let Some(rule) = rank.map(|rank| &file.rules[rank]).filter(|rule| rule.text == pattern) {
        change(&mut ruleset.rules[rule.index].access, pattern);
        return Carved { ruleset, added: Vec::new() };
    }
    let from = rank.map(|rank| &ruleset.rules[file.rules[rank].index]);
    let mut access = from.map(|rule| rule.access.clone()).unwrap_or_default();
    let from = from.map(|rule| rule.pattern.clone());
    change(&mut access, pattern);
    let rule = Rule { access, pattern: pattern.to_owned() };
    // No pattern that matches this path is more specific; as the first it also wins ties.
    finish(file, ruleset, vec![New { rule, rank: 0, from }], true)
}

/// Changes the lists of all that lies in a folder and is decided by a rule that `wanted` names, by
/// its place in `file.rules`. With `base`, also what no rule decides yet.
pub(super) fn carve_folder(
    file: &File,
    folder: &[&str],
    base: bool,
    wanted: &dyn Fn(usize) -> bool,
    change: &mut dyn FnMut(&mut Access, &str),
) -> Result<Carved, Tangled> {
    let mut ruleset = file.ruleset.clone().unwrap_or_default();
    let overlaps: Vec<Overlap> = file.rules.iter().map(|r| overlap(&r.text, folder)).collect();
    for (rank, rule) in file.rules.iter().enumerate() {
        if wanted(rank) && matches!(overlaps[rank], Overlap::Inside) {
            change(&mut ruleset.rules[rule.index].access, &rule.text);
        }
    }
    // First only the counterparts that are needed; if they get in the way of a rule that has
    // none, then all.
    for all in [false, true] {
        let mut new = counterparts(file, &overlaps, folder, &|rank| all || wanted(rank));
        let everything = pattern_in(folder, &["**".to_owned()]);
        if base && !new.iter().any(|n| n.rule.pattern == everything) {
            let rule = Rule { access: Access::default(), pattern: everything };
            new.push(New { rule, rank: usize::MAX, from: None });
        }
        if in_order(file, &overlaps, &new) {
            for n in &mut new {
                if n.rank == usize::MAX || wanted(n.rank) {
                    change(&mut n.rule.access, &n.rule.pattern);
                }
            }
            return Ok(finish(file, ruleset, new, false));
        }
    }
    Err(Tangled)
}

/// Returns the pattern for all in a folder, or for what `rest` matches in it.
pub(super) fn pattern_in(folder: &[&str], rest: &[String]) -> String {
    let folder = folder.iter().map(|name| escape(name));
    let rest = rest.iter().map(|part| match Part::new(part) {
        Part::Literal(name) => escape(&name),
        _ => part.clone(),
    });
    folder.chain(rest).collect::<Vec<_>>().join("/")
}

/// Returns the pattern of a path with the requester's address in it as a template, so that it is
/// tried among the rules that have one.
pub(super) fn pattern_with_template(path: &str, user: &str) -> String {
    path.split(user).map(escape).collect::<Vec<_>>().join(TEMPLATE)
}

/// True if the rule covers exactly all that lies in the folder.
pub(super) fn is_everything_in(text: &str, folder: &[&str]) -> bool {
    matches!(overlap(text, folder), Overlap::Inside)
        && parts(text).is_some_and(|p| p[folder.len()..].iter().all(|part| part == "**"))
}

/// True if the rule matches nothing outside of the folder.
pub(super) fn is_inside(text: &str, folder: &[&str]) -> bool {
    matches!(overlap(text, folder), Overlap::Inside)
}

/// True if the rule matches anything in the folder.
pub(super) fn touches(text: &str, folder: &[&str]) -> bool {
    !matches!(overlap(text, folder), Overlap::None)
}

fn counterparts(
    file: &File,
    overlaps: &[Overlap],
    folder: &[&str],
    needed: &dyn Fn(usize) -> bool,
) -> Vec<New> {
    let mut new: Vec<New> = Vec::new();
    let mut all_decided = false;
    for (rank, rule) in file.rules.iter().enumerate() {
        let Overlap::Partly(rests) = &overlaps[rank] else { continue };
        if !needed(rank) {
            continue;
        }
        let Some(ruleset) = &file.ruleset else { continue };
        let decided_before = all_decided;
        for rest in rests {
            let pattern = pattern_in(folder, rest);
            // Once a rule has taken all, only names with a dot are left for later ones.
            let is_dead = decided_before && !rest.iter().any(|part| starts_with_dot(part));
            if is_dead || new.iter().any(|n| n.rule.pattern == pattern) {
                continue;
            }
            all_decided |= rest.iter().all(|part| part == "**");
            let access = ruleset.rules[rule.index].access.clone();
            let from = Some(rule.text.clone());
            new.push(New { rule: Rule { access, pattern }, rank, from });
        }
    }
    new
}

/// True if the new rules and the old ones are tried in an order in which each path of the folder
/// is decided by the rule, or its counterpart, that decided it before.
fn in_order(file: &File, overlaps: &[Overlap], new: &[New]) -> bool {
    let everything = new.iter().filter(|n| is_all_below(&n.rule.pattern)).map(|n| n.rank).min();
    let replaced = |rank: usize| {
        new.iter().any(|n| n.rank == rank) || everything.is_some_and(|all| all < rank)
    };
    let old = file.rules.iter().enumerate().filter(|(rank, rule)| {
        !has_template(&rule.text)
            && match overlaps[*rank] {
                Overlap::None => false,
                Overlap::Inside => true,
                Overlap::Partly(_) => !replaced(*rank),
            }
    });
    let old: Vec<(usize, &str)> = old.map(|(rank, rule)| (rank, rule.text.as_str())).collect();
    let added: Vec<(usize, &str)> = new.iter().map(|n| (n.rank, n.rule.pattern.as_str())).collect();
    added.iter().all(|&(rank, text)| {
        let specificity = Specificity::of(text);
        old.iter().chain(&added).all(|&(other, other_text)| {
            // Ties are settled by the place in the file, which follows the rank.
            let in_order = match specificity.cmp(&Specificity::of(other_text)) {
                std::cmp::Ordering::Greater => rank <= other,
                std::cmp::Ordering::Less => other <= rank,
                std::cmp::Ordering::Equal => true,
            };
            in_order || !may_overlap(text, other_text)
        })
    })
}

fn is_all_below(pattern: &str) -> bool {
    pattern == "**" || pattern.ends_with("/**")
}

/// Puts new rules where ties are settled by rank: before the first old rule that is as specific
/// and comes later, or is the very one that the new rule stands for; else at the end.
fn finish(file: &File, mut ruleset: Ruleset, mut new: Vec<New>, first: bool) -> Carved {
    new.sort_by_key(|n| n.rank);
    let mut ranks: Vec<usize> = vec![0; ruleset.rules.len()];
    for (rank, rule) in file.rules.iter().enumerate() {
        ranks[rule.index] = rank;
    }
    let mut added = Vec::new();
    for New { rule, rank, from } in new {
        let specificity = Specificity::of(&rule.pattern);
        let later = |(at, old): (usize, &Rule)| {
            Specificity::of(&old.pattern) == specificity && (first || ranks[at] >= rank)
        };
        let at = ruleset.rules.iter().enumerate().position(later).unwrap_or(ranks.len());
        added.push((rule.pattern.clone(), from));
        ruleset.rules.insert(at, rule);
        ranks.insert(at, rank);
    }
    Carved { ruleset, added }
}

/// The components of a pattern; `None` if it can match nothing.
fn parts(text: &str) -> Option<Vec<String>> {
    if has_wildcard(text) {
        split(text)
    } else if text.is_empty() {
        Some(Vec::new())
    } else {
        text.split('/').map(|name| (!name.is_empty()).then(|| escape(name))).collect()
    }
}

fn overlap(text: &str, folder: &[&str]) -> Overlap {
    let Some(parts) = parts(text).filter(|_| !has_template(text)) else { return Overlap::None };
    let literal = |(part, name): (&String, &&str)| matches!(Part::new(part), Part::Literal(text) if text == *name);
    if parts.len() >= folder.len() && parts.iter().zip(folder).all(literal) {
        let is_within = parts.len() > folder.len() || folder.is_empty();
        return if is_within { Overlap::Inside } else { Overlap::None };
    }
    let mut rests = Vec::new();
    rest_after(&parts, folder, &mut rests);
    if rests.is_empty() { Overlap::None } else { Overlap::Partly(rests) }
}

/// What of a pattern is left for the components after `folder`, in each way to match it.
fn rest_after(parts: &[String], folder: &[&str], rests: &mut Vec<Vec<String>>) {
    const RESTS_MAX: usize = 64; // one for each `**` in practice
    let Some((part, after)) = parts.split_first() else { return };
    let Some((name, deeper)) = folder.split_first() else {
        let mut rest = parts.to_vec();
        rest.dedup_by(|a, b| a == "**" && b == "**");
        if !rests.contains(&rest) && rests.len() < RESTS_MAX {
            rests.push(rest);
        }
        return;
    };
    if part == "**" {
        if !name.starts_with('.') {
            rest_after(parts, deeper, rests);
        }
        rest_after(after, folder, rests);
    } else if Part::new(part).matches(name) {
        rest_after(after, deeper, rests);
    }
}

fn starts_with_dot(part: &str) -> bool {
    part.starts_with('.') || part.starts_with("\\.")
}

/// True unless no path can match both; when in doubt, true.
fn may_overlap(a: &str, b: &str) -> bool {
    match (parts(a), parts(b)) {
        (Some(a), Some(b)) => may_meet(&a, &b),
        _ => false,
    }
}

fn may_meet(a: &[String], b: &[String]) -> bool {
    // Reachable pairs of positions, row by row: no path is walked twice.
    let mut reachable = vec![vec![false; b.len() + 1]; a.len() + 1];
    reachable[0][0] = true;
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if !reachable[i][j] {
                continue;
            }
            let (x, y) = (a.get(i), b.get(j));
            let (deep_x, deep_y) = (x.is_some_and(|x| x == "**"), y.is_some_and(|y| y == "**"));
            if deep_x {
                reachable[i + 1][j] = true;
            }
            if deep_y {
                reachable[i][j + 1] = true;
            }
            match (x, y) {
                (Some(_), Some(y)) if deep_x && !deep_y && !starts_with_dot(y) => {
                    reachable[i][j + 1] = true;
                }
                (Some(x), Some(_)) if deep_y && !deep_x && !starts_with_dot(x) => {
                    reachable[i + 1][j] = true;
                }
                (Some(x), Some(y)) if !deep_x && !deep_y && names_may_meet(x, y) => {
                    reachable[i + 1][j + 1] = true;
                }
                _ => {}
            }
        }
    }
    reachable[a.len()][b.len()]
}

fn names_may_meet(a: &str, b: &str) -> bool {
    match (Part::new(a), Part::new(b)) {
        (Part::Literal(a), Part::Literal(b)) => a == b,
        (Part::Literal(name), wild) | (wild, Part::Literal(name)) => wild.matches(&name),
        _ => starts_with_dot(a) == starts_with_dot(b),
    }
}
