//! Whatever three accounts do to each other's files: `access` and `trashed` are what a walk from
//! the root would say, and whoever sees something else than before has a change record for it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rusqlite::Connection;

use super::{
    Result, Txn, access, changes, connect, delete, edit,
    edit::{Metadata, Moves},
    files, in_transaction, permissions,
    tokens::{self, Me},
    words,
};

#[derive(Debug, Clone)]
enum Step {
    Create { folder: bool, parent: usize },
    Share { file: usize, with: usize, rank: i64 },
    Unshare { file: usize, with: usize },
    HandOver { file: usize, to: usize },
    Move { file: usize, to: usize },
    Leave { file: usize },
    Rename { file: usize },
    Trash { file: usize, trashed: bool },
    Delete { file: usize },
    EmptyTrash,
}

fn step() -> impl Strategy<Value = Step> {
    let (file, account) = (0..12_usize, 0..3_usize);
    prop_oneof![
        4 => (any::<bool>(), file.clone())
            .prop_map(|(folder, parent)| Step::Create { folder, parent }),
        3 => (file.clone(), account.clone(), 1..=3_i64)
            .prop_map(|(file, with, rank)| Step::Share { file, with, rank }),
        1 => (file.clone(), account.clone()).prop_map(|(file, with)| Step::Unshare { file, with }),
        1 => (file.clone(), account).prop_map(|(file, to)| Step::HandOver { file, to }),
        3 => (file.clone(), file.clone()).prop_map(|(file, to)| Step::Move { file, to }),
        1 => file.clone().prop_map(|file| Step::Leave { file }),
        1 => file.clone().prop_map(|file| Step::Rename { file }),
        2 => (file.clone(), any::<bool>()).prop_map(|(file, trashed)| Step::Trash { file, trashed }),
        1 => file.prop_map(|file| Step::Delete { file }),
        1 => Just(Step::EmptyTrash),
    ]
}

/// Does one step in the name of one account; what it may not do is refused and changes nothing.
fn apply(txn: &mut Txn<'_>, all: &[Me], who: usize, step: &Step) -> Result<()> {
    let me = &all[who];
    let ids: Vec<String> = txn
        .tx
        .prepare("SELECT id FROM file ORDER BY seq")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let id = |at: usize| ids[at % ids.len()].as_str();
    let parent_of = |txn: &Txn<'_>, id: &str| -> Result<Vec<String>> {
        let sql = "SELECT p.id FROM file f JOIN file p ON p.seq = f.parent WHERE f.id = ?1";
        let mut statement = txn.tx.prepare(sql)?;
        let parents = statement.query_map([id], |row| row.get(0))?;
        Ok(parents.collect::<rusqlite::Result<_>>()?)
    };
    let patch = |txn: &mut Txn<'_>, id: &str, meta: Metadata, moves: Moves| {
        edit::update(txn, me, id, &meta, &moves, None).map(|_| ())
    };
    match *step {
        Step::Create { folder, parent } => {
            let mime = folder.then(|| files::FOLDER.to_owned());
            let parents = Some(vec![id(parent).to_owned()]);
            edit::create(txn, me, &Metadata { mime, parents, ..Metadata::default() }, None)?;
        }
        Step::Share { file, with, rank } => {
            permissions::create(txn, me, id(file), "user", &all[with].email, rank, false)?;
        }
        Step::Unshare { file, with } => {
            let permission = super::ids::permission_id(&all[with].email);
            permissions::delete(txn, me, id(file), &permission)?;
        }
        Step::HandOver { file, to } => {
            permissions::create(txn, me, id(file), "user", &all[to].email, access::OWNER, true)?;
        }
        Step::Move { file, to } => {
            let moves = Moves { add: vec![id(to).into()], remove: parent_of(txn, id(file))? };
            patch(txn, id(file), Metadata::default(), moves)?;
        }
        Step::Leave { file } => {
            let moves = Moves { add: Vec::new(), remove: parent_of(txn, id(file))? };
            patch(txn, id(file), Metadata::default(), moves)?;
        }
        Step::Rename { file } => {
            let name = Some("renamed".to_owned());
            patch(txn, id(file), Metadata { name, ..Metadata::default() }, Moves::default())?;
        }
        Step::Trash { file, trashed } => {
            let trashed = Some(trashed);
            patch(txn, id(file), Metadata { trashed, ..Metadata::default() }, Moves::default())?;
        }
        Step::Delete { file } => delete::delete(txn, me, id(file))?,
        Step::EmptyTrash => delete::empty_trash(txn, me)?,
    }
    Ok(())
}

