//! A sync over a bucket that is cut off at one request after another, and run again, ends as if it had
//! not been.

use std::path::Path;

use syft::client::Client;
use syft::syncers::SyncOptions;

use crate::attacks::{OWNER, SCIENTIST, acquaint, client, files, in_step, read, write};
use crate::shelf::{Crash, Shelf};
use syft::model::Role;

const STEP: usize = 2; // of two requests one is cut off before, the other after the store has done it

/// Lets the process die at one request of a sync after another, and returns how often it did.
async fn cut_off_everywhere(
    shelf: &Shelf,
    crash: Crash,
    open: impl Fn() -> Client,
    mut prepare: impl FnMut(&Client, usize),
) -> usize {
    let mut deaths = 0;
    for turn in 0.. {
        let doomed = open();
        prepare(&doomed, turn);
        shelf.crash_at(turn * STEP + usize::from(crash == Crash::After), crash);
        let answer = doomed.sync(&SyncOptions::default()).await;
        if !shelf.restart() {
            answer.unwrap();
            break;
        }
        deaths += 1;
    }
    deaths
}

#[tokio::test]
async fn a_sync_that_is_cut_off_loses_nothing_and_sends_nothing_twice() {
    for crash in [Crash::Before, Crash::After] {
        let (shelf, folder) = (Shelf::default(), tempfile::tempdir().unwrap());
        let home: &Path = folder.path();
        let owner = || client(&shelf, OWNER, Role::Owner, home);
        let scientist = || client(&shelf, SCIENTIST, Role::Scientist, home);
        acquaint(&owner(), &scientist()).await;

        let mut last = 0;
        let prepare = |client: &Client, turn: usize| {
            write(client, &format!("shared/{turn}.txt"), &format!("proposal {turn}"));
            last = turn;
        };
        let deaths = cut_off_everywhere(&shelf, crash, scientist, prepare).await;
        assert!(deaths > 3, "{crash:?}: {deaths}");
        let sent = files(&shelf, SCIENTIST, "msgv2_").await.len();
        assert!((1..=last + 1).contains(&sent), "{crash:?}: no proposal is sent twice: {sent}");

        // Now the one who takes them in, and answers.
        let nothing = |_: &Client, _: usize| {};
        let deaths = cut_off_everywhere(&shelf, crash, owner, nothing).await;
        assert!(deaths > 3, "{crash:?}: {deaths}");
        in_step(&owner(), &scientist()).await;
        for turn in 0..=last {
            let wanted = format!("proposal {turn}");
            for side in [owner(), scientist()] {
                let found = read(&side, &format!("shared/{turn}.txt"));
                assert_eq!(found.as_deref(), Some(wanted.as_str()), "{crash:?} {turn}");
            }
        }
    }
}
