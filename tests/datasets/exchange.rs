//! Between machines: publishing, fetching, changes, damage, restoring.

use super::*;

#[tokio::test]
async fn a_published_dataset_reaches_its_readers_and_costs_what_it_should() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    let peers: Vec<Email> = std::iter::once(email(READER))
        .chain((0..149).map(|n| email(&format!("p{n}@example.com"))))
        .collect();
    let before = owner.requests();
    let publication =
        publish_all(&machine, &owner, "census", Half::Public, Audience::Any, &peers).await;
    let files = 4;
    assert_eq!(owner.requests() - before, files + 2 + 2, "k + 2 + ⌈R/100⌉");
    assert_eq!(publication.shared_with.len(), 150);

    let far = Machine::new();
    let mut held = Vec::new();
    let (plan, kept, errors) = pull(&far, &reader, &mut held).await;
    assert!(plan.fetch[0].any && kept.is_empty() && errors.is_empty(), "{errors:?}");
    let arrived = contents(&far.half("census", Half::Public));
    let mut sent = contents(&machine.half("census", Half::Public));
    sent.remove("syft.pub.yaml");
    assert_eq!(arrived, sent);

    let (plan, ..) = pull(&far, &reader, &mut held).await;
    assert_eq!(plan, PullPlan::default(), "nothing new costs nothing");
}

#[tokio::test]
async fn w25_a_changed_dataset_replaces_the_old_one_and_keeps_local_edits() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let (near, far) = (Machine::new(), Machine::new());
    near.create(&near.usual("census", Audience::Any)).unwrap();
    let peers = [email(READER)];
    let first = publish_all(&near, &owner, "census", Half::Public, Audience::Any, &peers).await;
    let mut held = Vec::new();
    pull(&far, &reader, &mut held).await;
    far.write("box/do@example.com/public/syft_datasets/census/blob.bin", "my edit");
    far.write("box/do@example.com/public/syft_datasets/census/notes/x.txt", "my notes");

    delete(&near.syftbox(), &email(OWNER), &name("census")).unwrap();
    let mut new = near.usual("census", Audience::Any);
    fs::remove_file(near.home.path().join("mock/blob.bin")).unwrap();
    new.summary = Some("changed".into());
    near.create(&new).unwrap();
    drive.advance_micros(1);
    let second = publish_all(&near, &owner, "census", Half::Public, Audience::Any, &peers).await;
    assert_ne!(first.name, second.name);

    let (plan, kept, errors) = pull(&far, &reader, &mut held).await;
    assert_eq!((plan.fetch.len(), errors.len()), (1, 0));
    let arrived = names(&far.half("census", Half::Public));
    assert_eq!(arrived, ["README.md", "data.csv", "dataset.yaml"], "no stale file stays");
    let kept: Vec<String> = kept.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept, ["my edit", "my notes"]);
    assert_eq!(names(&far.syftbox().join(".kept")).len(), 2);

    // Both collections are still there; the older one does not come back.
    assert_eq!(pull(&far, &reader, &mut held).await.0, PullPlan::default());
    let own = collections(&owner, Ownership::Mine).await;
    let old = collections_of(&own, &name("census"), &[&second.folder]);
    assert_eq!(old, [first.folder]);
    owner.delete(&old).await.unwrap();
    assert_eq!(pull(&far, &reader, &mut held).await.0, PullPlan::default());
}

#[tokio::test]
async fn a_dataset_that_is_shown_no_longer_is_removed() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let (near, far) = (Machine::new(), Machine::new());
    near.create(&near.usual("census", Audience::Any)).unwrap();
    let peers = [email(READER)];
    let mut publication =
        publish_all(&near, &owner, "census", Half::Public, Audience::Any, &peers).await;
    let mut held = Vec::new();
    pull(&far, &reader, &mut held).await;

    publication.audience = Audience::Nobody;
    publish(&owner, &mut publication, &near.syftbox(), peers[..].into(), &mut no_save)
        .await
        .unwrap();
    let entry = &collections(&owner, Ownership::Mine).await[0];
    assert!(entry.tags.is_empty(), "the label is gone as well");
    let (plan, kept, _) = pull(&far, &reader, &mut held).await;
    assert_eq!((plan.remove.len(), kept.len(), held.len()), (1, 0, 0));
    assert!(names(&far.syftbox()).is_empty());

    publication.audience = Audience::Listed(vec![email("DS@example.com")]);
    publish(&owner, &mut publication, &near.syftbox(), [][..].into(), &mut no_save).await.unwrap();
    let (plan, ..) = pull(&far, &reader, &mut held).await;
    assert_eq!((plan.fetch.len(), held.len()), (1, 1));
}

