//! What a bug report says of an account: its side, its kind of drive, its peers' versions, and how
//! much of what there is.
//!
//! Asks the service nothing. What cannot be read is told by the kind of the error.

use std::net::IpAddr;

use url::Url;

use super::facts::{Fact, Section, UNKNOWN};
use crate::caches::{Folders, sizes};
use crate::client::{AccountInfo, Client, Configuration, Result, outcome};
use crate::jobs::{JobStatus, Listed};
use crate::model::{Role, Timestamp};
use crate::peers::Secrecy;
use crate::syncers::peering::Acquaintance;
use crate::syncers::{listed_at, sealing};
use crate::wire::Compatibility;

const MICROS_A_MINUTE: i64 = 60 * 1_000_000;

/// Returns what there is to say of an account.
pub(super) async fn account(
    configuration: &Configuration,
    info: &AccountInfo,
    now: Timestamp,
) -> Section {
    let mut section = Section::new("account");
    section.add("side", Fact::Word(info.role.as_str()));
    section.add("drive", Fact::Word(kind_of_drive(&info.service)));
    let folders =
        Folders::new(configuration.home(), configuration.folder(), &info.email, info.role);
    section.add("syftbox-is-there", Fact::Is(folders.syftbox.is_dir()));
    section.add("messages-set-aside", Fact::count(set_aside(&folders)));
    // To open the database would make one.
    let is_there = folders.database().is_file();
    section.add("database-is-there", Fact::Is(is_there));
    if !is_there {
        return section;
    }
    let told = match Client::open(configuration, Some(&info.email)).await {
        Ok(client) => add_state(&client, now, &mut section).await,
        Err(error) => Err(error),
    };
    if let Err(error) = told {
        section.add("cannot-be-read", Fact::Code(error.code()));
    }
    section
}

/// The kind of a service, out of what a person is shown of it.
fn kind_of_drive(service: &str) -> &'static str {
    if service == "Google Drive" {
        return "google-drive";
    }
    if service.starts_with("folder ") {
        return "folder";
    }
    if service.starts_with("s3://") {
        return "bucket";
    }
    let Ok(url) = Url::parse(service) else { return UNKNOWN };
    let is_here = url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    match (url.scheme(), is_here) {
        ("http" | "https", true) => "server-on-this-machine",
        ("http", false) => "server-elsewhere-without-tls",
        ("https", false) => "server-elsewhere",
        _ => UNKNOWN,
    }
}

/// How many messages lie in quarantine.
fn set_aside(folders: &Folders) -> usize {
    let entries = |folder| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_message = |entry: &std::fs::DirEntry| {
        entry.path().extension().is_some_and(|extension| extension == "message")
    };
    entries(folders.quarantine()).flat_map(|peer| entries(peer.path())).filter(is_message).count()
}

async fn add_state(client: &Client, now: Timestamp, section: &mut Section) -> Result<()> {
    let account = client.account();
    section.add("schema", Fact::Count(account.store.read(sizes::schema)?));
    section.add("home-generation", Fact::version(&account.dialect.generation()));
    let minutes = |at: Timestamp| (now.micros() - at.micros()) / MICROS_A_MINUTE;
    let listed = listed_at(account)?.and_then(|at| u64::try_from(minutes(at)).ok());
    section.add("minutes-since-listing", listed.map_or(Fact::Word("never"), Fact::Count));
    if let Some(last) = outcome::last(account)? {
        let [pulled, accepted, refused, pushed] = last.counts.map(Fact::Count);
        section.add("files-pulled", pulled);
        section.add("proposals-accepted", accepted);
        section.add("proposals-refused", refused);
        section.add("changes-pushed", pushed);
        let codes: Vec<Fact> = last.codes.iter().map(|name| Fact::code(name)).collect();
        let codes = if codes.is_empty() { vec![Fact::Word("none")] } else { codes };
        section.add_all("last-problems", codes);
    }
    add_keys(client, section);
    add_jobs_and_datasets(client, section);
    let peers = client.peers().await?;
    section.add("peers", Fact::count(peers.len()));
    for peer in &peers {
        section.add_all("peer", peer_facts(peer));
    }
    for (table, rows) in account.store.read(sizes::tables)? {
        section.add(table, Fact::Count(rows));
    }
    Ok(())
}

