//! Fills a server with files, lets many clients loose on it, and says how it answers.
//!
//! ```text
//! load fill DATA                fill the data folder: 50 accounts, 1,000,000 files
//! load storm DATA               200 clients, a mix of requests, at several rates
//! load transfer DATA            downloads and uploads, the bytes of a second
//! load serve DATA               only serve, on a free port
//! ```
//!
//! The server is a process of its own: this program once more, unless `--url` names one (whose
//! accounts must be those that `fill` makes). Everything is bounded: clients, time, files, bytes.
//!
//! Clients keep their connections and come at times that are drawn beforehand, whether or not the
//! server is ready for them; a time counts from when its request was due, so that a slow answer is
//! not hidden by the requests that it held up. With the rate 0 each client asks again at once,
//! which shows the most that the server can do.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what this is for")]

mod asking;
mod client;
mod figures;
mod fill;
mod serving;
mod storm;
mod transfer;

use std::{env, error::Error, path::PathBuf};

/// What went wrong, for a person.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What to do.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    pub(crate) data: PathBuf,
    /// A server that runs already.
    pub(crate) url: Option<String>,
    pub(crate) accounts: usize,
    /// Files that all accounts together have.
    pub(crate) files: usize,
    /// Files in each folder.
    pub(crate) folder_files: usize,
    pub(crate) clients: usize,
    /// Requests of all clients together in a second, one storm for each; 0 is as fast as it goes.
    pub(crate) rates: Vec<u64>,
    pub(crate) seconds: u64,
    /// The only kind of request that is made, by the start of its name.
    pub(crate) only: Option<String>,
    /// Size of what is transferred.
    pub(crate) mib: usize,
    /// A server of plain files beside which transfers are measured: `http://HOST:PORT`, with `PUT`.
    pub(crate) beside: Option<String>,
    pub(crate) json: bool,
}

impl Wishes {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut wishes = Self {
            data: words.next().ok_or("no data folder")?.into(),
            url: None,
            accounts: 50,
            files: 1_000_000,
            folder_files: 500,
            clients: 200,
            rates: vec![200, 1000, 2000, 0],
            seconds: 10,
            only: None,
            mib: 64,
            beside: None,
            json: false,
        };
        while let Some(word) = words.next() {
            if word == "--json" {
                wishes.json = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--url" => wishes.url = Some(value),
                "--accounts" => wishes.accounts = value.parse::<usize>()?.clamp(1, 1000),
                "--files" => wishes.files = value.parse::<usize>()?.clamp(1, 10_000_000),
                "--folder-files" => wishes.folder_files = value.parse::<usize>()?.max(1),
                "--clients" => wishes.clients = value.parse::<usize>()?.clamp(1, 1000),
                "--rates" => {
                    wishes.rates = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--seconds" => wishes.seconds = value.parse::<u64>()?.clamp(1, 600),
                "--only" => wishes.only = Some(value),
                "--mib" => wishes.mib = value.parse::<usize>()?.clamp(1, 4096),
                "--beside" => wishes.beside = Some(value),
                _ => return Err(format!("{word} is unknown").into()),
            }
        }
        Ok(wishes)
    }
}

/// Address of an account that `fill` makes.
pub(crate) fn email(account: usize) -> String {
    format!("user{account:03}@load.example")
}

/// Its secret: this is a benchmark, not a server for people.
pub(crate) fn token(account: usize) -> String {
    format!("load-token-{account:03}")
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut words = env::args().skip(1);
    let command = words.next().ok_or("fill, storm, transfer or serve?")?;
    let wishes = Wishes::read(words)?;
    if command == "serve" {
        return serving::serve(&wishes).await;
    }
    let server = serving::start(&wishes)?;
    match command.as_str() {
        "fill" => fill::fill(&server.url, &wishes).await.map(drop),
        "storm" => {
            let folders = fill::fill(&server.url, &wishes).await?;
            storm::all(&server, &wishes, &folders).await
        }
        "transfer" => transfer::all(&server, &wishes).await,
        _ => Err(format!("{command} is unknown").into()),
    }
}