#[tokio::test]
async fn any_reaches_peers_that_are_approved_later() {
    let drive = MemoryDrive::new();
    let owner = drive.session(&email(OWNER));
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    let publication =
        publish_all(&machine, &owner, "census", Half::Public, Audience::Any, &[]).await;
    let publications = [publication];
    let (early, late) = (email(READER), email("late@example.com"));
    let grants = shares_due(&publications, &[early.clone(), late.clone()]);
    assert_eq!(grants.iter().map(|grant| &grant.to).collect::<Vec<_>>(), [&early, &late]);
    let [mut publication] = publications;
    publication.note_shared(&email("DS@EXAMPLE.com"));
    let one = std::slice::from_ref(&publication);
    assert_eq!(shares_due(one, &[early.clone(), late.clone()]).len(), 1);
    assert_eq!(unshares_due(one, &[early]).len(), 0);
    assert_eq!(unshares_due(one, &[late]).len(), 1);
}

#[tokio::test]
async fn damage_and_unfinished_uploads_change_nothing() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let (near, far) = (Machine::new(), Machine::new());
    near.create(&near.usual("census", Audience::Any)).unwrap();
    let peers = [email(READER)];
    let publication =
        publish_all(&near, &owner, "census", Half::Public, Audience::Any, &peers).await;
    let id = |file: &str| {
        publication.files.iter().find(|step| step.file.name == file).unwrap().id.clone()
    };
    let content = |text: &'static str| syft::connections::Content::Bytes(text.into());

    owner.replace(&id("data.csv"), content("a,b\n6,6\n")).await.unwrap();
    let mut held = Vec::new();
    let (_, _, errors) = pull(&far, &reader, &mut held).await;
    assert!(matches!(errors[..], [Error::Damaged { .. }]), "{errors:?}");
    assert!(names(&far.syftbox()).is_empty());

    owner.replace(&id("data.csv"), content("a,b\n1,2\n")).await.unwrap();
    pull(&far, &reader, &mut held).await;
    let good = contents(&far.half("census", Half::Public));
    assert!(!good.is_empty());

    held[0].hash = "000000000000".parse().unwrap(); // as if it had changed
    owner.delete(&[id("data.csv")]).await.unwrap();
    let (_, _, errors) = pull(&far, &reader, &mut held).await;
    assert!(matches!(errors[..], [Error::Damaged { .. }]), "{errors:?}");
    assert_eq!(contents(&far.half("census", Half::Public)), good, "the old copy stays");
}

#[tokio::test]
async fn a_file_that_changed_since_is_not_uploaded() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    let me = email(OWNER);
    let draft = draft(&machine.syftbox(), &me, &name("census"), Half::Public).unwrap();
    let mut publication = prepare(&owner, draft, owner.root(), Audience::Any).await.unwrap();
    machine.write("box/do@example.com/public/syft_datasets/census/data.csv", "changed");
    let peers = [email(READER)];
    let result =
        publish(&owner, &mut publication, &machine.syftbox(), peers[..].into(), &mut no_save).await;
    let Err(Error::Changed { path }) = result else { panic!("{result:?}") };
    assert_eq!(path.as_str(), "do@example.com/public/syft_datasets/census/data.csv");
    assert!(collections(&reader, Ownership::NotMine).await.is_empty(), "nobody sees half of it");
}

#[tokio::test]
async fn b10_nested_mock_files_travel_by_their_base_names_and_arrive_in_their_folders() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let (near, far) = (Machine::new(), Machine::new());
    let new = near.usual("census", Audience::Any);
    near.write("mock/sub/deep/x.csv", "nested");
    near.create(&new).unwrap();
    publish_all(&near, &owner, "census", Half::Public, Audience::Any, &[email(READER)]).await;
    pull(&far, &reader, &mut Vec::new()).await;
    let all = reader.find(&Query::default()).await.unwrap();
    assert!(all.iter().any(|entry| entry.name == "x.csv"), "flat on the drive");
    let arrived = names(&far.half("census", Half::Public));
    assert_eq!(arrived, ["README.md", "blob.bin", "data.csv", "dataset.yaml", "sub/deep/x.csv"]);
}

