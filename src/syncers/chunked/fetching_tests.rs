//! A file that arrives as chunks, and what others could put in its place.

use std::convert::Infallible;
use std::io::Cursor;

use uuid::Uuid;

use super::super::super::account::tests::account;
use super::*;
use crate::chunks::{Held, Packed, Stock, StockedPack, plan, ship};
use crate::connections::{Access, Content, MemoryDrive, NewEntry, OCTETS};
use crate::model::{Digest, Role};

struct World {
    drive: MemoryDrive,
    owner: Account,
    scientist: Account,
    inbox: FileId,
    message: Entry,
    _homes: [tempfile::TempDir; 2],
}

fn new(parent: &FileId, name: &str) -> NewEntry {
    NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: OCTETS,
        tags: std::collections::BTreeMap::new(),
    }
}

impl World {
    async fn new() -> Self {
        let drive = MemoryDrive::new();
        let (owner, owner_home) = account(&drive, "do@example.org", Role::Owner);
        let (scientist, scientist_home) = account(&drive, "ds@example.org", Role::Scientist);
        let own = scientist.router.own();
        let inbox = own.create_folder(&new(&own.root(), "inbox")).await.unwrap().id;
        scientist.router.share(&[&inbox], &owner.email, Access::Write).await.unwrap();
        let message = new(&inbox, "message");
        let message = own.create_file(&message, Content::Bytes("".into())).await.unwrap();
        let world =
            Self { drive, owner, scientist, inbox, message, _homes: [owner_home, scientist_home] };
        world.look().await;
        world
    }

    /// The owner learns what lies in the inbox.
    async fn look(&self) {
        for entry in self.owner.router.list(&self.inbox).await.unwrap() {
            self.owner.store.write(|db| catalogue::put(db, &entry)).unwrap();
        }
    }

    async fn put(&self, by: &Account, name: &str, bytes: Vec<u8>) -> FileId {
        let content = Content::Bytes(bytes.into());
        by.router.own().create_file(&new(&self.inbox, name), content).await.unwrap().id
    }

    async fn receive(&self, manifest: &Manifest, own: Option<&[u8]>) -> (Arrived, Vec<u8>) {
        let scratch = tempfile::tempdir().unwrap();
        let mut report = Report::default();
        let sent = Sent { sender: &self.scientist.email, message: &self.message, manifest };
        let outline = own.map(|own| chunks::cut(own, |_, _| Ok(())).unwrap());
        let mut own = own.map(Cursor::new);
        let now = Timestamp::from_micros(1_780_000_000_000_000);
        let own = outline.as_ref().zip(own.as_mut());
        let mut opener = Opener::Peers(None);
        let arrived =
            receive(&self.owner, &mut opener, sent, own, scratch.path(), now, &mut report)
                .await
                .unwrap();
        assert_eq!(report.problems, []);
        let content = match &arrived {
            Arrived::Here(path, outline) => {
                assert_eq!(outline.digest(), manifest.digest);
                std::fs::read(path).unwrap()
            }
            _ => Vec::new(),
        };
        (arrived, content)
    }
}

fn name() -> String {
    PackName(Uuid::new_v4()).to_string()
}

/// Noise of some megabytes.
fn content(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let word = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(word).take(3_000_000).collect()
}

/// What is sent of `content` to who has `stock`: the packs, and what the message says, but for the ids.
fn sent(content: &[u8], stock: &Stock) -> (Vec<Packed>, Manifest) {
    let outline = chunks::cut(content, |_, _| Ok(())).unwrap();
    let mut packs = Vec::new();
    let manifest = ship(&plan(&outline, stock), &mut Cursor::new(content), |packed| {
        packs.push(packed);
        Ok::<_, Infallible>(format!("pack-{}", packs.len()))
    });
    (packs, manifest.unwrap())
}

fn changed(base: &[u8]) -> Vec<u8> {
    let mut changed = base.to_vec();
    changed.splice(1_000_000..1_000_010, b"something else".iter().copied());
    changed
}

fn based_on(base: &[u8]) -> Stock {
    Stock::of_base(&chunks::cut(base, |_, _| Ok(())).unwrap())
}

#[tokio::test]
async fn what_is_new_is_fetched_and_the_rest_taken_from_what_is_here() {
    let world = World::new().await;
    let (base, new) = (content(1), changed(&content(1)));
    let (packs, mut manifest) = sent(&new, &based_on(&base));
    let [pack] = packs.as_slice() else { panic!("{} packs", packs.len()) };
    assert!(pack.bytes.len() < 300_000, "{}", pack.bytes.len());
    let file = world.put(&world.scientist, &name(), pack.bytes.clone()).await;
    manifest.packs = vec![file.to_string()];
    // The service shows the pack later than the message.
    assert!(matches!(world.receive(&manifest, Some(&base)).await.0, Arrived::Missing(_)));
    world.look().await;
    let before = world.owner.router.own().requests();
    let (arrived, content) = world.receive(&manifest, Some(&base)).await;
    assert!(matches!(arrived, Arrived::Here(..)), "{arrived:?}");
    assert!(content == new);
    assert!(world.owner.router.own().requests() <= before + 1, "one pack is read");
    // Who has the file reads nothing.
    world.owner.router.own().delete(&[file]).await.unwrap();
    assert!(world.receive(&manifest, Some(&new)).await.1 == new);
    // Who has not the base cannot have it.
    for own in [None, Some(&new[..100_000])] {
        let (arrived, _) = world.receive(&manifest, own).await;
        assert!(!matches!(arrived, Arrived::Here(..)), "{arrived:?}");
    }
}

