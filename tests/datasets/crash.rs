//! A crash at any call is made good by the next run.

use syft::connections::faulty::{Fault, unavailable};

use super::*;

/// Everything that an account sees of its collections: names, contents, readers.
async fn end_state(drive: &MemoryDrive) -> Vec<(String, BTreeMap<String, String>, Vec<Email>)> {
    let owner = drive.session(&email(OWNER));
    let mut state = Vec::new();
    for folder in collections(&owner, Ownership::Mine).await {
        let files = owner.find(&Query::in_folder(&folder.id)).await.unwrap();
        let mut contents = BTreeMap::new();
        for file in &files {
            let bytes = owner.read(&file.id, 1 << 20).await.unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(contents.insert(file.name.clone(), text).is_none(), "{} twice", file.name);
        }
        let shares = owner.shares(&folder.id).await.unwrap();
        state.push((folder.name, contents, shares.into_iter().map(|(who, _)| who).collect()));
    }
    state
}

/// One process: takes up the saved record, or makes it, and publishes.
async fn process(
    machine: &Machine,
    connection: &dyn Connection,
    saved: &mut Option<String>,
) -> Result<(), Error> {
    let peers = [email(READER), email("other@example.com"), email("third@example.com")];
    let mut publication: Publication = match saved {
        Some(saved) => serde_json::from_str(saved).unwrap(),
        None => {
            let me = email(OWNER);
            let draft = draft(&machine.syftbox(), &me, &name("census"), Half::Public)?;
            let made = prepare(connection, draft, connection.root(), Audience::Any).await?;
            *saved = Some(serde_json::to_string(&made).unwrap());
            made
        }
    };
    let mut save = |publication: &Publication| {
        *saved = Some(serde_json::to_string(publication)?);
        Ok(())
    };
    let published =
        publish(connection, &mut publication, &machine.syftbox(), peers[..].into(), &mut save)
            .await?;
    match published.problems.into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(()),
    }
}

