//! Nothing that names anybody or anything gets into a bug report, wherever it is put.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use syft::client::{BugReport, Client, Configuration, SignIn, bug_report};
use syft::connections::{Connection as _, Content, Folder, Query};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::{Code, Email};
use syft::syncers::SyncOptions;

use super::world::write;

/// What must not be seen, with one secret word in every one of it.
struct Canary {
    word: String,
    folder: tempfile::TempDir,
}

impl Canary {
    fn email(&self, who: &str) -> Email {
        Email::parse(&format!("{who}.{0}@{0}.example", self.word)).unwrap()
    }

    fn home(&self, who: &str) -> PathBuf {
        self.folder.path().join(format!("home of {who} {}", self.word))
    }

    fn configuration(&self, who: &str) -> Configuration {
        Configuration::at(&self.home(who))
    }

    fn drive(&self) -> PathBuf {
        self.folder.path().join(format!("drive {}", self.word))
    }

    fn dataset(&self) -> NewDataset {
        let file = |half: &str| {
            let path = self.folder.path().join(format!("{half}_{}.csv", self.word));
            write(&path, &format!("{half} {}\n", self.word));
            path
        };
        NewDataset {
            name: DatasetName::parse_new(&format!("data_{}", self.word)).unwrap(),
            mock: file("mock"),
            private: file("private"),
            summary: Some(self.word.clone()),
            readme: None,
            tags: vec![self.word.clone()],
            location: None,
            audience: Audience::Any,
            allow_same: false,
        }
    }
}

/// Two people at work, over a folder; everything that can have a name has the word in it.
async fn busy(canary: &Canary) -> (Client, Client) {
    std::fs::create_dir_all(canary.drive()).unwrap();
    let sign_in = || SignIn::Folder(canary.drive());
    let (olga, sam) = (canary.email("olga"), canary.email("sam"));
    let owner = Client::login_do(&canary.configuration("owner"), &olga, sign_in()).await.unwrap();
    let scientist =
        Client::login_ds(&canary.configuration("scientist"), &sam, sign_in()).await.unwrap();
    let options = SyncOptions::default();
    scientist.add_peer(&olga).await.unwrap();
    owner.sync(&options).await.unwrap();
    owner.approve_peer(&sam).await.unwrap();
    owner.create_keys(false).await.unwrap();
    let secret = owner.folders().datasite(&olga).join(format!("{0}/{0}.txt", canary.word));
    write(&secret, &canary.word);
    owner.create_dataset(&canary.dataset(), true).await.unwrap();
    scientist.sync(&options).await.unwrap();
    let edit = scientist.folders().datasite(&olga).join(format!("edit_{}.txt", canary.word));
    write(&edit, &canary.word);
    scientist.sync(&options).await.unwrap();
    // A peer that says odd things of itself.
    let session = Folder::open(&canary.drive(), sam).unwrap();
    for entry in session.find(&Query::default().named("SYFT_version.json")).await.unwrap() {
        if entry.is_mine {
            let version = serde_json::json!({
                "syft_client_version": format!("{} 7.7.7", canary.word),
                "protocol_version": canary.word,
                "syft_rs": { "name": canary.word, "version": canary.word },
            });
            let content = Content::Bytes(version.to_string().into());
            session.replace(&entry.id, content).await.unwrap();
        }
    }
    owner.sync(&options).await.unwrap();
    (owner, scientist)
}

/// A login that was written by hand, with a state database that is none.
fn broken_login(canary: &Canary) {
    let (home, email) = (canary.home("owner"), canary.email("broken"));
    let word = &canary.word;
    let login = format!(
        "email = \"{email}\"\nrole = \"do\"\nservice = \"server\"\n\
         url = \"https://{word}.example/{word}\"\ntoken = \"{word}\"\n"
    );
    write(&home.join(format!(".syft/accounts/{email}/account.toml")), &login);
    write(&home.join(format!("SyftBox_{email}-events/state.db")), &word.repeat(100));
}

async fn report(configuration: &Configuration) -> BugReport {
    bug_report(Ok(configuration), &std::env::var("PATH").unwrap()).await
}

/// The ways in which a word may be hidden in a text.
fn disguises(word: &str) -> Vec<String> {
    let upper = word.to_uppercase();
    let mut forms = vec![word.to_lowercase()];
    for word in [word, upper.as_str()] {
        forms.push(word.bytes().map(|byte| format!("%{byte:02x}")).collect());
        forms.push(word.bytes().map(|byte| format!("{byte:02x}")).collect());
        forms.push(word.chars().rev().collect::<String>().to_lowercase());
        // In Base64 a word has three forms, by where it begins; what touches its ends is cut off.
        for before in 0..3 {
            let text = format!("{}{word}", "x".repeat(before));
            for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                forms.push(encoded[4..encoded.len() - 4].to_lowercase());
            }
        }
    }
    forms
}

