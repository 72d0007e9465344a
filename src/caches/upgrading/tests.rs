//! Databases as other releases leave them, and as disks and people damage them.

use super::super::{Store, meta};
use super::*;

const ADDS: &str = "CREATE TABLE later (key TEXT PRIMARY KEY, value TEXT NOT NULL DEFAULT 'new');
                    ALTER TABLE outgoing ADD COLUMN hint TEXT;";
const CHANGES: &str = "ALTER TABLE outgoing RENAME TO sendings;
                       UPDATE meta SET value = value || '!' WHERE key = 'kept';";

/// The version that this program knows.
const KNOWN: i64 = STEPS.len() as i64;

fn with(sql: &'static str, readable_by: i64) -> Vec<Step> {
    [STEPS, &[Step { sql, readable_by }]].concat()
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A database of this release, in which a message waits to be sent.
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let store = Store::open(&place.path()).unwrap();
        store
            .write(|db| {
                meta::set(db, "kept", "yes")?;
                db.execute_batch(
                    "INSERT INTO outgoing (file, folder, name, content)
                     VALUES ('f', 'p', 'n', x'00')",
                )?;
                Ok(())
            })
            .unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }
}

fn kept(store: &Store) -> Option<String> {
    store.read(|db| meta::get(db, "kept")).unwrap()
}

fn waiting(store: &Store, table: &str) -> i64 {
    store
        .read(
            |db| Ok(db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?),
        )
        .unwrap()
}

#[test]
fn what_a_program_does_with_a_database_depends_on_both_versions() {
    #[rustfmt::skip]
    let cases = [
        // what                           found  readable by  known  verdict
        ("no schema",                     0,     None,        2,     Verdict::Damaged),
        ("a version below any",           -1,    None,        2,     Verdict::Damaged),
        ("an old one",                    1,     Some(1),     2,     Verdict::Upgrade),
        ("that of this program",          2,     Some(2),     2,     Verdict::Use),
        ("a newer one that adds",         3,     Some(2),     2,     Verdict::Use),
        ("a newer one that changes",      3,     Some(3),     2,     Verdict::TooNew),
        ("a newer one that says nothing", 3,     None,        2,     Verdict::TooNew),
    ];
    for (what, found, readable_by, known, verdict) in cases {
        assert_eq!(judge(found, readable_by, known), verdict, "{what}");
    }
}

#[test]
fn an_upgrade_keeps_what_is_there_and_a_copy_of_how_it_was() {
    let place = Place::new();
    let store = Store::open_with(&place.path(), &with(CHANGES, KNOWN + 1)).unwrap();
    assert_eq!(kept(&store).as_deref(), Some("yes!"));
    assert_eq!(waiting(&store, "sendings"), 1);
    drop(store);
    let copy = beside(&place.path(), &format!(".before-upgrade-from-{KNOWN}"));
    let copied = Database::open(&copy).unwrap();
    assert_eq!(version(&copied).unwrap(), KNOWN);
    assert_eq!(meta::get(&copied, "kept").unwrap().as_deref(), Some("yes"));
    drop(copied);
    // The next upgrade keeps one copy: the newest.
    let third =
        [with(CHANGES, KNOWN + 1), vec![Step { sql: ADDS_TO_SENDINGS, readable_by: KNOWN + 1 }]]
            .concat();
    drop(Store::open_with(&place.path(), &third).unwrap());
    let names = place.names();
    let copies: Vec<_> = names.iter().filter(|name| name.contains("before")).collect();
    assert_eq!(copies, [&format!("state.db.before-upgrade-from-{}", KNOWN + 1)]);
}

const ADDS_TO_SENDINGS: &str = "ALTER TABLE sendings ADD COLUMN hint TEXT;";

#[test]
fn an_older_program_goes_on_with_what_a_newer_one_only_added_to() {
    let place = Place::new();
    drop(Store::open_with(&place.path(), &with(ADDS, KNOWN)).unwrap());
    let older = Store::open(&place.path()).unwrap();
    assert_eq!(kept(&older).as_deref(), Some("yes"));
    older.write(|db| meta::set(db, "kept", "by the older")).unwrap();
    drop(older);
    let newer = Store::open_with(&place.path(), &with(ADDS, KNOWN)).unwrap();
    assert_eq!(kept(&newer).as_deref(), Some("by the older"));
    assert_eq!(waiting(&newer, "later"), 0, "the version stayed: the step is not done twice");
}

#[test]
fn an_older_program_leaves_alone_what_a_newer_one_changed() {
    let place = Place::new();
    drop(Store::open_with(&place.path(), &with(CHANGES, KNOWN + 1)).unwrap());
    let (names, bytes) = (place.names(), place.bytes());
    let refused = Store::open(&place.path());
    let is_refused = |error: &Error| matches!(error, Error::NewerDatabase { found, known } if (*found, *known) == (KNOWN + 1, KNOWN));
    assert!(refused.as_ref().is_err_and(is_refused), "{refused:?}");
    assert_eq!((place.names(), place.bytes()), (names, bytes));
}

#[test]
fn an_upgrade_that_fails_at_any_statement_changes_nothing() {
    // At each place one statement more is done before the one that fails.
    const FAILING: [&str; 3] = [
        "NOT A STATEMENT;",
        "ALTER TABLE outgoing RENAME TO sendings; NOT A STATEMENT;",
        "ALTER TABLE outgoing RENAME TO sendings; DELETE FROM meta; NOT A STATEMENT;",
    ];
    for sql in FAILING {
        let place = Place::new();
        let steps = [with(ADDS, KNOWN), vec![Step { sql, readable_by: KNOWN + 2 }]].concat();
        assert!(matches!(Store::open_with(&place.path(), &steps), Err(Error::Database(_))));
        let store = Store::open(&place.path()).unwrap();
        assert_eq!((kept(&store).as_deref(), waiting(&store, "outgoing")), (Some("yes"), 1));
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('later', 'sendings')";
        let made: i64 = store.read(|db| Ok(db.query_row(tables, [], |row| row.get(0))?)).unwrap();
        assert_eq!(made, 0, "{sql}");
        drop(store);
        // And the next release, in which the mistake is mended, upgrades it.
        let store = Store::open_with(&place.path(), &with(CHANGES, KNOWN + 1)).unwrap();
        assert_eq!(kept(&store).as_deref(), Some("yes!"));
    }
}