fn add_keys(client: &Client, section: &mut Section) {
    let fact = match client.keys() {
        Ok(Some(keys)) => Fact::Word(keys.mode.as_str()),
        Ok(None) => Fact::Word("none"),
        Err(error) => Fact::Code(error.code()),
    };
    section.add("encryption", fact);
}

fn add_jobs_and_datasets(client: &Client, section: &mut Section) {
    let datasets = client.datasets().map(|datasets| datasets.len());
    section.add("datasets", datasets.map_or_else(|e| Fact::Code(e.code()), Fact::count));
    match client.jobs() {
        Ok(jobs) => {
            for status in JobStatus::ALL {
                let is_so = |listed: &&Listed| matches!(listed, Listed::Job(job) if job.state.status == status);
                let number = jobs.iter().map(|job| &job.listed).filter(is_so).count();
                if number > 0 {
                    section.add_all("jobs", vec![Fact::Word(status.as_str()), Fact::count(number)]);
                }
            }
            let odd = jobs.iter().filter(|job| matches!(job.listed, Listed::Unreadable { .. }));
            section.add("jobs-that-are-none", Fact::count(odd.count()));
        }
        Err(error) => section.add("jobs-that-are-none", Fact::Code(error.code())),
    }
    if client.role() == Role::Owner {
        // Of a scientist there is no log.
        let due = client.checkpoint_status(usize::MAX).map(|status| status.log_messages);
        section.add("log-messages", due.map_or_else(|e| Fact::Code(e.code()), Fact::count));
    }
}

/// How far it has come with a peer, its version, ours for it, and whether they fit.
fn peer_facts(peer: &Acquaintance) -> Vec<Fact> {
    let stated = peer.version.as_ref().map(|version| version.syft_client_version.as_str());
    let spoken = peer.speech.dialect.as_ref().map(|dialect| dialect.client_version.to_string());
    let version = |text: Option<&str>| text.map_or(Fact::Word("unknown"), Fact::version);
    let is_ours = peer.version.as_ref().is_some_and(|version| version.syft_rs.is_some());
    vec![
        Fact::Word(peer.peer.state.as_str()),
        version(stated),
        version(spoken.as_deref()),
        Fact::Word(match peer.speech.compatibility {
            Compatibility::Same => "same",
            Compatibility::PatchDifference => "patch-difference",
            Compatibility::Incompatible => "incompatible",
            Compatibility::Unknown => "unknown",
        }),
        Fact::Word(if is_ours { "rust" } else { "python-or-unknown" }),
        match peer.secrecy {
            Secrecy::Plain { offered: None } => Fact::Word("plain"),
            Secrecy::Plain { offered: Some(_) } => Fact::Word("plain-though-offered"),
            Secrecy::Sealed(_) => Fact::Word("sealed"),
            Secrecy::Stopped(obstacle) => Fact::Code(sealing::obstacle_code(obstacle)),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_drive_names_no_place() {
        let cases = [
            ("Google Drive", "google-drive"),
            ("folder /home/ann/drive", "folder"),
            ("http://127.0.0.1:8420", "server-on-this-machine"),
            ("http://[::1]:1/", "server-on-this-machine"),
            ("https://localhost", "server-on-this-machine"),
            ("https://drive.example.org/x", "server-elsewhere"),
            ("http://10.0.0.1:80", "server-elsewhere-without-tls"),
            ("ftp://127.0.0.1", UNKNOWN),
            ("s3://ann/x at https://s3.example.org", "bucket"),
            ("a place of ann", UNKNOWN),
        ];
        for (service, expected) in cases {
            assert_eq!(kind_of_drive(service), expected, "{service}");
        }
    }
}
