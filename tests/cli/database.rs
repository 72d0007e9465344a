//! A state database that cannot be used: said so, left alone, and set aside on demand.

use std::path::PathBuf;

use crate::world::{OWNER, World};

fn database(world: &World) -> PathBuf {
    world.folder.path().join(format!("owner/SyftBox_{OWNER}-events/state.db"))
}

#[test]
fn a_database_that_cannot_be_used_is_left_alone_until_its_owner_says_otherwise() {
    type Damage = fn(&std::path::Path);
    let cases: [(&str, Damage); 2] = [
        ("database-damaged", |path| std::fs::write(path, b"not a database".repeat(99)).unwrap()),
        ("database-newer", |path| {
            let database = rusqlite::Connection::open(path).unwrap();
            database.pragma_update(None, "user_version", 99).unwrap();
            database.execute("DELETE FROM meta WHERE key = 'schema.readable_by'", []).unwrap();
        }),
    ];
    for (code, damage) in cases {
        let world = World::working();
        let datasite = world.folder.path().join(format!("owner/SyftBox_{OWNER}/{OWNER}"));
        std::fs::write(datasite.join("sent.txt"), "sent").unwrap();
        world.owner(&["sync"]).done();
        std::fs::write(datasite.join("unsent.txt"), "not sent yet").unwrap();
        damage(&database(&world));
        let before = std::fs::read(database(&world)).unwrap();
        for args in [&["sync"][..], &["peer", "list"]] {
            let ended = world.owner(args);
            assert_eq!(ended.exit, 1, "{code} {args:?}: {ended:?}");
            assert_eq!(ended.json()["error"]["code"], code, "{args:?}");
            let message = ended.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains("the state database"), "which thing: {message}");
            let hint = ended.json()["error"]["hint"].as_str().unwrap_or_default().to_owned();
            assert!(hint.contains("syft sync --rebuild"), "{hint}");
        }
        assert_eq!(std::fs::read(database(&world)).unwrap(), before, "{code}: left as it was");
        let rebuilt = world.owner(&["sync", "--rebuild"]);
        assert!(rebuilt.stderr.contains(".aside-"), "{rebuilt:?}");
        assert_eq!(rebuilt.done()["pushed"], 1, "{code}: what was not sent is sent: {rebuilt:?}");
        assert_eq!(world.owner(&["sync"]).done()["pushed"], 0, "{code}");
        let peers = world.owner(&["peer", "list"]).done();
        assert!(peers.to_string().contains("accepted"), "{code}: {peers}");
    }
}
