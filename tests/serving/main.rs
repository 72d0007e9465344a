//! `syft serve` with real parts: the program itself, a mail server and a webhook that are sockets of
//! the test, and a drive that the program serves.
//!
//! What a test starts it ends, by its id. Nothing sleeps: a test waits for what a sink receives, or
//! for a line that the program prints.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod approving;
mod flood;
mod jobs;
mod killed;
#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "../client/world.rs"]
mod machines;
mod mail;
mod sinks;
mod telling;
mod tls;
mod trouble;
#[path = "../cli/world.rs"]
mod world;

use serde_json::Value;

use sinks::{HttpSink, SmtpSink};
use world::{Running, World, program};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Has the owner told by e-mail.
fn mail_to(world: &World, sink: &SmtpSink) {
    let port = sink.port.to_string();
    let args = ["notify", "set", "email", "--to", "olga@lab.org", "--server", "127.0.0.1"];
    world.owner(&[&args[..], &["--security", "none", "--port", &port]].concat()).done();
}

/// Has the owner told by a webhook.
fn hook_to(world: &World, sink: &HttpSink) {
    world.owner(&["notify", "set", "webhook", &sink.url("/hook/SECRET")]).done();
}

/// The scientist asks to work with the owner.
fn ask(world: &World) {
    world.scientist(&["peer", "add", world::OWNER]).done();
}

/// Serves once, which must go well.
fn serve_once(world: &World) -> Value {
    world.owner(&["serve", "--once"]).done()
}

/// The kinds of news in what a webhook got.
fn kinds(told: &Value) -> Vec<&str> {
    told["news"].as_array().unwrap().iter().map(|news| news["kind"].as_str().unwrap()).collect()
}

/// A service that runs, and the lines that it prints on stderr.
struct Serving {
    process: Running,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStderr>>,
}

impl Serving {
    /// Starts the owner's service, and waits until it runs.
    fn start(world: &World) -> Self {
        let args = ["serve", "--interval", "1"];
        let mut process = Running(program(&world.home("owner")).args(args).spawn().unwrap());
        let err = process.0.stderr.take().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(err));
        let mut serving = Self { process, lines };
        serving.until("Serving");
        serving
    }

    /// Reads on until a line with these words.
    fn until(&mut self, words: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines.find(|line| line.contains(words)).unwrap_or_else(|| panic!("it never said `{words}`"))
    }

    /// Returns all lines up to one with these words.
    fn before(&mut self, words: &str) -> Vec<String> {
        let mut said = Vec::new();
        for line in self.lines.by_ref().map(Result::unwrap) {
            if line.contains(words) {
                return said;
            }
            said.push(line);
        }
        panic!("it never said `{words}`: {said:?}");
    }

    /// Sends a signal, and returns the exit code; `None` if the signal ended it.
    fn end(mut self, signal: rustix::process::Signal) -> Option<i32> {
        let id = i32::try_from(self.process.0.id()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
        self.process.0.wait().unwrap().code()
    }
}