#[tokio::test]
async fn f23_a_second_machine_gets_own_datasets_back_with_their_permissions() {
    let drive = MemoryDrive::new();
    let owner = drive.session(&email(OWNER));
    let (first, second) = (Machine::new(), Machine::new());
    let audience = Audience::Listed(vec![email(READER)]);
    first.create(&first.usual("census", audience.clone())).unwrap();
    publish_all(&first, &owner, "census", Half::Public, audience, &[]).await;
    publish_all(&first, &owner, "census", Half::Private, Audience::Any, &[]).await;
    let reader = drive.session(&email(READER));
    assert_eq!(collections(&reader, Ownership::NotMine).await.len(), 1, "the private half is mine");

    let own = collections(&owner, Ownership::Mine).await;
    let present = local_halves(&second.syftbox(), &email(OWNER)).unwrap();
    let wanted = restore_plan(&email(OWNER), &own, &present, &BTreeSet::new());
    assert_eq!(wanted.len(), 2);
    for wanted in &wanted {
        let (scratch, _) = fetch_one(&second, &owner, wanted).await.unwrap();
        let shares = owner.shares(&wanted.folder).await.unwrap();
        let audience = audience_of(wanted.any, &shares);
        let staging = scratch.path().join("new");
        let restored = Restored { wanted, audience: &audience, uid: Uuid::nil() };
        install_restored(&second.syftbox(), &staging, restored).unwrap();
        let again = fetch_one(&second, &owner, wanted).await.unwrap().0.path().join("new");
        install_restored(&second.syftbox(), &again, restored).unwrap_err();
    }
    let public = |machine: &Machine| contents(&machine.half("census", Half::Public));
    assert_eq!(public(&second), public(&first));
    let mut before = contents(&first.half("census", Half::Private));
    let mut after = contents(&second.half("census", Half::Private));
    let [old, new] =
        [&mut before, &mut after].map(|all| all.remove("private_metadata.yaml").unwrap());
    assert_eq!(after, before);
    assert!(new.contains(second.half("census", Half::Private).to_str().unwrap()));
    assert_eq!(old.lines().next(), new.lines().next(), "the uid stays");
    let hash = |machine: &Machine| {
        draft(&machine.syftbox(), &email(OWNER), &name("census"), Half::Public).unwrap().name
    };
    assert_eq!(hash(&second), hash(&first));
}

#[tokio::test]
async fn w11_a_hostile_collection_writes_nothing_outside_its_folder() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let hash = syft::datasets::CollectionHasher::default().finish();
    let dataset = name("census");
    let folder = CollectionName { half: Half::Public, dataset, hash }.to_string();
    let entry = |parent: FileId, name: &str| syft::connections::NewEntry {
        id: None,
        parent,
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    };
    let folder = owner.create_folder(&entry(owner.root(), &folder)).await.unwrap();
    let evil = syft::connections::Content::Bytes("evil".into());
    owner.create_file(&entry(folder.id.clone(), "../../../../evil"), evil).await.unwrap();
    let to = email(READER);
    let access = syft::connections::Access::Read;
    let grant = syft::connections::Grant { id: folder.id, to, access };
    owner.share(&[grant], false).await.unwrap();

    let far = Machine::new();
    let (_, _, errors) = pull(&far, &reader, &mut Vec::new()).await;
    assert!(matches!(errors[..], [Error::Unacceptable { .. }]), "{errors:?}");
    assert!(contents(far.home.path()).is_empty());
}

#[tokio::test]
async fn a_large_file_is_streamed_both_ways() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let (near, far) = (Machine::new(), Machine::new());
    let new = near.usual("census", Audience::Any);
    near.write("mock/large.csv", &"0123456789abcdef".repeat(400_000));
    near.create(&new).unwrap();
    publish_all(&near, &owner, "census", Half::Public, Audience::Any, &[email(READER)]).await;
    pull(&far, &reader, &mut Vec::new()).await;
    let file = |machine: &Machine| fs::read(machine.half("census", Half::Public).join("large.csv"));
    assert_eq!(file(&far).unwrap(), file(&near).unwrap());
}

#[tokio::test]
async fn a_peer_has_no_say_in_our_permissions() {
    let drive = MemoryDrive::new();
    let (owner, reader) = (drive.session(&email(OWNER)), drive.session(&email(READER)));
    let entry = |parent: FileId, name: String| syft::connections::NewEntry {
        id: None,
        parent,
        name,
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    };
    let mut hasher = syft::datasets::CollectionHasher::default();
    for name in ["dataset.yaml", "syft.pub.yaml"] {
        hasher.file(name);
        hasher.content(b"x: 1\n");
    }
    let collection =
        CollectionName { half: Half::Public, dataset: name("census"), hash: hasher.finish() };
    let folder = owner.create_folder(&entry(owner.root(), collection.to_string())).await.unwrap();
    for name in ["dataset.yaml", "syft.pub.yaml"] {
        let content = syft::connections::Content::Bytes("x: 1\n".into());
        owner.create_file(&entry(folder.id.clone(), name.to_owned()), content).await.unwrap();
    }
    let access = syft::connections::Access::Read;
    let grant = syft::connections::Grant { id: folder.id, to: email(READER), access };
    owner.share(&[grant], false).await.unwrap();

    let far = Machine::new();
    let mut held = Vec::new();
    let (_, _, errors) = pull(&far, &reader, &mut held).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(names(&far.half("census", Half::Public)), ["dataset.yaml"]);
    assert_eq!(pull(&far, &reader, &mut held).await.0, PullPlan::default());
}
