//! Names and addresses that would change a query of Drive, over real HTTP (W12).

use std::path::Path;

use drive_server::{Options, Server, add_account, serve};
use syft::client::{Client, Configuration, SignIn};
use syft::connections::{Access, Query};
use syft::permissions::Level;

use super::world::{SECRET, acquaint, email, make, place, put, session, share, sync, write};

struct Service {
    server: Server,
    folder: tempfile::TempDir,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(Options::new(folder.path().join("drive"))).await.unwrap();
        Self { server, folder }
    }

    fn sign_in(&self, who: &str) -> (Configuration, SignIn) {
        let token = add_account(&self.folder.path().join("drive"), who, None).unwrap().token;
        let home = Configuration::at(&self.folder.path().join(who));
        (home, SignIn::Server { url: self.server.url().to_owned(), token })
    }

    async fn owner(&self, who: &str) -> Client {
        let (home, sign_in) = self.sign_in(who);
        Client::login_do(&home, &email(who), sign_in).await.unwrap()
    }

    async fn scientist(&self, who: &str) -> Client {
        let (home, sign_in) = self.sign_in(who);
        Client::login_ds(&home, &email(who), sign_in).await.unwrap()
    }
}

const NAMES: [&str; 9] = [
    "it's",
    "back\\slash",
    "end\\",
    "both\\'",
    "' or name contains 'secret",
    "x' or 'root' in parents or name = '",
    "\\' or name contains \\'secret",
    "') or trashed = true or (name = '",
    "\"double\" (round) %27 %5c \u{2019} 名",
];

#[tokio::test]
async fn w12_a_name_is_a_name_in_every_query() {
    let service = Service::start().await;
    let other = service.owner("other@example.org").await;
    let me = service.owner("me@example.org").await;
    // There is something foreign to be seen, if a query can be bent.
    let theirs = session(&other);
    put(theirs, &theirs.root(), "secret for nobody", SECRET.into()).await;
    let open = make(theirs, &theirs.root(), "secret folder").await;
    share(theirs, &open, me.email(), Access::Read).await;
    put(theirs, &open, "secret that I may see", SECRET.into()).await;
    let mine = session(&me);
    let folder = make(mine, &mine.root(), "fol'der\\").await;
    for name in NAMES {
        put(mine, &folder, name, name.into()).await;
    }
    for name in NAMES {
        for query in [Query::default(), Query::in_folder(&folder)] {
            let found = mine.find(&query.named(name)).await.unwrap();
            let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
            assert_eq!(names, [name]);
            assert_eq!(mine.read(&found[0].id, 1 << 20).await.unwrap(), name.as_bytes());
        }
        let like = mine.find(&Query::in_folder(&folder).named_like(name)).await.unwrap();
        assert!(like.iter().any(|entry| entry.name == name), "{name}");
        assert!(like.iter().all(|entry| entry.is_mine), "{name}");
    }
    assert_eq!(mine.find(&Query::default().named("nobody's'")).await.unwrap(), []);
}

#[tokio::test]
async fn w12_people_with_an_apostrophe_work_together_over_http() {
    let service = Service::start().await;
    let owner = service.owner("o'neil@example.org").await;
    let scientist = service.scientist("d'arc@example.org").await;
    acquaint(&owner, &scientist).await;
    let at = |client: &Client, path: &str| place(client, owner.email(), path);
    write(&at(&owner, "r/it's.txt"), "it's");
    write(&at(&owner, "private/x.txt"), SECRET);
    owner.grant("r/", scientist.email().as_str(), Level::Read).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    assert_eq!(read(&at(&scientist, "r/it's.txt")).as_deref(), Some("it's"));
    assert_eq!(read(&at(&scientist, "private/x.txt")), None);
    // A sync from nothing asks with all queries again.
    let options = syft::syncers::SyncOptions { full: true, ..Default::default() };
    for client in [&owner, &scientist] {
        assert_eq!(client.sync(&options).await.unwrap().problems, [], "{}", client.email());
    }
}
