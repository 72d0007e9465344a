//! Thousands of files: lists stay quick, sharing reaches all of them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{FOLDER, World, query};

/// Generous, for a busy machine and a build without optimisation: a walk over all files for each
/// file would take minutes.
const QUICK: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_folder_with_thousands_of_files_is_listed_and_shared_quickly() {
    let world = World::new().await;
    let folder = world.ann.folder("many", None).await;
    let first = world.ann.upload("msg_0000", &folder, b"x").await;
    for at in 1..2000 {
        let body = json!({"name": format!("msg_{at:04}"), "parents": [folder]});
        let target = format!("/drive/v3/files/{first}/copy");
        world.ann.json("POST", &target, body).await.ok();
    }
    let started = Instant::now();
    world.ann.share(&folder, "bob@example.org", "reader").await.ok();
    let (changes, _) = world.bob.changes("1", 1000).await;
    assert_eq!(changes.len(), 2001);
    assert!(started.elapsed() < 3 * QUICK, "sharing took {:?}", started.elapsed());
    for q in [
        format!("'{folder}' in parents and trashed=false"),
        "name='msg_1999' and trashed=false and 'ann@example.org' in owners".to_owned(),
        "name contains 'msg_1999' and not 'me' in owners and trashed=false".to_owned(),
        format!("name contains 'many' and mimeType='{FOLDER}' and trashed=false"),
        "sharedWithMe".to_owned(),
    ] {
        let pairs =
            [("q", q.as_str()), ("orderBy", "name desc"), ("fields", "files(id,name,size)")];
        let started = Instant::now();
        let answer = world.bob.get(&format!("/drive/v3/files?{}", query(&pairs))).await.ok();
        assert!(started.elapsed() < QUICK, "{q} took {:?}", started.elapsed());
        assert!(!answer["files"].as_array().unwrap().is_empty(), "{q}");
    }
    let names = world.bob.names(&format!("'{folder}' in parents")).await.unwrap();
    assert_eq!(names.len(), 1000, "one page of the largest size");
}