#[test]
fn processes_that_open_at_once_upgrade_once() {
    for is_new in [false, true] {
        let place = Place::new();
        if is_new {
            Store::set_aside(&place.path(), crate::model::Timestamp::from_micros(1)).unwrap();
        }
        let gate = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    gate.wait();
                    let store = Store::open_with(&place.path(), &with(CHANGES, KNOWN + 1)).unwrap();
                    store.write(|db| meta::set(db, "opened", "1")).unwrap();
                });
            }
        });
        let store = Store::open_with(&place.path(), &with(CHANGES, KNOWN + 1)).unwrap();
        assert_eq!(kept(&store).as_deref(), (!is_new).then_some("yes!"));
    }
}

#[test]
fn a_damaged_database_is_told_of_and_never_made_anew() {
    type Damage = fn(&Place);
    #[rustfmt::skip]
    let cases: [(&str, Damage); 6] = [
        ("garbage in the header", |place| overwrite(place, |bytes| bytes[..16].fill(b'x'))),
        ("another file",          |place| overwrite(place, |bytes| *bytes = b"hello".repeat(999))),
        ("cut off",               |place| overwrite(place, |bytes| bytes.truncate(bytes.len() / 2))),
        ("cut off after a page",  |place| overwrite(place, |bytes| bytes.truncate(4096))),
        ("empty",                 |place| overwrite(place, Vec::clear)),
        ("gone but for its log",  |place| {
            std::fs::remove_file(place.path()).unwrap();
            std::fs::write(beside(&place.path(), "-wal"), b"what was not in the main file").unwrap();
        }),
    ];
    for (what, damage) in cases {
        let place = Place::new();
        damage(&place);
        let before = std::fs::read(place.path()).ok();
        for _ in 0..2 {
            let refused = Store::open(&place.path());
            assert!(matches!(refused, Err(Error::Damaged { .. })), "{what}: {refused:?}");
        }
        assert_eq!(std::fs::read(place.path()).ok(), before, "{what}: it is left as it is");
        let at = crate::model::Timestamp::from_micros(7);
        let aside = Store::set_aside(&place.path(), at).unwrap().unwrap();
        assert_eq!(std::fs::read(aside.join("state.db")).ok(), before, "{what}: it is kept");
        assert_eq!(kept(&Store::open(&place.path()).unwrap()), None, "{what}");
    }
}

/// The process is killed, and the next one dies while it sets the database aside: nobody takes what is
/// left of it for a database, and setting it aside again goes on.
#[test]
fn a_setting_aside_that_was_cut_off_leaves_nothing_that_is_opened() {
    let parts = ["-shm", "-wal", "", super::super::counting::SUFFIX];
    let place = Place::new();
    let store = Store::open(&place.path()).unwrap();
    store.write(|db| meta::set(db, "kept", "in the log beside the file")).unwrap();
    let at = crate::model::Timestamp::from_micros;
    for moved in 0..=parts.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        for suffix in parts {
            std::fs::copy(beside(&place.path(), suffix), beside(&path, suffix)).unwrap();
        }
        // A folder that stands where the next part is to go ends it there.
        if let Some(next) = parts.get(moved) {
            let taken = beside(&path, ".aside-1").join(beside(Path::new("state.db"), next));
            std::fs::create_dir_all(taken.join("taken")).unwrap();
            Store::set_aside(&path, at(1)).unwrap_err();
            // The log is gone.
            if moved > 1 {
                let opened = Store::open(&path);
                assert!(matches!(opened, Err(Error::Damaged { .. })), "{moved}: {opened:?}");
            }
        }
        assert!(Store::set_aside(&path, at(2)).unwrap().is_some(), "{moved}");
        assert!(path.is_file(), "{moved}: a new one is in its place at once");
        assert_eq!(kept(&Store::open(&path).unwrap()), None, "{moved}");
    }
}

fn overwrite(place: &Place, change: fn(&mut Vec<u8>)) {
    let mut bytes = place.bytes();
    change(&mut bytes);
    std::fs::write(place.path(), bytes).unwrap();
}

/// The process is killed, so that the log beside the main file is not taken in; then that is
/// deleted, by somebody who tidies up.
#[test]
fn a_database_that_has_gone_back_in_time_is_damaged() {
    let place = Place::new();
    let old = place.bytes();
    let store = Store::open(&place.path()).unwrap();
    store.write(|db| meta::set(db, "kept", "what is not sent yet")).unwrap();
    assert!(beside(&place.path(), "-wal").metadata().unwrap().len() > 0);
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal", super::super::counting::SUFFIX] {
        let name = beside(Path::new("state.db"), suffix);
        std::fs::copy(place.folder.path().join(&name), copy.path().join(&name)).unwrap();
    }
    drop(store);
    let path = copy.path().join("state.db");
    assert_eq!(std::fs::read(&path).unwrap(), old, "the change stands in the log alone");
    let killed = Store::open(&path).unwrap();
    assert_eq!(kept(&killed).as_deref(), Some("what is not sent yet"), "with the log all is there");
    drop(killed);
    std::fs::write(&path, old).unwrap();
    let refused = Store::open(&path);
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
}
