//! Makes folders full of files, in batches over HTTP, several connections for each account.
//!
//! Names are as `syft` makes them: what a search has to look through is what it will meet.

use std::{fmt::Write as _, sync::Arc, time::Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{
    Failure, Wishes,
    client::{Client, text},
};

/// Calls in one batch, Drive's most.
const BATCH: usize = 100;

/// Folders that are filled at once.
const AT_ONCE: usize = 96;

/// MIME type of folders.
const FOLDER: &str = "application/vnd.google-apps.folder";

/// A folder of one account, full of files.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// Number of the account, and of the folder among its own.
    pub(crate) account: usize,
    pub(crate) number: usize,
    pub(crate) id: String,
}

/// Name of a folder, unique on the server.
pub(crate) fn folder_name(account: usize, number: usize) -> String {
    format!(
        "syft_datasite#0.1.117#user{account:03}@load.example#inbox#peer{number:04}@load.example"
    )
}

/// Name of a file, unique on the server.
pub(crate) fn file_name(account: usize, number: usize, file: usize) -> String {
    // Mixed, so that the names of one folder lie apart, as those with a UUID in them do.
    let chance = (((account * 10_007 + number) * 1_000_003 + file) as u64)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(29);
    format!("msgv2_{chance:016x}_{account}_{number}_{file}.tar.gz")
}

/// Fills the server up to what is wished and returns all folders; those of an earlier run count.
pub(crate) async fn fill(url: &str, wishes: &Wishes) -> Result<Vec<Folder>, Failure> {
    let started = Instant::now();
    let of_account = wishes.files.div_ceil(wishes.accounts * wishes.folder_files);
    let all = (0..of_account).flat_map(|number| (0..wishes.accounts).map(move |of| (of, number)));
    let wishes = Arc::new(wishes.clone());
    let folders = stream::iter(all).map(|(account, number)| {
        let (wishes, url) = (Arc::clone(&wishes), url.to_owned());
        tokio::spawn(async move { folder(&url, &wishes, account, number).await })
    });
    let folders: Vec<(Folder, bool)> = folders
        .buffer_unordered(AT_ONCE)
        .map(|done| done.map_err(Failure::from).flatten())
        .try_collect()
        .await?;
    let made = folders.iter().filter(|(_, made)| *made).count() * (wishes.folder_files + 1);
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{} folders of {} files in {} accounts; {made} files were made in {seconds:.0} s",
        folders.len(),
        wishes.folder_files,
        wishes.accounts
    );
    Ok(folders.into_iter().map(|(folder, _)| folder).collect())
}

/// Returns a folder, and whether it had to be made.
async fn folder(
    url: &str,
    wishes: &Wishes,
    account: usize,
    number: usize,
) -> Result<(Folder, bool), Failure> {
    let mut client = Client::new(url, &super::token(account));
    let name = folder_name(account, number);
    let q = format!("name='{name}' and 'me' in owners and trashed=false");
    let found = client.get_json("/drive/v3/files", &[("q", &q), ("fields", "files(id)")]).await?;
    if let Some(id) = found["files"][0]["id"].as_str() {
        return Ok((Folder { account, number, id: id.to_owned() }, false));
    }
    let body = json!({"name": format!("{name}#begun"), "mimeType": FOLDER,
                      "appProperties": {"load": format!("{account}-{number}")}});
    let id = text(&client.json("POST", "/drive/v3/files?fields=id", &body).await?, "id")?;
    // Each is shared with one other account, as inboxes are.
    let peer = (account + 1 + number) % wishes.accounts;
    if peer != account {
        let body = json!({"type": "user", "role": "writer", "emailAddress": super::email(peer)});
        client.json("POST", &format!("/drive/v3/files/{id}/permissions"), &body).await?;
    }
    for first in (0..wishes.folder_files).step_by(BATCH) {
        let files = first..wishes.folder_files.min(first + BATCH);
        let names = files.map(|file| file_name(account, number, file));
        batch(&mut client, &id, names).await?;
    }
    // Named last: a folder of this name is full.
    client.json("PATCH", &format!("/drive/v3/files/{id}"), &json!({"name": name})).await?;
    Ok((Folder { account, number, id }, true))
}

async fn batch(
    client: &mut Client,
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
