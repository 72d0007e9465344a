//! A Drive server with two accounts, and a home in which the real program runs.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use drive_server::{Options, Server, add_account, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use url::Url;

pub(crate) const ME: &str = "do@example.org";
pub(crate) const OTHER: &str = "other@example.org";
pub(crate) const PROGRAM_SECRET: &str = "GOCSPX-of-the-program";

pub(crate) struct World {
    pub(crate) server: Server,
    folder: tempfile::TempDir,
    pub(crate) secrets: [(&'static str, String); 2],
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_life(Duration::from_secs(3600)).await
    }

    /// With access tokens that live that long.
    pub(crate) async fn with_life(token_life: Duration) -> Self {
        Self::with(|options| options.token_life = token_life).await
    }

    /// With a server that is other than usual.
    pub(crate) async fn with(choose: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("drive");
        let mut options = Options::new(&data);
        choose(&mut options);
        let server = serve(options).await.unwrap();
        let secrets = [ME, OTHER].map(|who| (who, add_account(&data, who, None).unwrap().token));
        let world = Self { server, folder, secrets };
        let credentials = json!({"installed": {
            "client_id": "syft", "client_secret": PROGRAM_SECRET, "project_id": "p",
            "redirect_uris": ["http://localhost"],
            "auth_uri": format!("{}/o/oauth2/auth", world.server.url()),
            "token_uri": world.token_uri(),
        }});
        std::fs::write(world.path("credentials.json"), credentials.to_string()).unwrap();
        world
    }

    pub(crate) fn token_uri(&self) -> String {
        format!("{}/token", self.server.url())
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the account, where the program keeps them.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        self.path("home/.syft/accounts").join(ME).join(name)
    }

    pub(crate) fn token(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.kept("token.json")).unwrap()).unwrap()
    }

    /// Starts `syft` with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// Runs `syft` with these arguments and this file as standard input.
    pub(crate) async fn run_fed(&self, arguments: &[&str], input: &std::path::Path) -> Ended {
        let input = std::fs::File::open(input).unwrap();
        self.start_reading(arguments, &[], input.into()).end().await
    }

    /// The same with these variables.
    pub(crate) fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        self.start_reading(arguments, variables, Stdio::null())
    }

    fn start_reading(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: Stdio,
    ) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syft"));
        command.args(arguments).args(["--json", "--email", ME, "--home"]);
        command.arg(self.path("home")).env_clear().env("HOME", self.path("nobody"));
        command.envs(variables.iter().copied());
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Running { child, out, err, said: String::new() }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end().await
    }

    /// Starts a login through the browser.
    pub(crate) fn login(&self) -> Running {
        self.login_with(&[], &[])
    }

    /// The same with more arguments, and with variables.
    pub(crate) fn login_with(&self, more: &[&str], variables: &[(&str, &str)]) -> Running {
        let credentials = self.path("credentials.json");
        let credentials = credentials.to_str().unwrap();
        let login = ["login-do", "--drive", self.server.url(), "--credentials", credentials];
        self.start_with(&[&login, more].concat(), variables)
    }

    /// A login through the browser, from the first word to the last.
    pub(crate) async fn logged_in(&self) -> Ended {
        let ended = self.consent(self.login()).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        ended
    }

    /// Consents to a login that has begun.
    pub(crate) async fn consent(&self, mut login: Running) -> Ended {
        let url = login.page().await;
        let (who, secret) = &self.secrets[0];
        let typed = [("email", *who), ("secret", secret.as_str())];
        super::browser::get(&url).await.submit(&url, &typed, "allow").await.follow().await;
        login.end().await
    }
}

/// The program at work.
pub(crate) struct Running {
    child: Child,
    out: ChildStdout,
    err: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    /// The address that the program asks the person to open.
    pub(crate) async fn page(&mut self) -> Url {
        loop {
            let mut line = String::new();
            let length = self.err.read_line(&mut line).await.unwrap();
            self.said += &line;
            assert_ne!(length, 0, "the program ended: {}", self.said);
            if let Ok(url) = Url::parse(line.trim()) {
                return url;
            }
        }
    }

    pub(crate) async fn end(mut self) -> Ended {
        let mut out = String::new();
        let (_, _) = tokio::join!(
            self.out.read_to_string(&mut out),
            self.err.read_to_string(&mut self.said)
        );
        let code = self.child.wait().await.unwrap().code().unwrap();
        let answer = serde_json::from_str(&out).unwrap_or(Value::Null);
        Ended { code, answer, out, said: self.said }
    }
}

/// What was left of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) answer: Value,
    pub(crate) out: String,
    /// All of stderr.
    pub(crate) said: String,
}

impl Ended {
    pub(crate) fn failed_with(&self, code: &str, message: &str) {
        assert_eq!(self.code, 1, "{self:?}");
        assert_eq!(self.answer["error"]["code"], code, "{self:?}");
        let text = self.answer["error"]["message"].as_str().unwrap();
        assert!(text.contains(message), "{text}");
    }
}