#[tokio::test]
async fn a_crash_at_any_call_of_a_publication_is_made_good_by_the_next_run() {
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    let session = |drive: &MemoryDrive| -> Box<Memory> { Box::new(drive.session(&email(OWNER))) };

    let drive = MemoryDrive::new();
    let script = Script::default();
    process(&machine, &Faulty::with_script(session(&drive), script.clone()), &mut None)
        .await
        .unwrap();
    let (calls, expected) = (script.calls(), end_state(&drive).await);
    assert_eq!((calls, expected.len()), (7, 1), "ids, folder, four files, one call for readers");

    for crash in [Crash::Before, Crash::After, Crash::Half] {
        for at in 0..calls {
            let drive = MemoryDrive::new();
            let mut saved = None;
            let faulty = Faulty::new(session(&drive));
            faulty.script().crash_at(at, crash);
            process(&machine, &faulty, &mut saved).await.unwrap_err();
            if at < calls - 1 {
                let reader = drive.session(&email(READER));
                let seen = collections(&reader, Ownership::NotMine).await;
                assert!(seen.is_empty(), "nobody sees half of it");
            }
            process(&machine, &*session(&drive), &mut saved).await.unwrap();
            assert_eq!(end_state(&drive).await, expected, "{crash:?} at call {at}");
            let again = Faulty::new(session(&drive));
            process(&machine, &again, &mut saved).await.unwrap();
            assert_eq!(again.script().calls(), 0, "what is done is not done again");
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_call_of_a_fetch_is_made_good_by_the_next_run() {
    let drive = MemoryDrive::new();
    let owner = drive.session(&email(OWNER));
    let near = Machine::new();
    near.create(&near.usual("census", Audience::Any)).unwrap();
    publish_all(&near, &owner, "census", Half::Public, Audience::Any, &[email(READER)]).await;
    let reader = drive.session(&email(READER));
    let visible = collections(&reader, Ownership::NotMine).await;
    let wanted = plan(&visible, &[email(OWNER)], &[], &Limits::default()).fetch.remove(0);
    for crash in [Crash::Before, Crash::After] {
        for at in 0..5 {
            let far = Machine::new();
            let faulty = Faulty::new(Box::new(drive.session(&email(READER))));
            faulty.script().crash_at(at, crash);
            let result = fetch_one(&far, &faulty, &wanted).await;
            assert!(result.is_err(), "{crash:?} at call {at}");
            assert!(names(&far.syftbox()).is_empty(), "{crash:?} at call {at}");
            let (_, _, errors) = pull(&far, &reader, &mut Vec::new()).await;
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(names(&far.half("census", Half::Public)).len(), 4);
        }
    }
}

#[tokio::test]
async fn readers_that_could_not_be_added_are_named_and_added_the_next_time() {
    let drive = MemoryDrive::new();
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    let faulty = Faulty::new(Box::new(drive.session(&email(OWNER))));
    let script = faulty.script();
    script.when(1, Fault::rest(unavailable), |call| call.method == "share");
    let mut saved = None;
    process(&machine, &faulty, &mut saved).await.unwrap_err();
    let publication: Publication = serde_json::from_str(saved.as_deref().unwrap()).unwrap();
    assert_eq!(publication.shared_with, [email(READER)]);
    let before = script.calls();
    process(&machine, &faulty, &mut saved).await.unwrap();
    assert_eq!(script.calls() - before, 1, "only those who lack it are shared with");
    assert_eq!(end_state(&drive).await[0].2.len(), 3);
}

/// Publishes other content in the place of `old`, for two readers of whom the first chooses.
async fn replace_old(
    machine: &Machine,
    connection: &dyn Connection,
    old: &Publication,
    readers: [&Email; 2],
) -> Result<(), Error> {
    let draft = draft(&machine.syftbox(), &email(OWNER), &name("census"), Half::Public)?;
    let mut new = prepare(connection, draft, connection.root(), Audience::Any).await?;
    new.replaces = vec![old.folder.clone()];
    let approved = readers.map(Email::clone);
    let readers = Readers { approved: &approved, choosing: &approved[..1] };
    publish(connection, &mut new, &machine.syftbox(), readers, &mut no_save).await?;
    assert!(new.is_settled());
    Ok(())
}

#[tokio::test]
async fn who_chooses_the_newer_is_never_without_and_who_cannot_never_sees_two() {
    let (chooser, layer) = (email(READER), email("python@example.com"));
    let mut seen = BTreeSet::new();
    let mut calls = usize::MAX;
    let mut at = 0;
    while at <= calls {
        let (drive, machine) = (MemoryDrive::new(), Machine::new());
        let owner = drive.session(&email(OWNER));
        let readers = [chooser.clone(), layer.clone()];
        machine.create(&machine.usual("census", Audience::Any)).unwrap();
        let old =
            publish_all(&machine, &owner, "census", Half::Public, Audience::Any, &readers).await;
        delete(&machine.syftbox(), &email(OWNER), &name("census")).unwrap();
        let mut new = machine.usual("census", Audience::Any);
        new.summary = Some("new".into());
        machine.create(&new).unwrap();
        let faulty = Faulty::new(Box::new(drive.session(&email(OWNER))));
        faulty.script().crash_at(at, Crash::Before);
        let done = replace_old(&machine, &faulty, &old, [&chooser, &layer]).await;
        if done.is_ok() {
            calls = at;
        }
        let visible =
            async |who: &Email| collections(&drive.session(who), Ownership::NotMine).await.len();
        let counts = (visible(&chooser).await, visible(&layer).await);
        assert!((1..=2).contains(&counts.0), "call {at}: {counts:?}");
        assert!(counts.1 <= 1, "call {at}: {counts:?}");
        seen.insert(counts);
        at += 1;
    }
    assert_eq!(seen, BTreeSet::from([(1, 0), (1, 1), (2, 1)]));
}