#[tokio::test]
async fn who_has_nothing_fetches_all_and_older_packs_serve_again() {
    let world = World::new().await;
    let (base, new) = (content(2), changed(&content(2)));
    let (packs, mut first) = sent(&base, &Stock::default());
    let mut stock = Stock::default();
    for packed in packs {
        let file = world.put(&world.scientist, &name(), packed.bytes).await;
        let number = u32::try_from(stock.packs.len()).unwrap();
        let content_bytes = packed.content_bytes;
        stock.packs.push(StockedPack { name: file.to_string(), content_bytes });
        stock.held.extend(packed.digests.into_iter().map(|digest| (digest, Held::Pack(number))));
    }
    first.packs = stock.packs.iter().map(|pack| pack.name.clone()).collect();
    let (packs, mut second) = sent(&new, &stock);
    let [pack] = packs.as_slice() else { panic!("{} packs", packs.len()) };
    let file = world.put(&world.scientist, &name(), pack.bytes.clone()).await;
    let place = second.packs.iter().position(|name| name == "pack-1").unwrap();
    second.packs[place] = file.to_string();
    world.look().await;
    assert!(world.receive(&first, None).await.1 == base);
    for own in [None, Some(&base[..]), Some(&base[..500_000]), Some(&new)] {
        assert!(world.receive(&second, own).await.1 == new);
    }
}

#[tokio::test]
async fn what_is_no_pack_of_the_sender_beside_the_message_is_refused() {
    let world = World::new().await;
    let (base, new) = (content(3), changed(&content(3)));
    let (packs, manifest) = sent(&new, &based_on(&base));
    let bytes = packs[0].bytes.clone();
    let (stranger, _home) = account(&world.drive, "x@example.org", Role::Scientist);
    let router = &world.scientist.router;
    router.share(&[&world.inbox], &stranger.email, Access::Write).await.unwrap();
    let elsewhere = {
        let own = router.own();
        let folder = own.create_folder(&self::new(&own.root(), "elsewhere")).await.unwrap().id;
        router.share(&[&folder], &world.owner.email, Access::Read).await.unwrap();
        let (pack, content) = (self::new(&folder, &name()), Content::Bytes(bytes.clone().into()));
        let entry = own.create_file(&pack, content).await.unwrap();
        for entry in world.owner.router.list(&folder).await.unwrap() {
            world.owner.store.write(|db| catalogue::put(db, &entry)).unwrap();
        }
        entry.id
    };
    let mut garbled = bytes.clone();
    let middle = garbled.len() / 2;
    garbled[middle] ^= 1;
    let other = sent(&content(4)[..200_000], &Stock::default()).0.remove(0).bytes;
    let cases = [
        ("another folder", elsewhere),
        ("somebody else's", world.put(&stranger, &name(), bytes.clone()).await),
        ("another name", world.put(&world.scientist, "thesis.pdf", bytes.clone()).await),
        ("too large", world.put(&world.scientist, &name(), vec![0; 9_000_000]).await),
        ("garbled", world.put(&world.scientist, &name(), garbled).await),
        ("cut off", world.put(&world.scientist, &name(), bytes[..middle].to_vec()).await),
        ("another pack", world.put(&world.scientist, &name(), other).await),
        ("nothing", world.put(&world.scientist, &name(), Vec::new()).await),
    ];
    world.look().await;
    for (what, file) in cases {
        let manifest = Manifest { packs: vec![file.to_string()], ..manifest.clone() };
        let (arrived, _) = world.receive(&manifest, Some(&base)).await;
        if what == "another folder" {
            // It may be on its way.
            assert!(matches!(arrived, Arrived::Missing(_)), "{arrived:?}");
            continue;
        }
        let Arrived::Wrong(why) = arrived else { panic!("{what}: {arrived:?}") };
        assert!(why.contains("chunk"), "{what}: {why}");
    }
    let gone = Manifest { packs: vec!["never".to_owned()], ..manifest.clone() };
    let (arrived, _) = world.receive(&gone, Some(&base)).await;
    let Arrived::Missing(why) = arrived else { panic!("{arrived:?}") };
    assert_eq!(why, "a pack of chunks is not there yet");
    // Another file than the message promises.
    let right = world.put(&world.scientist, &name(), bytes).await;
    world.look().await;
    let digest = Digest::of(b"another");
    let manifest = Manifest { packs: vec![right.to_string()], digest, ..manifest };
    assert!(matches!(world.receive(&manifest, Some(&base)).await.0, Arrived::Wrong(_)));
}