/// Returns, by a walk from each file to its root, everybody's rank and whether it is in the trash.
fn walk(c: &Connection, file: i64) -> (BTreeMap<i64, i64>, bool) {
    let (parent, owner, discarded): (Option<i64>, i64, bool) = c
        .query_row("SELECT parent, owner, discarded FROM file WHERE seq = ?1", [file], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    let (mut ranks, mut trashed) = (BTreeMap::new(), discarded);
    if let Some(parent) = parent {
        let (above, gone) = walk(c, parent);
        ranks.extend(above.into_iter().map(|(who, rank)| (who, rank.min(access::WRITER))));
        trashed |= gone;
    }
    let mut own = c.prepare("SELECT principal, rank FROM permission WHERE file = ?1").unwrap();
    let own = own.query_map([file], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for permission in own.map(rusqlite::Result::unwrap).chain([(owner, access::OWNER)]) {
        let (who, rank): (i64, i64) = permission;
        let best = ranks.entry(who).or_insert(rank);
        *best = rank.max(*best);
    }
    (ranks, trashed)
}

fn check_derived(c: &Connection) {
    let mut all = c.prepare("SELECT seq, trashed FROM file").unwrap();
    let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for file in all {
        let (file, trashed): (i64, bool) = file.unwrap();
        let odd = c.query_row(
            "SELECT count(*) FROM access a JOIN file f ON f.seq = a.file
             WHERE f.seq = ?1 AND a.folder <> (f.mime = 'application/vnd.google-apps.folder')",
            [file],
            |row| row.get::<_, i64>(0),
        );
        assert_eq!(odd.unwrap(), 0, "file {file}");
        let mut kept = c.prepare("SELECT principal, rank FROM access WHERE file = ?1").unwrap();
        let kept = kept.query_map([file], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let kept: BTreeMap<i64, i64> = kept.map(rusqlite::Result::unwrap).collect();
        assert_eq!((kept, trashed), walk(c, file), "file {file}");
    }
}

/// The words of each name, and nothing else, lead to its file.
fn check_words(c: &Connection) {
    let sql = "SELECT seq, name FROM file WHERE seq NOT IN (SELECT root FROM principal
                                                            WHERE root > 0)";
    let mut named = c.prepare(sql).unwrap();
    let named = named.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut wanted = BTreeSet::new();
    for file in named {
        let (file, name): (i64, String) = file.unwrap();
        wanted.extend(words::kept(&name).into_iter().map(|word| (word, file)));
    }
    let mut kept = c.prepare("SELECT word, file FROM word").unwrap();
    let kept = kept.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let kept: BTreeSet<(String, i64)> = kept.map(rusqlite::Result::unwrap).collect();
    assert_eq!(kept, wanted);
}

/// Returns what an account sees: id → name, trash, rank.
fn view(c: &Connection, me: &Me) -> BTreeMap<String, (String, bool, i64)> {
    let sql = "SELECT f.id, f.name, f.trashed, a.rank FROM file f JOIN access a ON a.file = f.seq
               WHERE a.principal = ?1";
    let mut statement = c.prepare(sql).unwrap();
    let rows = statement.query_map([me.principal], |row| {
        Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
    });
    rows.unwrap().map(rusqlite::Result::unwrap).collect()
}

fn run(steps: &[(usize, Step)]) {
    let data = tempfile::tempdir().unwrap();
    let mut c = connect(data.path()).unwrap();
    c.pragma_update(None, "synchronous", "OFF").unwrap();
    let all: Vec<Me> = ["a@x", "b@x", "c@x"]
        .iter()
        .map(|email| {
            in_transaction(&mut c, 1, |txn| {
                let me = tokens::ensure_account(txn, email)?;
                tokens::add_secret(txn, me, email)
            })
            .unwrap();
            tokens::holder(&c, super::ids::hash(email), 1).unwrap().unwrap().me
        })
        .collect();
    for (who, step) in steps {
        let before: Vec<_> = all.iter().map(|me| view(&c, me)).collect();
        let token = changes::start(&c).unwrap();
        in_transaction(&mut c, 2, |txn| apply(txn, &all, *who, step)).ok();
        check_derived(&c);
        check_words(&c);
        for (me, before) in all.iter().zip(before) {
            let after = view(&c, me);
            let page = changes::page(&c, me, token, 1000, files::Wanted::ALL).unwrap();
            let told: BTreeMap<_, _> =
                page.changes.iter().map(|one| (&one.id, one.file.is_some())).collect();
            for id in before.keys().chain(after.keys()) {
                if before.get(id) != after.get(id) {
                    let there = after.contains_key(id);
                    assert_eq!(told.get(id), Some(&there), "{step:?}: {} and {id}", me.email);
                }
            }
            for id in told.keys() {
                let known = before.contains_key(*id) || after.contains_key(*id);
                assert!(known, "{step:?}: {} hears of a stranger's {id}", me.email);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn access_and_changes_are_what_a_walk_would_say(
        steps in proptest::collection::vec((0..3_usize, step()), 1..40)
    ) {
        run(&steps);
    }
}
