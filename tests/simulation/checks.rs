//! Lets everything come to rest, and says what is not as it was promised.

use std::collections::BTreeMap;

use syft::connections::{Connection as _, Query};
use syft::model::KEPT_ASIDE_MARK;
use syft::permissions::Level;
use syft::wire::PeerState;

use super::disk::Files;
use super::model::told;
use super::operations::{
    Action, FIRST, MACHINES, OWNER, PLAIN_SYNC, SCIENTISTS, SECOND, address, name,
};
use super::secrets::{marks, rules};
use super::world::{World, email};

/// In how many rounds everybody must be idle.
const ROUNDS_MAX: usize = 12;
/// After how long, at the latest, something is looked for again that came late.
const LATEST_SECONDS: i64 = 3600;

/// Returns what is wrong after all faults are over and everybody has synced.
pub(crate) fn violations(world: &mut World) -> Vec<String> {
    world.drive.set_lag(0);
    world.drive.release();
    world.finish_all();
    world.wind_all(LATEST_SECONDS);
    let mut found = meet(world);
    found.extend(settle(world));
    if !found.is_empty() {
        return found;
    }
    let is_peer = peers(world);
    world.wait(world.secrets.look_at_everything());
    found.extend(world.secrets.leaks());
    found.extend(world.model.violations(&world.disks, &is_peer));
    found.extend(trees(world, &is_peer));
    found.extend(world.products.violations(&world.disks, &is_peer));
    let client = world.client(FIRST);
    found.extend(world.products.broken_approvals(&client, &world.disks[FIRST]));
    found.extend(journals(world, &is_peer));
    found
}

/// True if messages of the owner's log were deleted behind a checkpoint.
pub(crate) fn is_log_shortened(world: &World) -> bool {
    let session = world.drive.session(&email(OWNER));
    let found = world.wait(session.find(&Query::default().named_like("log_pruned_")));
    !found.unwrap().is_empty()
}

fn machines(world: &World) -> Vec<usize> {
    (0..MACHINES).filter(|machine| *machine != SECOND || world.is_used(SECOND)).collect()
}

/// Makes peers of all who are not and were not turned down.
fn meet(world: &mut World) -> Vec<String> {
    let mut found = Vec::new();
    for machine in SCIENTISTS {
        world.run(machine, &Action::Sync(PLAIN_SYNC));
        let owner = email(OWNER);
        let client = world.client(machine);
        let known = world.wait(client.peers()).unwrap();
        if !known.iter().any(|known| known.peer.email == owner) {
            found.extend(world.run(machine, &Action::Ask).problems());
        }
    }
    world.run(FIRST, &Action::Sync(PLAIN_SYNC));
    for (machine, state) in states(world) {
        if state == PeerState::RequestedByPeer {
            found.extend(world.run(FIRST, &Action::Approve(machine)).problems());
        }
    }
    found
}

fn states(world: &mut World) -> BTreeMap<usize, PeerState> {
    let client = world.client(FIRST);
    let known = world.wait(client.peers()).unwrap();
    let state = |machine: &usize| {
        let known = known.iter().find(|known| known.peer.email == email(address(*machine)))?;
        Some((*machine, known.peer.state))
    };
    SCIENTISTS.iter().filter_map(state).collect()
}

/// Says of each machine whether what it does reaches the owner.
fn peers(world: &mut World) -> [bool; MACHINES] {
    let states = states(world);
    std::array::from_fn(|machine| match machine {
        FIRST | SECOND => true,
        _ => states.get(&machine) == Some(&PeerState::Accepted),
    })
}

/// Syncs until nobody has anything to do, which then costs each one request.
fn settle(world: &mut World) -> Vec<String> {
    let everybody = machines(world);
    let mut busy = Vec::new();
    for _ in 0..ROUNDS_MAX {
        busy.clear();
        for machine in &everybody {
            let before = world.client(*machine).requests();
            let outcome = world.run(*machine, &Action::Sync(PLAIN_SYNC));
            let spent = world.client(*machine).requests() - before;
            if !outcome.is_idle() || spent != 1 {
                busy.push(format!("{}: {outcome}, {spent} requests", name(*machine)));
            }
        }
        if busy.is_empty() {
            return Vec::new();
        }
    }
    vec![format!("they do not come to rest after {ROUNDS_MAX} rounds: {busy:?}")]
}

/// The owner's machines hold the same, and each reader what it may read.
fn trees(world: &World, is_peer: &[bool; MACHINES]) -> Vec<String> {
    let mut found = Vec::new();
    let owner = world.disks[FIRST].files();
    if world.is_used(SECOND) {
        found.extend(differences("second", &world.disks[SECOND].files(), &owner));
    }
    let rules = rules(&email(OWNER), &owner);
    for machine in SCIENTISTS.into_iter().filter(|machine| is_peer[*machine]) {
        let mut readable = owner.clone();
        readable.retain(|path, _| rules.allows(address(machine), path, Level::Read));
        found.extend(differences(name(machine), &world.disks[machine].files(), &readable));
        let kept = world.disks[machine].kept();
        let mut once = BTreeMap::new();
        for (path, content) in kept.iter().filter(|(_, content)| !marks(content).is_empty()) {
            let of = path.split(KEPT_ASIDE_MARK).next();
            if let Some(other) = once.insert((of, content), path) {
                found.push(format!(
                    "{} keeps `{path}` and `{other}`, which are equal",
                    name(machine)
                ));
            }
        }
    }
    found
}

fn differences(who: &str, there: &Files, wanted: &Files) -> Vec<String> {
    let paths: std::collections::BTreeSet<&String> = there.keys().chain(wanted.keys()).collect();
    let differs = paths.into_iter().filter(|path| there.get(*path) != wanted.get(*path));
    differs
        .map(|path| {
            let (found, wanted) = (told(there.get(path)), told(wanted.get(path)));
            format!("`{path}` is {found} at {who}, not {wanted}")
        })
        .collect()
}

/// Nothing waits any more.
fn journals(world: &mut World, is_peer: &[bool; MACHINES]) -> Vec<String> {
    let mut found = Vec::new();
    for machine in machines(world) {
        let client = world.client(machine);
        // What is owed to somebody who was turned down waits for a change of mind.
        let peers = SCIENTISTS.into_iter().filter(|peer| is_peer[*peer]);
        let peers: Vec<String> = peers.map(|peer| format!("'{}'", address(peer))).collect();
        let answers = format!("answers WHERE peer IN ({})", peers.join(", "));
        for table in ["outgoing", "unlogged", &answers, "archiving", "intents", "unsettled"] {
            let sql = format!("SELECT count(*) FROM {table}");
            let count = client
                .account()
                .store
                .read(|db| Ok(db.query_row(&sql, [], |row| row.get::<_, i64>(0))?))
                .unwrap();
            if count > 0 {
                found.push(format!("{count} rows of `{table}` are left at {}", name(machine)));
            }
        }
    }
    found
}
