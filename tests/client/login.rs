//! Logging in, out and in again, over our own Drive server and over a shared folder; and the whole
//! story once over HTTP.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use drive_server::{Options, Server, add_account, serve};
use syft::client::{Client, Configuration, Error, RunChoices, SignIn};
use syft::connections::{Content, FileId, Ownership, Query};
use syft::datasets::Audience;
use syft::model::{Email, Role};
use syft::wire::names::VERSION_FILE;

use super::world::{World, email, read, results, status, sync};

struct Service {
    server: Server,
    data: tempfile::TempDir,
}

impl Service {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = serve(Options::new(data.path())).await.unwrap();
        Self { server, data }
    }

    fn sign_in(&self, name: &str) -> SignIn {
        let token = add_account(self.data.path(), name, None).unwrap().token;
        SignIn::Server { url: self.server.url().to_owned(), token }
    }
}

fn configuration(home: &Path) -> Configuration {
    Configuration::at(home)
}

#[tokio::test]
async fn a_login_is_cheap_kept_secret_and_opens_again() {
    let (service, home) = (Service::start().await, tempfile::tempdir().unwrap());
    let (here, me) = (configuration(home.path()), email("do@example.org"));
    assert!(matches!(Client::open(&here, None).await, Err(Error::NotLoggedIn { email: None })));
    let client = Client::login_do(&here, &me, service.sign_in("do@example.org")).await.unwrap();
    assert!(client.requests() <= 8, "first login: {} requests", client.requests());
    drop(client);
    let client = Client::login_do(&here, &me, service.sign_in("do@example.org")).await.unwrap();
    assert!(client.requests() <= 2, "warm login: {} requests", client.requests());
    drop(client);

    let account = home.path().join(".syft/accounts/do@example.org/account.toml");
    assert_eq!(std::fs::metadata(&account).unwrap().permissions().mode() & 0o777, 0o600);
    let accounts = here.accounts().unwrap();
    assert_eq!((accounts.len(), accounts[0].role), (1, Role::Owner));
    assert_eq!(accounts[0].service, service.server.url());

    let client = Client::open(&here, None).await.unwrap();
    assert_eq!((client.email(), client.requests()), (&me, 0));
    sync(&client).await;
    assert_eq!(client.requests(), 1);
    drop(client);

    let other = email("ds@example.org");
    drop(Client::login_ds(&here, &other, service.sign_in("ds@example.org")).await.unwrap());
    assert!(
        matches!(Client::open(&here, None).await, Err(Error::SeveralAccounts(all)) if all.len() == 2)
    );
    assert_eq!(Client::open(&here, Some(&email("DS@example.org"))).await.unwrap().email(), &other);
    let in_other_letters = email("Ds@Example.org");
    let again = Client::login_ds(&here, &in_other_letters, service.sign_in("ds@example.org")).await;
    assert_eq!(again.unwrap().email(), &other, "no second account, and no second SyftBox");
    assert_eq!(here.accounts().unwrap().len(), 2);
    Client::logout(&here, &other).await.unwrap();
    assert!(matches!(Client::logout(&here, &other).await, Err(Error::NotLoggedIn { .. })));
    assert_eq!(Client::open(&here, None).await.unwrap().email(), &me);
}

#[tokio::test]
async fn a_sign_in_of_somebody_else_is_refused_and_nothing_is_kept() {
    let (service, home) = (Service::start().await, tempfile::tempdir().unwrap());
    let here = configuration(home.path());
    let sign_in = service.sign_in("other@example.org");
    let error = Client::login_do(&here, &email("do@example.org"), sign_in).await.unwrap_err();
    assert_eq!(error.code(), "wrong-account");
    assert_eq!(
        error.to_string(),
        "the sign-in belongs to other@example.org, not to do@example.org"
    );
    assert_eq!(here.accounts().unwrap(), []);
    let bad = SignIn::Server { url: service.server.url().to_owned(), token: "wrong".to_owned() };
    let error = Client::login_do(&here, &email("do@example.org"), bad).await.unwrap_err();
    assert_eq!(error.code(), "signed-out");
}

#[tokio::test]
async fn a_damaged_login_quotes_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let here = configuration(home.path());
    let path = home.path().join(".syft/accounts/do@example.org/account.toml");
    super::world::write(&path, "token = \"secret\"\nservice = [");
    let error = Client::open(&here, Some(&email("do@example.org"))).await.unwrap_err();
    assert_eq!(error.code(), "configuration");
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[tokio::test]
async fn a_shared_folder_serves_as_well() {
    let home = tempfile::tempdir().unwrap();
    let here = configuration(home.path());
    let place = || SignIn::Folder(home.path().join("shared"));
    let owner = Client::login_do(&here, &email("do@example.org"), place()).await.unwrap();
    let scientist = Client::login_ds(&here, &email("ds@example.org"), place()).await.unwrap();
    super::world::acquaint(&owner, &scientist).await;
}

