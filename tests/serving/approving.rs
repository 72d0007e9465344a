//! Who is approved by rule, and who is not.

use rustix::process::Signal;
use serde_json::json;
use syft::caches::Commit;
use syft::client::{Attendant, Client, Configuration, ServeFile};
use syft::model::Role;
use syft::peers::{Admission, PeerState};
use syft::syncers::{Report, SyncOptions};

use crate::machines::{World as Machines, email};
use crate::sinks::HttpSink;
use crate::world::{OWNER, SCIENTIST, World};
use crate::{Serving, ask, hook_to, kinds, serve_once};

#[test]
fn who_a_rule_names_is_approved_and_told_of_and_their_jobs_wait() {
    let world = World::logged_in();
    let hook = HttpSink::new();
    hook_to(&world, &hook);
    world.owner(&["auto-approve", "add", "@EXAMPLE.org"]).done();
    ask(&world);
    let answer = serve_once(&world);
    assert_eq!(answer["approved"], json!([{ "email": SCIENTIST, "rule": "@EXAMPLE.org" }]));
    let told = hook.next().json();
    assert_eq!(kinds(&told), ["peer-approved"], "one notice, and none that somebody asks");
    assert_eq!(told["news"][0]["detail"], "@EXAMPLE.org");
    let peers = world.owner(&["peer", "list"]).done();
    assert_eq!(peers["peers"][0]["state"], "accepted");
    let listed = world.owner(&["auto-approve", "list"]).done();
    assert_eq!(listed["approved"][0]["email"], SCIENTIST);

    world.scientist(&["sync"]).done();
    let job = world.file("job.sh", "echo hello");
    let submit = ["job", "submit", job.to_str().unwrap(), "--to", OWNER, "--name", "x", "--bash"];
    world.scientist(&submit).done();
    serve_once(&world);
    let jobs = world.owner(&["job", "list"]).done();
    assert_eq!(jobs["jobs"][0]["status"], "pending", "no rule approves a job");
    assert_eq!(kinds(&hook.next().json()), ["job-waits"]);
}

#[test]
fn a_rule_never_approves_whom_a_person_turned_down() {
    let world = World::logged_in();
    ask(&world);
    world.owner(&["sync"]).done();
    world.owner(&["peer", "reject", SCIENTIST]).done();
    world.owner(&["auto-approve", "add", SCIENTIST]).done();
    ask(&world);
    assert_eq!(serve_once(&world)["approved"], json!([]));
    let peers = world.owner(&["peer", "list"]).done();
    assert_eq!(peers["peers"][0]["state"], "rejected");
}

#[test]
fn a_domain_that_looks_alike_is_another() {
    let world = World::logged_in();
    for rule in ["@xample.org", "@*.example.org", "@example.or", "@olga.example.org"] {
        world.owner(&["auto-approve", "add", rule]).done();
    }
    ask(&world);
    assert_eq!(serve_once(&world)["approved"], json!([]));
    let open = world.owner(&["auto-approve", "add", "@gmail.com"]);
    assert_eq!((open.exit, &open.json()["error"]["code"]), (1, &"open-to-all".into()));
    world.owner(&["auto-approve", "add", "@gmail.com", "--everybody"]).done();
    let unknown = world.owner(&["auto-approve", "remove", "@nowhere.org"]);
    assert_eq!(unknown.json()["error"]["code"], "unknown-rule");
    let rules = world.owner(&["auto-approve", "remove", "@gmail.com"]).done();
    assert_eq!(rules["rules"].as_array().unwrap().len(), 4);
    let wrong = world.scientist(&["auto-approve", "list"]);
    assert_eq!(wrong.json()["error"]["code"], "wrong-role");
}

#[test]
fn a_service_that_runs_approves_who_asks_meanwhile() {
    let world = World::logged_in();
    let mut serving = Serving::start(&world);
    world.owner(&["auto-approve", "add", SCIENTIST]).done();
    ask(&world);
    serving.until("may now work with you");
    assert_eq!(serving.end(Signal::TERM), Some(0));
}

const OLGA: &str = "olga@lab.org";
const ANN: &str = "ann@uni.edu";

