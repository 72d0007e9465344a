//! `kill -9` at any moment: what was answered is there, what is there is whole, nothing is left
//! over.

use std::{
    collections::{BTreeMap, HashSet},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::world::{Api, multipart, query};

const TOKEN: &str = "a-token-for-the-crash-test";

/// A server in a process of its own, killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Process {
    pub(crate) fn start(data: &Path) -> Self {
        let mut child = Command::new(example("serve"))
            .arg(data)
            .arg(format!("ann@example.org={TOKEN}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url, Some(TOKEN))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap(); // SIGKILL
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Returns the program of an example, which cargo builds along with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: cargo build --examples", path.display());
    path
}

fn content(worker: usize, at: usize) -> Vec<u8> {
    let size = (worker * 7919 + at * 104_729) % 400_000;
    (0..size).map(|byte| (byte * (worker + 2) + at) as u8).collect()
}

/// Uploads until the server dies, in all three ways; keeps what was answered.
async fn work(
    api: Api,
    worker: usize,
    round: usize,
    told: Arc<Mutex<BTreeMap<String, String>>>,
    answers: Arc<AtomicUsize>,
) {
    for at in 0.. {
        let bytes = content(worker, round * 1000 + at);
        let digest = hex::encode(Sha256::digest(&bytes));
        let meta = json!({"name": format!("{round}-{worker}-{at}")});
        let answer = match (at + worker) % 3 {
            0 => {
                let (kind, body) = multipart(&meta, &bytes);
                let target = "/upload/drive/v3/files?uploadType=multipart";
                let headers = [("content-type", kind.as_str())];
                api.try_send("POST", target, &headers, crate::world::full(body)).await
            }
            1 => {
                let target = "/upload/drive/v3/files?uploadType=resumable";
                let opened =
                    api.try_send("POST", target, &[], crate::world::full(meta.to_string())).await;
                let Ok(opened) = opened else { return };
                let url = opened.header("location").to_owned();
                api.try_send("PUT", &url, &[], crate::world::full(bytes)).await
            }
            _ => {
                let known = told.lock().unwrap().keys().next().cloned();
                let Some(id) = known else { continue };
                // Until the answer comes, both the old and the new content may be there.
                let old = told.lock().unwrap().remove(&id).unwrap();
                let target = format!("/upload/drive/v3/files/{id}?uploadType=media");
                let answer = api.try_send("PATCH", &target, &[], crate::world::full(bytes)).await;
                if answer.is_err() {
                    told.lock().unwrap().insert(id, format!("{old} {digest}"));
                    return;
                }
                answer
            }
        };
        let Ok(answer) = answer else { return };
        let id = answer.ok()["id"].as_str().unwrap().to_owned();
        told.lock().unwrap().insert(id, digest);
        answers.fetch_add(1, Ordering::SeqCst);
    }
}

/// Checks that all that was answered is there, and that all that is there is whole.
async fn check(api: &Api, data: &Path, told: &BTreeMap<String, String>) {
    let mut found = BTreeMap::new();
    let mut token = String::new();
    loop {
        let fields = "nextPageToken,files(id,name,size,sha256Checksum)";
        let query = query(&[("fields", fields), ("pageSize", "1000"), ("pageToken", &token)]);
        let page = api.get(&format!("/drive/v3/files?{query}")).await.ok();
        for file in page["files"].as_array().unwrap() {
            let id = file["id"].as_str().unwrap().to_owned();
            let body = api.download(&id).await.body;
            let digest = hex::encode(Sha256::digest(&body));
            assert_eq!(file["sha256Checksum"], *digest, "{file}");
            assert_eq!(file["size"], body.len().to_string());
            found.insert(id, (digest, body.len()));
        }
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    for (id, digests) in told {
        let (digest, _) = found.get(id).unwrap_or_else(|| panic!("{id} was answered and is lost"));
        assert!(digests.split(' ').any(|one| one == digest), "{id} has another content");
    }
    let names = |folder| -> HashSet<_> {
        let entries = std::fs::read_dir(data.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    let with_bytes = found.values().filter(|(_, size)| *size > 0).count();
    assert_eq!(names("content").len(), with_bytes, "one content for each file, and no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_lost_by_kill_9() {
    let data = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(BTreeMap::new()));
    for round in 0..6 {
        let mut process = Process::start(data.path());
        let so_far = told.lock().unwrap().clone();
        check(&process.api(), data.path(), &so_far).await;
        let answers = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (told, answers) = (Arc::clone(&told), Arc::clone(&answers));
                tokio::spawn(work(process.api(), worker, round, told, answers))
            })
            .collect();
        // In the middle of whatever the others are doing, at another point in each round.
        while answers.load(Ordering::SeqCst) < 10 + round * 3 {
            tokio::task::yield_now().await;
        }
        process.kill();
        for worker in workers {
            worker.await.unwrap();
        }
    }
    let process = Process::start(data.path());
    let told = told.lock().unwrap().clone();
    assert!(told.len() > 40, "{}", told.len());
    check(&process.api(), data.path(), &told).await;
    let lines = process.api().get("/drive/v3/files?pageSize=1").await.ok();
    assert!(lines["nextPageToken"].is_string());
}

#[tokio::test]
async fn one_folder_is_served_by_one_server_and_takes_accounts_from_others() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let second = drive_server::serve(drive_server::Options::new(data.path())).await;
    assert!(matches!(second, Err(drive_server::Error::InUse { .. })), "{second:?}");
    let late = drive_server::add_account(data.path(), "Late@example.org", None).unwrap();
    let api = Api::new(&process.url, Some(&late.token));
    let about = api.get("/drive/v3/about?fields=user").await.ok();
    assert_eq!(about["user"]["emailAddress"], "late@example.org");
    let again = drive_server::add_account(data.path(), "late@example.org", None).unwrap();
    assert_ne!(again.token, late.token);
    for token in [&late.token, &again.token] {
        Api::new(&process.url, Some(token)).get("/drive/v3/files").await.ok();
    }
    let taken = drive_server::add_account(data.path(), "x@example.org", Some(&late.token));
    assert!(matches!(taken, Err(drive_server::Error::BadToken { .. })), "{taken:?}");
    let accounts = drive_server::accounts(data.path()).unwrap();
    assert_eq!(accounts, ["ann@example.org", "late@example.org"]);
}