#[tokio::test]
async fn the_whole_story_over_http() {
    let (service, world) = (Service::start().await, World::new());
    let home = |name: &str| world.folder.path().join(name);
    let (at_do, at_ds) = (configuration(&home("do")), configuration(&home("ds")));
    let (owner, scientist) = (email("do@example.org"), email("ds@example.org"));
    drop(Client::login_do(&at_do, &owner, service.sign_in(owner.as_str())).await.unwrap());
    drop(Client::login_ds(&at_ds, &scientist, service.sign_in(scientist.as_str())).await.unwrap());
    // Each step is a process of its own, as on the command line.
    let at_do = async || Client::open(&at_do, None).await.unwrap();
    let at_ds = async || Client::open(&at_ds, None).await.unwrap();
    at_ds().await.add_peer(&owner).await.unwrap();
    sync(&at_do().await).await;
    at_do().await.approve_peer(&scientist).await.unwrap();
    at_do().await.create_dataset(&world.dataset("ages", Audience::Any), true).await.unwrap();
    sync(&at_ds().await).await;
    let mock = "public/syft_datasets/ages/mock.csv";
    assert_eq!(read(&at_ds().await, &owner, mock).as_deref(), Some("age\n1\n"));
    let script = "mkdir -p code/outputs; echo 1 > code/outputs/one.txt; echo printed";
    let request = world.bash(&at_do().await, "count", script);
    at_ds().await.submit_job(&request).await.unwrap();
    sync(&at_do().await).await;
    at_do().await.approve_job("count", None, None).await.unwrap();
    let choices = RunChoices { share_outputs: true, ..RunChoices::default() };
    at_do().await.run_jobs(&["count"], &choices).await.unwrap();
    sync(&at_do().await).await;
    sync(&at_ds().await).await;
    let client = at_ds().await;
    assert_eq!(status(&client, "count"), "done");
    assert_eq!(results(&client.job("count", None).unwrap()), (0, vec!["one.txt".to_owned()]));
    for client in [at_do().await, client] {
        sync(&client).await;
        let before = client.requests();
        sync(&client).await;
        assert_eq!(client.requests() - before, 1, "{}", client.email());
    }
}

/// Each peer reads a version file that was written anew: one that says the same is left as it is.
#[tokio::test]
async fn a_new_machine_writes_a_version_file_only_if_it_says_something_new() {
    let (service, world) = (Service::start().await, World::new());
    let (owner, scientist) = (email("do@example.org"), email("ds@example.org"));
    let at = |name: &str| configuration(&world.folder.path().join(name));
    let sign_in = |account: &Email| service.sign_in(account.as_str());
    let client = Client::login_do(&at("do"), &owner, sign_in(&owner)).await.unwrap();
    let reader = Client::login_ds(&at("ds"), &scientist, sign_in(&scientist)).await.unwrap();
    super::world::acquaint(&client, &reader).await;
    let before = version_files(&client).await;
    assert_eq!(before.len(), 1);

    for (account, role) in [(&owner, Role::Owner), (&scientist, Role::Scientist)] {
        let there = at(&format!("second {account}"));
        Client::login(&there, account, role, sign_in(account), None).await.unwrap();
    }
    assert_eq!(version_files(&client).await, before, "nothing was written");

    let (file, _, content) = &before[0];
    let other = content.replace("\"syft_client_version\"", "\"was\": 1, \"syft_client_version\"");
    let connection = client.account().router.own();
    connection.replace(file, Content::Bytes(other.clone().into())).await.unwrap();
    Client::login_do(&at("third"), &owner, sign_in(&owner)).await.unwrap();
    let after = version_files(&client).await;
    assert!(!after[0].2.contains("\"was\"") && after[0].1 > before[0].1, "{after:?}");
}

/// Returns the version files of an account, with their revisions and what they say.
async fn version_files(client: &Client) -> Vec<(FileId, i64, String)> {
    let connection = client.account().router.own();
    let own = Query::default().named(VERSION_FILE).owned(Ownership::Mine);
    let mut found = Vec::new();
    for entry in connection.find(&own).await.unwrap() {
        let content = connection.read(&entry.id, 100_000).await.unwrap();
        let content = String::from_utf8(content.to_vec()).unwrap();
        found.push((entry.id, entry.revision, content));
    }
    found
}