fn attendant(world: &Machines) -> Attendant {
    let configuration = Configuration::at(&world.folder.path().join("home"));
    Attendant::open(&configuration, &email(OLGA)).unwrap()
}

fn with_rule(world: &Machines, rule: &str) {
    let configuration = Configuration::at(&world.folder.path().join("home"));
    let mut file = ServeFile::open(&configuration, &email(OLGA)).unwrap();
    let rule = Admission::parse(rule).unwrap();
    file.change(|settings| settings.auto_approve.push(rule)).unwrap();
}

async fn serve(owner: &Client, world: &Machines) -> Vec<String> {
    let report = owner.sync(&SyncOptions::default()).await.unwrap();
    look(owner, world, &report).await
}

async fn look(owner: &Client, world: &Machines, report: &Report) -> Vec<String> {
    let attended = attendant(world).after_sync(owner, Ok(report)).await.unwrap();
    attended.approved.into_iter().map(|one| one.peer.to_string()).collect()
}

/// Dies before and after commits of an approval by rule; the next one finishes it, and there is
/// one record of it.
#[tokio::test]
async fn killed_at_any_commit_an_approval_is_done_and_recorded_once() {
    let mut commits = 0;
    // Every third of each kind: dying after one commit is nearly dying before the next.
    for (moment, first) in [(Commit::Before, 0), (Commit::After, 1)] {
        for place in (first..).step_by(3) {
            let world = Machines::new();
            let (owner, ann) = (world.owner(OLGA), world.machine(ANN, Role::Scientist, "other"));
            ann.add_peer(owner.email()).await.unwrap();
            let report = owner.sync(&SyncOptions::default()).await.unwrap();
            with_rule(&world, "@uni.edu");
            let left = std::sync::atomic::AtomicUsize::new(place);
            owner.account().store.set_witness(move |now| {
                let is_it = |n: usize| n.checked_sub(1);
                let order = std::sync::atomic::Ordering::SeqCst;
                if now == moment && left.fetch_update(order, order, is_it).is_err() {
                    std::panic::resume_unwind(Box::new("dead"));
                }
            });
            let serving = look(&owner, &world, &report);
            let ended =
                futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(serving)).await;
            let is_over = ended.is_ok();
            drop(owner);
            let owner = world.owner(OLGA);
            serve(&owner, &world).await;
            serve(&owner, &world).await;
            let states: Vec<PeerState> =
                owner.peers().await.unwrap().iter().map(|known| known.peer.state).collect();
            assert_eq!(states, [PeerState::Accepted], "{moment:?} {place}");
            let record = owner.admissions().unwrap();
            assert_eq!(record.len(), 1, "{moment:?} {place}: {record:?}");
            assert_eq!((record[0].peer.as_str(), record[0].rule.as_str()), (ANN, "@uni.edu"));
            if is_over {
                commits += place;
                break;
            }
        }
    }
    assert!(commits > 10, "only {commits} commits were tried");
}

/// The peers file of the account is gone from the drive, and with it the rejection.
#[tokio::test]
async fn who_was_turned_down_stays_so_if_the_drive_forgets_it() {
    let world = Machines::new();
    let (owner, ann) = (world.owner(OLGA), world.machine(ANN, Role::Scientist, "other"));
    ann.add_peer(owner.email()).await.unwrap();
    owner.sync(&SyncOptions::default()).await.unwrap();
    owner.reject_peer(ann.email()).await.unwrap();
    serve(&owner, &world).await;
    with_rule(&world, ANN);
    let store = &owner.account().store;
    store
        .write(|db| {
            db.execute("DELETE FROM meta WHERE key LIKE 'peers.%'", []).unwrap();
            db.execute("DELETE FROM catalogue WHERE name LIKE '%peers%.json'", []).unwrap();
            Ok(())
        })
        .unwrap();
    let known = owner.peers().await.unwrap();
    assert_eq!(known[0].peer.state, PeerState::RequestedByPeer, "the rejection is forgotten");
    assert!(look(&owner, &world, &Report::default()).await.is_empty());
}
