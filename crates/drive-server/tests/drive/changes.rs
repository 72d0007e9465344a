//! The change feed: each account hears of what concerns it, and of nothing else.

use serde_json::{Value, json};

use crate::world::{Api, World};

/// Returns `name` or `-id` (removed) of each change since a token, and the next token.
async fn heard(api: &Api, token: &mut String) -> Vec<String> {
    let (changes, next) = api.changes(token, 100).await;
    *token = next;
    let tell = |change: &Value| match change["removed"].as_bool().unwrap() {
        true => format!("-{}", change["fileId"].as_str().unwrap()),
        false => change["file"]["name"].as_str().unwrap().to_owned(),
    };
    changes.iter().map(tell).collect()
}

#[tokio::test]
async fn each_change_is_told_to_those_whom_it_concerns() {
    let world = World::new().await;
    let (ann, bob, eve) = (&world.ann, &world.bob, &world.eve);
    let mut a = ann.start_token().await;
    let mut b = a.clone();
    let mut e = a.clone();
    let folder = ann.folder("folder", None).await;
    let file = ann.upload("file", &folder, b"1").await;
    assert_eq!(heard(ann, &mut a).await, ["folder", "file"]);
    assert_eq!(heard(bob, &mut b).await, [""; 0]);

    let id = ann.share(&folder, "bob@example.org", "reader").await.ok()["id"].clone();
    let mut both = heard(bob, &mut b).await;
    both.sort();
    assert_eq!(both, ["file", "folder"], "what lies in a folder comes with it");
    assert_eq!(heard(ann, &mut a).await, ["folder"]);

    let target = format!("/upload/drive/v3/files/{file}?uploadType=media");
    ann.send("PATCH", &target, &[], "2").await.ok();
    ann.json("PATCH", &format!("/drive/v3/files/{file}"), json!({"name": "new"})).await.ok();
    for (api, token) in [(ann, &mut a), (bob, &mut b)] {
        assert_eq!(heard(api, token).await, ["new"], "once, as it is now");
    }
    let elsewhere = ann.folder("elsewhere", None).await;
    let moved = format!("/drive/v3/files/{file}?addParents={elsewhere}&removeParents={folder}");
    ann.send("PATCH", &moved, &[], "").await.ok();
    assert_eq!(heard(ann, &mut a).await, ["elsewhere", "new"]);
    assert_eq!(heard(bob, &mut b).await, [format!("-{file}")], "out of reach");

    ann.json("PATCH", &format!("/drive/v3/files/{folder}"), json!({"trashed": true})).await.ok();
    assert_eq!(heard(bob, &mut b).await, ["folder"]);
    let permission = format!("/drive/v3/files/{folder}/permissions/{}", id.as_str().unwrap());
    ann.delete(&permission).await.ok();
    assert_eq!(heard(bob, &mut b).await, [format!("-{folder}")]);
    ann.delete(&format!("/drive/v3/files/{elsewhere}")).await.ok();
    let mut gone = heard(ann, &mut a).await;
    gone.sort();
    let mut wanted = [format!("-{elsewhere}"), format!("-{file}"), "folder".to_owned()];
    wanted.sort();
    assert_eq!(gone, wanted);
    assert_eq!(heard(eve, &mut e).await, [""; 0], "a stranger hears of nothing");
    assert_eq!(a, ann.start_token().await);
}

#[tokio::test]
async fn the_feed_comes_in_pages_and_starts_anywhere() {
    let world = World::new().await;
    let start = world.ann.start_token().await;
    for at in 0..7 {
        world.ann.create(json!({"name": at.to_string()})).await;
        world.bob.create(json!({"name": "not hers"})).await;
    }
    for size in [1, 2, 7, 100] {
        let (changes, next) = world.ann.changes(&start, size).await;
        let names: Vec<&str> =
            changes.iter().map(|change| change["file"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6"], "{size}");
        assert!(world.ann.changes(&next, size).await.0.is_empty());
    }
    let fields = "fields=newStartPageToken,changes(file(name),removed)&pageSize=1000";
    let target = format!("/drive/v3/changes?pageToken={start}&{fields}");
    let page = world.ann.get(&target).await.ok();
    assert_eq!(page["changes"][0], json!({"removed": false, "file": {"name": "0"}}));
    for bad in ["0", "-1", "x", "", "99999999"] {
        let answer = world.ann.get(&format!("/drive/v3/changes?pageToken={bad}")).await;
        assert_eq!(answer.outcome(), "400 invalid", "{bad}");
    }
    assert_eq!(world.ann.get("/drive/v3/changes").await.outcome(), "400 invalid");
}
