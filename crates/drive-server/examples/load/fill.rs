//! Makes folders full of files, in batches, each account over a connection of its own.

use std::{fmt::Write as _, time::Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Failure, Wishes,
    client::{Client, text},
};

/// Calls in one batch, Drive's most.
const BATCH: usize = 100;

/// A folder of one account, with files `msg_0` and so on.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// Number of the account.
    pub(crate) account: usize,
    pub(crate) id: String,
    pub(crate) files: usize,
}

/// Fills the server up to what is wished; what is there from an earlier run is counted.
pub(crate) async fn fill(wishes: &Wishes) -> Result<Vec<Folder>, Failure> {
    let started = Instant::now();
    let mut filling = JoinSet::new();
    let each = wishes.files.div_ceil(wishes.tokens.len().max(1));
    for (account, token) in wishes.tokens.iter().enumerate() {
        let client = Client::new(&wishes.url, token);
        filling.spawn(account_files(client, account, each, wishes.folder_files.max(1)));
    }
    let mut folders = Vec::new();
    while let Some(done) = filling.join_next().await {
        folders.extend(done??);
    }
    folders.sort_by(|a, b| (a.account, &a.id).cmp(&(b.account, &b.id)));
    let files: usize = folders.iter().map(|folder| folder.files).sum();
    println!("{files} files in {} folders, {:.0?}\n", folders.len(), started.elapsed());
    Ok(folders)
}

async fn account_files(
    client: Client,
    account: usize,
    files: usize,
    folder_files: usize,
) -> Result<Vec<Folder>, Failure> {
    let mut folders = Vec::new();
    for number in 0..files.div_ceil(folder_files) {
        let name = format!("load_{number}_of_{folder_files}");
        let id = match found(&client, &name).await? {
            Some(id) => id,
            None => {
                let id = make_folder(&client, &format!("{name}_begun")).await?;
                for first in (0..folder_files).step_by(BATCH) {
                    let names =
                        (first..folder_files.min(first + BATCH)).map(|n| format!("msg_{n}"));
                    batch(&client, &id, names).await?;
                }
                // Named last: a folder of this name is full.
                client
                    .json("PATCH", &format!("/drive/v3/files/{id}"), &json!({"name": name}))
                    .await?;
                id
            }
        };
        folders.push(Folder { account, id, files: folder_files });
    }
    Ok(folders)
}

async fn found(client: &Client, name: &str) -> Result<Option<String>, Failure> {
    let q = format!("name='{name}' and 'me' in owners and trashed=false");
    let answer = client.get("/drive/v3/files", &[("q", &q), ("fields", "files(id)")]).await?;
    Ok(answer["files"][0]["id"].as_str().map(str::to_owned))
}

async fn make_folder(client: &Client, name: &str) -> Result<String, Failure> {
    let body = json!({"name": name, "mimeType": "application/vnd.google-apps.folder"});
    text(&client.json("POST", "/drive/v3/files?fields=id", &body).await?, "id")
}

async fn batch(
    client: &Client,
    folder: &str,
    names: impl Iterator<Item = String>,
) -> Result<(), Failure> {
    let mut body = String::new();
    for name in names {
        let meta = json!({"name": name, "parents": [folder], "mimeType": "application/gzip"});
        write!(
            body,
            "--part\r\nContent-Type: application/http\r\n\r\nPOST /drive/v3/files?fields=id\r\n\
             Content-Type: application/json\r\n\r\n{meta}\r\n"
        )?;
    }
    body.push_str("--part--");
    let kind = "multipart/mixed; boundary=part";
    let answer = client.send("POST", "/batch/drive/v3", kind, body).await?;
    let answer = String::from_utf8_lossy(&answer);
    if answer.contains("HTTP/1.1 4") || answer.contains("HTTP/1.1 5") {
        return Err(format!("a call of a batch failed: {answer}").into());
    }
    Ok(())
}
