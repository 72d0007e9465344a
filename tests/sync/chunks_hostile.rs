//! Peers who lie about chunks: nothing that they may not read is put together, nothing that they may not
//! write is fetched, and nobody else is held up.

use std::convert::Infallible;
use std::io::Cursor;

use serde_json::{Value, json};
use syft::chunks::{self, Stock};
use syft::connections::Query;
use syft::model::Digest;
use syft::wire::archive;
use syft::wire::names::{PackName, VERSION_FILE};
use uuid::Uuid;

use super::hostile::{attack_is_met, folder, put, stage};
use super::world::{Party, World};

fn noise(bytes: usize) -> Vec<u8> {
    let word = |n: u32| *Digest::of(&(n + 7).to_le_bytes()).as_bytes();
    (0..=u32::try_from(bytes / 32).unwrap()).flat_map(word).take(bytes).collect()
}

/// Eve proposes `content` in chunks at `path`; `bend` changes what is said of them.
async fn propose(
    eve: &Party<'_>,
    path: &str,
    (old, content): (Option<&[u8]>, &[u8]),
    with_packs: bool,
    bend: impl FnOnce(&mut Value),
) {
    let inbox = folder(eve, &format!("#inbox#{}", eve.email)).await;
    let outline = chunks::cut(content, |_, _| Ok(())).unwrap();
    let stock = old.map(|old| Stock::of_base(&chunks::cut(old, |_, _| Ok(())).unwrap()));
    let stock = stock.unwrap_or_default();
    let mut packs = Vec::new();
    let manifest =
        chunks::ship(&chunks::plan(&outline, &stock), &mut Cursor::new(content), |pack| {
            packs.push(pack.bytes);
            Ok::<_, Infallible>(format!("new-{}", packs.len()))
        });
    let mut manifest = manifest.unwrap();
    if with_packs {
        for (name, bytes) in manifest.packs.iter_mut().zip(packs) {
            let pack = PackName(Uuid::new_v4()).to_string();
            *name = put(eve, &inbox.id, &pack, bytes).await.to_string();
        }
    }
    let mut said = serde_json::to_value(manifest.to_wire()).unwrap();
    said["at"] = json!(0);
    bend(&mut said);
    let uid = Uuid::new_v4();
    let message = json!({
        "message": {
            "id": Uuid::new_v4().to_string(),
            "sender_email": eve.email.as_str(),
            "message_filename": {"submitted_timestamp": 1_780_000_001.5, "uid": uid.to_string()},
            "proposed_file_changes": [{
                "id": Uuid::new_v4().to_string(),
                "old_hash": old.map(|old| Digest::of(old).to_hex()),
                "new_hash": Digest::of(content).to_hex(),
                "submitted_timestamp": 1_780_000_001.5,
                "path_in_datasite": path,
                "content": null,
                "datasite_email": "do@example.org",
                "is_deleted": false,
                "content_type": null,
            }],
        },
        "syft_chunks": [said],
    });
    let name = format!("chunkedproposals-1780000001.5-{uid}.tar.gz");
    put(eve, &inbox.id, &name, archive::pack(message.to_string().as_bytes(), 0)).await;
}

fn as_it_is(_: &mut Value) {}

#[tokio::test]
async fn what_may_be_proposed_is_taken_in_whoever_wrote_it() {
    let world = World::new();
    let (owner, eve, _) = stage(&world).await;
    let (first, mut second) = (noise(200_000), noise(200_000));
    propose(&eve, "eve/data.bin", (None, &first), true, as_it_is).await;
    assert_eq!(owner.sync().await.accepted, 1);
    second[77] = !second[77];
    propose(&eve, "eve/data.bin", (Some(&first), &second), true, as_it_is).await;
    assert_eq!(owner.sync().await.accepted, 1);
    let root = owner.account().folders.datasite(&owner.email);
    assert!(std::fs::read(root.join("eve/data.bin")).unwrap() == second);
}

#[tokio::test]
async fn what_nobody_may_propose_there_is_not_fetched() {
    let world = World::new();
    let (owner, eve, honest) = stage(&world).await;
    // That the pack is not there would be told if it were looked for.
    propose(&eve, "secret.bin", (None, &noise(200_000)), false, as_it_is).await;
    let report = attack_is_met(&owner, &honest, "").await;
    assert_eq!((report.problems.len(), report.refused.len()), (0, 1), "{report:?}");
}

