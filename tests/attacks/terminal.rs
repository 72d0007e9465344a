//! What a peer wrote, shown by the real program: nothing in it steers the terminal.

use std::path::Path;
use std::process::{Command, Output};

use syft::client::{Client, Configuration, SignIn};
use syft::model::Role;

use super::world::{CONFIG, EVE, change, email, job, propose, raw_job, session, sync};

const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{200b}";

fn syft(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syft"));
    command.args(arguments).arg("--home").arg(home).env_clear();
    // As if somebody sat there who wants colours: those are the program's own.
    command.env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap());
    command.output().unwrap()
}

fn is_clean(output: &Output, what: &str) -> String {
    let mut all = String::new();
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(stream.clone()).unwrap();
        let bad = text.chars().find(|c| {
            c.is_control() && *c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}')
        });
        assert_eq!(bad, None, "{what}: {text:?}");
        all += &text;
    }
    all
}

#[tokio::test]
async fn w7_w17_nothing_that_a_peer_wrote_steers_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, home) = (folder.path().join("shared"), folder.path().join("do"));
    let configuration = Configuration::at(&folder.path().join("eve"));
    let me = email("do@example.org");
    let login = ["login-do", "--email", "do@example.org", "--folder", shared.to_str().unwrap()];
    assert!(syft(&home, &login).status.success());
    let (eve, there) = (email(EVE), SignIn::Folder(shared.clone()));
    let eve = Client::login_ds(&configuration, &eve, there).await.unwrap();
    assert_eq!(eve.role(), Role::Scientist);
    eve.add_peer(&me).await.unwrap();
    assert!(syft(&home, &["sync"]).status.success());
    assert!(syft(&home, &["peer", "approve", EVE]).status.success());
    sync(&eve).await;

    let quoted = |text: &str| -> String {
        let escaped = text.chars().map(|c| format!("\\u{:04x}", u32::from(c)));
        format!("\"{}\"", escaped.collect::<String>())
    };
    let config = CONFIG.replace("name: j", &format!("name: {}", quoted(EVIL)));
    let config =
        format!("{config}dependencies: [{}]\ncode_path: {}\n", quoted("numpy"), quoted(EVIL));
    let mut changes =
        raw_job("j", &config, &format!("echo {EVIL}; printf '\\033[2J\\n' >&2; exit 1\n"));
    changes.push(change(&job("j", "code/b.sh"), None, EVIL));
    propose(session(&eve), &changes).await;
    let broken = CONFIG.replace("main.sh", &quoted(&format!("../{EVIL}")));
    propose(session(&eve), &raw_job("broken", &broken, EVIL)).await;
    let names = [
        job("j", &format!("code/{EVIL}.sh")),
        job(EVIL, "config.yaml"),
        EVIL.to_owned(),
        format!("a/{EVIL}"),
        format!("../{EVIL}"),
    ];
    for name in names {
        propose(session(&eve), &[change(&name, None, EVIL)]).await;
    }
    let mut odd = change("a.txt", None, "x");
    odd["content_type"] = EVIL.into();
    propose(session(&eve), &[odd]).await;
    // A message whose very name is hostile: the folder connection takes what a file may be called.
    let inbox = super::world::folder(session(&eve), &format!("#inbox#{EVE}")).await;
    super::world::put(session(&eve), &inbox.id, &format!("{EVIL}.tar.gz"), EVIL.into()).await;

    let synced = syft(&home, &["sync"]);
    assert_eq!(synced.status.code(), Some(3), "there are problems, and it says so");
    let told = is_clean(&synced, "sync");
    assert!(told.contains("U+001B") || told.contains("u{1b}"), "shown by number: {told}");
    #[rustfmt::skip]
    let commands: [&[&str]; 16] = [
        &["sync"],                      &["sync", "--json"],
        &["job", "list"],               &["job", "list", "--json"],
        &["job", "show", "j"],          &["job", "show", "j", "--json"],
        &["job", "show", "broken"],     &["job", "approve", "j"],
        &["job", "run", "j"],           &["job", "show", "j"],
        &["status"],                    &["status", "--json"],
        &["peer", "list"],              &["dataset", "list"],
        &["job", "show", EVIL],         &["perm", "show", EVIL],
    ];
    for command in commands {
        is_clean(&syft(&home, command), &command.join(" "));
    }
    let show = is_clean(&syft(&home, &["job", "show", "j"]), "show");
    assert!(show.contains("⟨U+001B⟩"), "what is hidden is shown by number: {show} {told}");
}
