//! Fills a server with files and measures how it answers many clients: `load URL SECRETS-FILE
//! [--folders N] [--files N] [--clients N] [--rate N] [--seconds N]`.
//!
//! `SECRETS-FILE` has one token of an account in each line. Clients keep their connection and come
//! at times that are drawn beforehand, whether or not the server is ready for them; a time counts
//! from when its request was due, so that a slow answer is not hidden by the requests that it held
//! up. With `--rate 0` each client asks again at once, which shows the most that the server can do.
#![expect(clippy::print_stdout, reason = "the table is what this example is for")]

mod client;
mod figures;
mod fill;
mod storm;

use std::{env, error::Error, fs};

/// What went wrong, for a person.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What to do.
#[derive(Debug)]
pub(crate) struct Wishes {
    pub(crate) url: String,
    pub(crate) tokens: Vec<String>,
    /// Files that all accounts together have afterwards.
    pub(crate) files: usize,
    /// Files in each folder.
    pub(crate) folder_files: usize,
    pub(crate) clients: usize,
    /// Requests of all clients together in a second; 0 is as fast as it goes.
    pub(crate) rate: u64,
    pub(crate) seconds: u64,
}

impl Wishes {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let url = words.next().ok_or("no URL")?;
        let tokens = fs::read_to_string(words.next().ok_or("no file with tokens")?)?;
        let tokens = tokens.lines().map(str::to_owned).collect();
        let (files, folder_files) = (1000, 500);
        let mut wishes =
            Self { url, tokens, files, folder_files, clients: 8, rate: 0, seconds: 10 };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            match word.as_str() {
                "--files" => wishes.files = value.parse()?,
                "--folder-files" => wishes.folder_files = value.parse()?,
                "--clients" => wishes.clients = value.parse::<usize>()?.clamp(1, 1000),
                "--rate" => wishes.rate = value.parse()?,
                "--seconds" => wishes.seconds = value.parse::<u64>()?.min(600),
                _ => return Err(format!("{word} is unknown").into()),
            }
        }
        Ok(wishes)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let wishes = Wishes::read(env::args().skip(1))?;
    let folders = fill::fill(&wishes).await?;
    println!("{}", figures::HEAD);
    for figure in storm::storm(&wishes, &folders).await? {
        println!("{figure}");
    }
    Ok(())
}