#[tokio::test]
async fn nothing_is_made_of_a_file_that_its_sender_may_not_read() {
    // Its digests are known to eve, who has all of it taken from the base of another path, or of that. The
    // answer is that of any proposal there.
    for path in ["eve/a.txt", "secret.bin"] {
        let world = World::new();
        let (owner, eve, honest) = stage(&world).await;
        let secret = noise(200_000);
        let root = owner.account().folders.datasite(&owner.email);
        std::fs::write(root.join("secret.bin"), &secret).unwrap();
        owner.sync().await;
        propose(&eve, path, (Some(&secret), &secret), true, as_it_is).await;
        let report = attack_is_met(&owner, &honest, "").await;
        assert_eq!((report.refused.len(), report.problems.len()), (1, 0), "{report:?}");
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_is_no_pack() {
    for named_so in [true, false] {
        let world = World::new();
        let (owner, eve, honest) = stage(&world).await;
        let id = if named_so {
            let inbox = folder(&honest, &format!("#inbox#{}", honest.email)).await;
            let name = PackName(Uuid::new_v4()).to_string();
            put(&honest, &inbox.id, &name, b"for the owner".to_vec()).await
        } else {
            let query = Query::default().named(VERSION_FILE);
            owner.session().find(&query).await.unwrap().remove(0).id
        };
        owner.sync().await;
        let bend = |said: &mut Value| said["packs"] = json!([id.to_string()]);
        propose(&eve, "eve/data.bin", (None, &noise(200_000)), false, bend).await;
        attack_is_met(&owner, &honest, "none of its sender's").await;
    }
}

#[tokio::test]
async fn lies_about_chunks_are_set_aside() {
    type Bend = fn(&mut Value);
    #[rustfmt::skip]
    let cases: [(&str, Bend); 6] = [
        ("another size",        |said| said["size"] = json!(200_001)),
        ("an endless file",     |said| said["size"] = json!(u64::MAX)),
        ("chunks too many",     |said| said["chunks"][0][0] = json!(100_000)),
        ("chunks of a base",    |said| said["chunks"][0][1] = Value::Null),
        ("another format",      |said| said["format"] = json!(2)),
        ("of another change",   |said| said["at"] = json!(1)),
    ];
    for (what, bend) in cases {
        let world = World::new();
        let (owner, eve, honest) = stage(&world).await;
        propose(&eve, "eve/data.bin", (None, &noise(200_000)), true, bend).await;
        let report = attack_is_met(&owner, &honest, "quarantine").await;
        assert_eq!(report.problems.len(), 1, "{what}: {report:?}");
    }
}

#[tokio::test]
async fn a_pack_that_does_not_come_holds_nobody_up_and_is_not_waited_for_for_ever() {
    let world = World::new();
    let (owner, eve, honest) = stage(&world).await;
    propose(&eve, "eve/data.bin", (None, &noise(200_000)), false, as_it_is).await;
    for number in 0..2 {
        honest.write(&owner.email, "honest/work.txt", format!("{number}").as_bytes());
        honest.sync().await;
        let report = owner.try_sync().await.unwrap();
        assert_eq!(report.accepted, 1);
        assert_eq!(report.problems.len(), 1, "{report:?}");
        let told = &report.problems[0].message;
        assert!(told.contains("waits: a pack of chunks is not there yet"), "{told}");
        honest.sync().await;
    }
    world.wind(8 * 24 * 3600);
    let report = owner.try_sync().await.unwrap();
    assert!(report.problems[0].message.contains("quarantine"), "{report:?}");
    assert!(owner.sync().await.is_idle());
}

#[tokio::test]
async fn what_waits_for_a_pack_keeps_no_room() {
    // The lists are there, and name chunks in a pack that never comes.
    let world = World::new();
    let (owner, eve, honest) = stage(&world).await;
    let bend = |said: &mut Value| {
        said["packs"] = json!([said["packs"][0], "nowhere"]);
        said["chunks"][0][1] = json!(1);
    };
    propose(&eve, "eve/data.bin", (None, &noise(200_000)), true, bend).await;
    honest.write(&owner.email, "honest/work.txt", b"work");
    honest.sync().await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.accepted, 1);
    let told = &report.problems[0].message;
    assert!(told.contains("waits: a pack of chunks is not there yet"), "{told}");
    let kept = std::fs::read_dir(owner.account().folders.parcels()).into_iter().flatten();
    assert_eq!(kept.count(), 0);
}

#[tokio::test]
async fn the_digest_of_what_somebody_else_has_sent_is_no_right_to_it() {
    let world = World::new();
    world.holds_less_than(100_000);
    let (owner, eve, honest) = stage(&world).await;
    let content = noise(200_000);
    // In one sync: it lies among the contents when eve's message is read, of which no pack was ever sent.
    honest.write(&owner.email, "honest/data.bin", &content);
    honest.sync().await;
    propose(&eve, "eve/data.bin", (None, &content), false, as_it_is).await;
    // And one that is only worth anything once the honest one is taken in.
    propose(&eve, "honest/data.bin", (Some(&content), &content), false, as_it_is).await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.accepted, 1, "{report:?}");
    let root = owner.account().folders.datasite(&owner.email);
    assert!(std::fs::read(root.join("honest/data.bin")).unwrap() == content);
    assert!(!root.join("eve/data.bin").exists());
    assert!(!owner.try_sync().await.unwrap().has_exchanged());
    assert!(!root.join("eve/data.bin").exists());
}
