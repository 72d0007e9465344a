//! Signing in on a machine without a browser, at a terminal: the address that the browser ended at
//! is pasted, and what is wrong with a wrong one is told.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use url::Url;

use super::browser::get;
use super::world::{ME, World};

/// The program at a terminal of its own.
fn at_a_terminal(world: &World, more: &str, variables: &[(&str, &str)]) -> Command {
    let (home, file) = (world.path("home"), world.path("credentials.json"));
    let line = format!(
        "'{}' login-do --drive {} --credentials '{}' --email {ME} --home '{}' {more}",
        env!("CARGO_BIN_EXE_syft"),
        world.server.url(),
        file.display(),
        home.display()
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("SHELL", "/bin/sh");
    command.env("HOME", world.path("nobody")).envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.kill_on_drop(true);
    command
}

/// Consents on another machine, whose browser cannot reach this one: the address it ends at.
async fn ended_at(world: &World, page: &Url) -> String {
    let typed = [("email", ME), ("secret", world.secrets[0].1.as_str())];
    get(page).await.submit(page, &typed, "allow").await.target().to_string()
}

#[tokio::test]
async fn a_wrong_paste_is_told_and_the_right_one_signs_in() {
    let world = World::new().await;
    // Said by a person; or found out, as somebody came over SSH.
    for (more, variables) in
        [("--no-browser", vec![]), ("", vec![("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")])]
    {
        let mut child = at_a_terminal(&world, more, &variables).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let page = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).await.unwrap(), 0, "it ended: {said}");
            said += &line;
            if let Ok(url) = Url::parse(line.trim()) {
                break url;
            }
        };
        let until = async |output: &mut BufReader<_>, wanted: &str| {
            let mut said = String::new();
            while !said.contains(wanted) {
                let mut line = String::new();
                assert_ne!(output.read_line(&mut line).await.unwrap(), 0, "it ended: {said}");
                said += &line;
            }
        };
        until(&mut output, "press Enter").await;
        for (wrong, told) in [
            ("4/just-the-code".to_owned(), "that is the code alone"),
            (page.to_string(), "that is the page to sign in at"),
            ("http://127.0.0.1:1/?state=forged&code=c".to_owned(), "the answer to another sign-in"),
        ] {
            input.write_all(format!("{wrong}\n").as_bytes()).await.unwrap();
            until(&mut output, told).await;
        }
        let right = ended_at(&world, &page).await;
        input.write_all(format!("{right}\n").as_bytes()).await.unwrap();
        until(&mut output, "Logged in as").await;
        let mut rest = String::new();
        output.read_to_string(&mut rest).await.unwrap();
        assert!(child.wait().await.unwrap().success(), "{rest}");
        assert!(world.kept("token.json").exists());
    }
}
