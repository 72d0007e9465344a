//! Many who ask, one after the other: few messages, and nobody left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use syft::channels::Way;
use syft::client::{Attendant, Clock, Configuration, Courier, Delivery};
use syft::model::{Role, Timestamp};
use syft::notices::BURST;
use syft::syncers::SyncOptions;

use crate::machines::{World, email};
use crate::sinks::HttpSink;

/// How many ask.
const REQUESTS: usize = 30;

const OLGA: &str = "olga@lab.org";

/// A clock that stands until it is wound.
#[derive(Debug)]
struct Wound(AtomicI64);

impl Clock for Wound {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn many_requests_are_six_messages_an_hour_and_all_are_told() {
    let (world, hook) = (World::new(), HttpSink::new());
    let configuration = Configuration::at(&world.folder.path().join("home"));
    let owner = world.owner(OLGA);
    let account = email(OLGA);
    let mut file = syft::client::ServeFile::open(&configuration, &account).unwrap();
    let webhook = syft::channels::Webhook::parse(&hook.url("/")).unwrap();
    file.change(|settings| settings.webhook = Some((webhook, Default::default()))).unwrap();
    owner.sync(&SyncOptions::default()).await.unwrap();
    let mut attendant = Attendant::open(&configuration, &account).unwrap();
    let courier = Courier::open(&configuration, &account, Role::Owner).unwrap();
    let clock = Arc::new(Wound(AtomicI64::new(1_780_000_000_000_000)));
    let (mut told, mut messages) = (0, 0);
    for number in 0..REQUESTS {
        let name = format!("p{number}@x.org");
        let peer = world.machine(&name, Role::Scientist, &format!("m{number}"));
        peer.add_peer(owner.email()).await.unwrap();
        let report = owner.sync(&SyncOptions::default()).await.unwrap();
        attendant.after_sync(&owner, Ok(&report)).await.unwrap();
        let round = courier.round(clock.as_ref()).await.unwrap();
        messages += round.len();
        assert!(round.iter().all(|one| matches!(one, Delivery::Sent { .. })));
        clock.0.fetch_add(1_000_000, Ordering::SeqCst);
    }
    assert_eq!(messages, BURST);
    let looked = courier.look(Way::Webhook, clock.as_ref()).await.unwrap();
    clock.0.store(looked.next.unwrap().micros(), Ordering::SeqCst);
    assert_eq!(courier.round(clock.as_ref()).await.unwrap().len(), 1);
    for request in hook.rest() {
        let json = request.json();
        told += json["news"].as_array().unwrap().len() + json["more"].as_u64().unwrap() as usize;
        assert!(request.body.len() < 16 * 1024, "{}", request.body.len());
    }
    assert_eq!(told, REQUESTS);
}
