//! `syft sync --watch`: sync whenever files change here, and every few seconds to see whether
//! something changed elsewhere, which costs one request.
//!
//! Invariant: whatever fails is told and tried again, more and more slowly; nothing but Ctrl-C ends
//! the watch. A change that comes during a sync starts the next one.

use std::path::{Component, Path};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::{Args, tell};
use crate::cli::context::Context;
use crate::cli::report::{Failure, Outcome};
use crate::cli::ui::Ui;
use crate::client::{self, Client};

/// How long files must be quiet before they are synced, so that a copy under way is sent once.
const QUIET: Duration = Duration::from_millis(400);

/// The longest that changes which never pause are put off.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// The longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(300);

pub(crate) async fn run(
    mut client: Client,
    args: &Args,
    context: &Context,
    ui: &mut Ui,
) -> Outcome {
    let interval = Duration::from_secs(args.interval.max(1));
    let (changed, mut changes) = mpsc::channel(1);
    let folder = client.folders().syftbox.clone();
    let _watcher = match watch(&folder, changed.clone()) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            ui.warn(format_args!("Changes here are only seen every {interval:?}: {error}"));
            None
        }
    };
    ui.say(format_args!("Watching `{}`; Ctrl-C stops", folder.display()));
    let mut pause = interval;
    let mut options = args.options();
    loop {
        let before = client.requests();
        match client.sync(&options).await {
            Ok(report) => {
                pause = interval;
                // What was meant once is not meant for ever.
                options.force = false;
                if !report.is_idle() {
                    tell(&report, client.role(), client.requests() - before, ui);
                }
            }
            Err(client::Error::Locked { .. }) => pause = interval,
            Err(error) => {
                pause = (pause * 2).min(PAUSE_MAX);
                let Failure { message, hint, .. } = Failure::from(error);
                ui.warn(format_args!("{message}; trying again in {} s", pause.as_secs()));
                if let Some(hint) = hint {
                    ui.hint(hint);
                }
                // A sign-in may have been renewed by another command: read it anew.
                if let Ok(opened) = context.open().await {
                    client = opened;
                    client.set_wait_for_lock(args.wait);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Some(()) = changes.recv() => settle(&mut changes).await,
        }
    }
}

/// Waits until changes pause.
async fn settle(changes: &mut mpsc::Receiver<()>) {
    let quiet = async { while tokio::time::timeout(QUIET, changes.recv()).await.is_ok() {} };
    tokio::time::timeout(QUIET_MAX, quiet).await.ok();
}

fn watch(folder: &Path, changed: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let root = folder.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let matters = event.map_or(true, |event| {
            !event.kind.is_access() && event.paths.iter().any(|path| is_content(&root, path))
        });
        if matters {
            // A full channel says already what this one would say.
            changed.try_send(()).ok();
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// True unless the path is a file of ours: the lock, or one that is being written.
fn is_content(root: &Path, path: &Path) -> bool {
    let Ok(path) = path.strip_prefix(root) else { return true };
    let hidden = |part: Component<'_>| part.as_os_str().to_string_lossy().starts_with('.');
    !path.components().any(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_ours_wake_nobody() {
        let root = Path::new("/box");
        assert!(is_content(root, Path::new("/box/do@x.org/a.txt")));
        assert!(!is_content(root, Path::new("/box/.sync.lock")));
        assert!(!is_content(root, Path::new("/box/do@x.org/.syft-tmp-1")));
    }
}
