//! What a process does, from its begin to its outcome.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use syft::caches::LARGE_BYTES_MIN;
use syft::client::{Client, Error};
use syft::syncers::{Report, SyncOptions};

use super::operations::{Action, OWNER, address};
use super::products;
use super::world::{Outcome, email};

/// For how long a watch leaves alone what was written: some looks at the clock of a machine.
const REST: Duration = Duration::from_secs(8);

pub(crate) type Process = Pin<Box<dyn Future<Output = Outcome>>>;

pub(crate) fn process(client: Arc<Client>, action: &Action, files: PathBuf) -> Process {
    let (action, owner) = (action.clone(), email(OWNER));
    Box::pin(async move {
        client.set_rest(Duration::ZERO);
        client.set_large_bytes_min(LARGE_BYTES_MIN);
        let done = match action {
            Action::Sync(sync) => {
                if sync.of_watch {
                    client.set_rest(REST);
                }
                if sync.holds_little {
                    client.set_large_bytes_min(8);
                }
                let options = SyncOptions {
                    full: sync.full,
                    prune_log: sync.prune_log,
                    checkpoint_threshold: sync.checkpoint_threshold,
                    compact_threshold: sync.compact_threshold,
                    ..SyncOptions::default()
                };
                client.sync(&options).await
            }
            Action::Ask => client.add_peer(&owner).await,
            Action::Approve(peer) => client.approve_peer(&email(address(peer))).await,
            Action::Reject(peer) => client.reject_peer(&email(address(peer))).await,
            Action::Grant { path, user, level } => {
                client.grant(&path, &user, level).await.map(|_| Report::default())
            }
            Action::Revoke { path, user, level } => {
                client.revoke(&path, &user, level).await.map(|_| Report::default())
            }
            Action::Checkpoint => client.create_checkpoint().await.map(|_| Report::default()),
            product => about_product(&client, product, &files).await,
        };
        match done {
            Ok(report) => Outcome::Done(report),
            Err(error) => Outcome::Failed(with_causes(&error)),
        }
    })
}

async fn about_product(client: &Client, action: Action, files: &Path) -> Result<Report, Error> {
    match action {
        Action::CreateDataset { dataset, number, readers, upload_private } => {
            let new = products::new_dataset(files, dataset, number, readers);
            client.create_dataset(&new, upload_private).await.map(drop)
        }
        Action::UpdateDataset { dataset, number, is_private_new } => {
            let update = products::new_content(files, dataset, number, is_private_new);
            client.update_dataset(&update, false).await.map(drop)
        }
        Action::Share { dataset, readers } => {
            client.share_dataset(dataset, &readers.audience()).await.map(drop)
        }
        Action::Unshare { dataset, readers } => {
            client.unshare_dataset(dataset, &readers.audience()).await.map(drop)
        }
        Action::DeleteDataset { dataset } => client.delete_dataset(dataset).await,
        Action::Submit { job, number } => {
            client.submit_job(&products::new_job(files, job, number)).await.map(drop)
        }
        Action::ApproveJob { job, from } => {
            client.approve_job(job, Some(&email(address(from))), None).await.map(drop)
        }
        Action::RejectJob { job, from } => {
            client.reject_job(job, Some(&email(address(from))), None).await.map(drop)
        }
        _ => Ok(()),
    }
    .map(|()| Report::default())
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