fn assert_silent(report: &BugReport, word: &str) {
    for shown in [report.to_string(), report.to_json().to_string(), format!("{report:?}")] {
        let shown = shown.to_lowercase();
        for disguise in disguises(word) {
            assert!(!shown.contains(&disguise), "`{disguise}` is in\n{shown}");
        }
        for sign in ["@", "://", ".example", ".csv"] {
            assert!(!shown.contains(sign), "`{sign}` is in\n{shown}");
        }
    }
}

#[test]
fn the_disguises_are_found() {
    let word = "kanarienvogel";
    let found = |text: &str| disguises(word).iter().any(|form| text.to_lowercase().contains(form));
    for text in ["a KanarienVogel b", "%6b%61%6e%61%72%69%65%6e%76%6f%67%65%6c", "legovneiranak"] {
        assert!(found(text), "{text}");
    }
    for before in ["", "a", "ab", "abc:"] {
        assert!(found(&STANDARD_NO_PAD.encode(format!("{before}{word} tail"))), "{before}");
    }
    assert!(found(&hex::encode(word)));
    assert!(!found("an ordinary text"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_canary_gets_into_a_report(word in "[a-z]{8}q[a-z]{7}") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let canary = Canary { word, folder };
        runtime.block_on(async {
            let (owner, scientist) = busy(&canary).await;
            drop((owner, scientist));
            broken_login(&canary);
            for who in ["owner", "scientist"] {
                let report = report(&canary.configuration(who)).await;
                assert_silent(&report, &canary.word);
            }
        });
    }
}

#[tokio::test]
async fn a_report_says_what_a_maintainer_needs() {
    let canary = Canary { word: "kanarienvogel".to_owned(), folder: tempfile::tempdir().unwrap() };
    let (owner, _scientist) = busy(&canary).await;
    broken_login(&canary);
    let report = report(&canary.configuration("owner")).await;
    let text = report.to_string();
    let said = |label: &str, fact: &str| {
        text.lines().any(|line| line.trim_start().starts_with(label) && line.contains(fact))
    };
    assert!(said("version", env!("CARGO_PKG_VERSION")), "{text}");
    assert!(said("logged-in", "2") && said("drive", "folder"), "{text}");
    assert!(said("drive", "server-elsewhere"), "{text}");
    assert!(said("peer", "accepted") && said("peer", "not-a-number"), "{text}");
    assert!(
        said("schema", "4") && said("datasets", "1") && said("encryption", "offered"),
        "{text}"
    );
    let damaged = owner_code(&canary);
    assert!(said("cannot-be-read", damaged.as_str()), "{text}");
    assert!(said("kind", std::env::consts::OS) && said("free-mib", ""), "{text}");
    let answer = report.to_json();
    let accounts: Vec<_> = answer["report"].as_array().unwrap().iter().collect();
    assert!(accounts.iter().any(|part| part["about"] == "account"), "{answer}");
    drop(owner);
}

/// What kind of error opening the broken database is.
fn owner_code(canary: &Canary) -> Code {
    let place = canary.home("owner");
    let database = format!("SyftBox_{}-events/state.db", canary.email("broken"));
    let error = syft::caches::Store::open(&Path::new(&place).join(database)).unwrap_err();
    syft::client::Error::from(error).code()
}

#[tokio::test]
async fn the_last_problems_are_told_by_their_codes() {
    let canary = Canary { word: "kanarienvogel".to_owned(), folder: tempfile::tempdir().unwrap() };
    let (owner, _scientist) = busy(&canary).await;
    let rules = owner.folders().datasite(owner.email()).join("odd/syft.pub.yaml");
    write(&rules, "rules: [");
    let problems = owner.sync(&SyncOptions::default()).await.unwrap().problems;
    assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::RulesNotUsable]);
    let line = async || {
        let text = report(&canary.configuration("owner")).await.to_string();
        text.lines().find(|line| line.contains("last-problems")).unwrap().to_owned()
    };
    assert!(line().await.ends_with(" rules-not-usable"), "{}", line().await);
    write(&rules, "rules: []\n");
    owner.sync(&SyncOptions::default()).await.unwrap();
    assert!(line().await.ends_with(" none"), "{}", line().await);
}

#[tokio::test]
async fn where_nothing_is_a_report_is_made_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = Configuration::at(&folder.path().join("none"));
    let text = report(&configuration).await.to_string();
    assert!(text.contains("logged-in"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let text = bug_report(Err(Code::NoHome), "").await.to_string();
    assert!(text.contains("no-home") && text.contains("missing"), "{text}");
}
