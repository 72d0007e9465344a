//! `syft sync --dry-run`: what differs here from what was last agreed with the drive.
//!
//! Looks at this machine only and changes nothing but the cache of digests. What others changed is
//! not asked for, datasets are not compared, and whether an owner will accept is not known.

use serde_json::{Value, json};

use crate::caches::proposed;
use crate::cli::context::now_seconds;
use crate::cli::hints::PUT_BACK;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::text::count;
use crate::cli::ui::{Tone, Ui};
use crate::client::{self, Client};
use crate::model::{DatasitePath, Difference, Digest, Email, Role, Timestamp};
use crate::syncers::{Ahead, look_ahead};

/// A change that a sync would send.
struct Change {
    datasite: Email,
    path: DatasitePath,
    what: &'static str,
    tone: Tone,
}

pub(crate) fn run(client: &Client, ui: &mut Ui) -> Outcome {
    // Once, for both questions: what changes is read whenever somebody looks.
    let ahead = look_ahead(client.account(), now())
        .map_err(|error| Failure::from(client::Error::from(error)))?;
    let (changes, mut unreadable) =
        look(client, &ahead).map_err(|error| Failure::from(client::Error::from(error)))?;
    let alarms: Vec<_> = ahead.iter().filter_map(|ahead| ahead.alarm.as_ref()).collect();
    unreadable.extend(alarms.iter().map(|alarm| format!("a sync would stop: {alarm}")));
    let shown: Vec<Value> = changes
        .iter()
        .map(|change| {
            let (datasite, path) = (change.datasite.as_str(), change.path.as_str());
            json!({ "datasite": datasite, "path": path, "change": change.what })
        })
        .collect();
    ui.answer(&json!({ "would_push": shown, "problems": unreadable }));
    for change in &changes {
        let Change { datasite, path, what, tone } = change;
        ui.toned(*tone, format_args!("{what:<8} {datasite}/{path}"));
    }
    for problem in &unreadable {
        ui.warn(problem);
    }
    let number = count(changes.len(), "change", "changes");
    ui.say(match client.role() {
        Role::Owner => format!("A sync would announce {number} to those who may read them"),
        Role::Scientist => format!("A sync would propose {number} to their owners"),
    });
    if !alarms.is_empty() {
        ui.hint(PUT_BACK);
    }
    ui.say("Not covered: what others changed, and datasets; nothing was sent or asked for");
    Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Problems })
}

fn now() -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "microseconds fit for ages")]
    Timestamp::from_micros((now_seconds() * 1e6) as i64)
}

fn look(
    client: &Client,
    ahead: &[Ahead],
) -> Result<(Vec<Change>, Vec<String>), crate::caches::Error> {
    let (mut changes, mut unreadable) = (Vec::new(), Vec::new());
    let store = &client.account().store;
    for Ahead { datasite, found, .. } in ahead {
        let agreed = store.agreed(datasite)?;
        let proposed = store.read(|db| proposed::all(db, datasite))?;
        // What was proposed already is on its way.
        let waits = |path: &DatasitePath, digest: Option<Digest>| {
            proposed.get(path).is_some_and(|proposed| proposed.digest == digest)
        };
        let (gone, held): (Vec<_>, Vec<_>) =
            agreed.differences(&found.files).into_iter().partition(|it| it.after.is_none());
        for Difference { path, before, after } in held.into_iter().chain(gone) {
            let (what, tone) = match (before, after) {
                (_, None) if found.is_unknown(path) => continue,
                (_, None) => ("deleted", Tone::Bad),
                (None, _) => ("new", Tone::Good),
                (Some(_), Some(_)) => ("changed", Tone::Look),
            };
            if !waits(path, after) {
                changes.push(Change { datasite: datasite.clone(), path: path.clone(), what, tone });
            }
        }
        unreadable.extend(found.unreadable.iter().map(|u| format!("`{}`: {}", u.path, u.reason)));
    }
    Ok((changes, unreadable))
}
