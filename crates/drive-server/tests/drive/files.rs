//! Files without content: create, get, change, copy, trash, delete, ids, masks.

use serde_json::json;

use crate::world::{FOLDER, World, query};

#[tokio::test]
async fn about_tells_who_one_is() {
    let world = World::new().await;
    let about = world.ann.get("/drive/v3/about?fields=user(emailAddress)&alt=json").await.ok();
    assert_eq!(about, json!({"user": {"emailAddress": "ann@example.org"}}));
    world.ann.upload("a", "root", b"12345").await;
    let about = world.ann.get("/drive/v3/about?fields=storageQuota").await.ok();
    assert_eq!(about["storageQuota"]["usage"], "5");
    assert_eq!(world.ann.get("/drive/v3/about").await.outcome(), "400 required");
}

#[tokio::test]
async fn a_wrong_or_missing_token_is_401() {
    let world = World::new().await;
    let mut stranger = world.nobody();
    let answer = stranger.get("/drive/v3/files?").await;
    assert_eq!(answer.outcome(), "401 authError");
    assert!(answer.header("www-authenticate").contains("invalid_token"));
    assert_eq!(answer.json()["error"]["errors"][0]["location"], "Authorization");
    stranger.token = Some("made-up-token".to_owned());
    for target in ["/drive/v3/files", "/drive/v3/about?fields=*", "/drive/v3/changes?pageToken=1"] {
        assert_eq!(stranger.get(target).await.outcome(), "401 authError", "{target}");
    }
    let meta = json!({"name": "x"});
    let answer = stranger.multipart("POST", "/upload/drive/v3/files", &meta, b"x").await;
    assert_eq!(answer.outcome(), "401 authError");
}

#[tokio::test]
async fn a_file_is_created_with_defaults_and_told_in_full() {
    let world = World::new().await;
    let root = world.ann.get("/drive/v3/files/root?fields=id,name").await.ok();
    assert_eq!(root["name"], "My Drive");
    let body = json!({"name": "é 中's.txt", "createdTime": "2020-01-02T03:04:05.678Z"});
    let made = world.ann.json("POST", "/drive/v3/files", body).await.ok();
    let keys: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["kind", "id", "name", "mimeType"]);
    let id = made["id"].as_str().unwrap();
    let file = world.ann.get(&format!("/drive/v3/files/{id}?fields=*")).await.ok();
    assert_eq!(file["parents"], json!([root["id"]]));
    assert_eq!(file["createdTime"], "2020-01-02T03:04:05.678Z");
    assert_eq!(file["owners"][0]["emailAddress"], "ann@example.org");
    assert_eq!(file["owners"][0]["me"], true);
    assert_eq!(file["size"], "0");
    assert_eq!(file["md5Checksum"], "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(file["capabilities"]["canDelete"], true);
    assert_eq!(file["shared"], false);
    assert_eq!(file["trashed"], false);
    assert_eq!(world.ann.download(id).await.body, "");
    let folder = world.ann.folder("f", None).await;
    let folder = world.ann.get(&format!("/drive/v3/files/{folder}?fields=size,mimeType")).await;
    assert_eq!(folder.ok(), json!({"mimeType": FOLDER}));
}

#[tokio::test]
async fn ids_can_be_made_beforehand_and_are_good_once() {
    let world = World::new().await;
    let made = world.ann.get("/drive/v3/files/generateIds?count=3").await.ok();
    let ids = made["ids"].as_array().unwrap();
    assert_eq!(ids.len(), 3);
    let create = async |id: &str| {
        world.ann.json("POST", "/drive/v3/files", json!({"id": id, "name": "n"})).await
    };
    let id = ids[0].as_str().unwrap();
    assert_eq!(create(id).await.ok()["id"], *id);
    assert_eq!(create(id).await.outcome(), "409 fileIdInUse");
    let (kind, body) = crate::world::multipart(&json!({"id": id, "name": "n"}), b"other");
    let target = "/upload/drive/v3/files?uploadType=multipart";
    let answer = world.ann.send("POST", target, &[("content-type", &kind)], body).await;
    assert_eq!(answer.outcome(), "409 fileIdInUse");
    world.ann.delete(&format!("/drive/v3/files/{id}")).await.ok();
    assert_eq!(create(id).await.outcome(), "409 fileIdInUse", "also after it is deleted");
    for odd in ["", "../../x", "a/b", "1234567890", "root"] {
        assert_eq!(create(odd).await.outcome(), "400 invalid", "{odd}");
    }
    let all = world.ann.names("name='n'").await.unwrap();
    assert!(all.is_empty(), "{all:?}");
}

#[tokio::test]
async fn metadata_changes_one_field_at_a_time_and_null_deletes_a_property() {
    let world = World::new().await;
    let id = world.ann.create(json!({"name": "a", "appProperties": {"k": "1", "l": "2"}})).await;
    let target = format!("/drive/v3/files/{id}?fields=name,appProperties,modifiedTime,version");
    let patch = async |body| world.ann.json("PATCH", &target, body).await.ok();
    let got = patch(json!({"appProperties": {"k": null, "m": "3"}})).await;
    assert_eq!(got["appProperties"], json!({"l": "2", "m": "3"}));
    let got = patch(json!({"name": "b", "modifiedTime": "2021-01-01T00:00:00Z"})).await;
    assert_eq!(
        (&got["name"], &got["modifiedTime"]),
        (&json!("b"), &json!("2021-01-01T00:00:00.000Z"))
    );
    let before = got["version"].as_str().unwrap().parse::<u64>().unwrap();
    let got = world.ann.send("PATCH", &target, &[], "").await.ok();
    assert_eq!(got["modifiedTime"], "2021-01-01T00:00:00.000Z", "nothing said, nothing changed");
    assert!(got["version"].as_str().unwrap().parse::<u64>().unwrap() > before);
    let refused = world.ann.json("PATCH", &target, json!({"parents": ["root"]})).await;
    assert_eq!(refused.outcome(), "403 fieldNotWritable");
    let has = "appProperties has {key='m' and value='3'}";
    assert_eq!(world.ann.names(has).await.unwrap(), ["b"]);
}

#[tokio::test]
async fn a_move_keeps_one_parent_and_no_circles() {
    let world = World::new().await;
    let (a, b) = (world.ann.folder("a", None).await, world.ann.folder("b", None).await);
    let inner = world.ann.folder("inner", Some(&a)).await;
    let file = world.ann.upload("f", &a, b"x").await;
    let to = async |id: &str, add: &str, remove: &str| {
        let query = query(&[("addParents", add), ("removeParents", remove), ("fields", "parents")]);
        world.ann.send("PATCH", &format!("/drive/v3/files/{id}?{query}"), &[], "").await
    };
    assert_eq!(to(&file, &b, "").await.outcome(), "403 cannotAddParent");
    assert_eq!(to(&file, &b, &a).await.ok(), json!({"parents": [b]}));
    assert_eq!(to(&file, &b, &a).await.ok(), json!({"parents": [b]}), "again");
    assert_eq!(to(&a, &inner, "root").await.outcome(), "403 cannotAddParent");
    assert_eq!(to(&a, &a, "root").await.outcome(), "403 cannotAddParent");
    assert_eq!(to(&inner, &file, &a).await.outcome(), "403 parentNotAFolder");
    assert_eq!(to(&file, "nowhere", &b).await.outcome(), "404 notFound");
    let root = world.ann.get("/drive/v3/files/root?fields=id").await.ok();
    assert_eq!(to(&file, "root", &b).await.ok(), json!({"parents": [root["id"]]}));
    assert_eq!(to("root", &b, "").await.outcome(), "403 insufficientFilePermissions");
}

#[tokio::test]
async fn folders_nest_a_hundred_deep_at_most() {
    let world = World::new().await;
    let mut parent = "root".to_owned();
    for depth in 1..=99 {
        parent = world.ann.folder(&format!("d{depth}"), Some(&parent)).await;
    }
    let body = json!({"name": "f", "parents": [parent]});
    world.ann.json("POST", "/drive/v3/files", body.clone()).await.ok();
    let last = world.ann.folder("d100", Some(&parent)).await;
    let body = json!({"name": "f", "parents": [last]});
    let answer = world.ann.json("POST", "/drive/v3/files", body).await;
    assert_eq!(answer.outcome(), "403 myDriveHierarchyDepthLimitExceeded");
}

#[tokio::test]
async fn a_copy_is_the_callers_with_the_same_content() {
    let world = World::new().await;
    let folder = world.ann.folder("shared", None).await;
    let file = world.ann.upload("f", &folder, b"content").await;
    world.ann.share(&folder, "bob@example.org", "reader").await.ok();
    let target = format!("/drive/v3/files/{file}/copy?fields=id,name,owners,md5Checksum");
    let copy = world.bob.json("POST", &target, json!({})).await.ok();
    assert_eq!(copy["name"], "Copy of f");
    assert_eq!(copy["owners"][0]["emailAddress"], "bob@example.org");
    world.ann.delete(&format!("/drive/v3/files/{file}")).await.ok();
    let id = copy["id"].as_str().unwrap();
    assert_eq!(world.bob.download(id).await.body, "content", "the copy outlives the original");
    world.bob.delete(&format!("/drive/v3/files/{id}")).await.ok();
    let left = std::fs::read_dir(world.data.path().join("content")).unwrap().count();
    assert_eq!(left, 0, "the last file takes the content with it");
}

#[tokio::test]
async fn the_trash_takes_folders_with_their_content_and_gives_them_back() {
    let world = World::new().await;
    let folder = world.ann.folder("folder", None).await;
    let file = world.ann.upload("file", &folder, b"x").await;
    let trash = async |id: &str, trashed: bool| {
        world.ann.json("PATCH", &format!("/drive/v3/files/{id}"), json!({"trashed": trashed})).await
    };
    trash(&folder, true).await.ok();
    let target = format!("/drive/v3/files/{file}?fields=trashed,explicitlyTrashed");
    let got = world.ann.get(&target).await.ok();
    assert_eq!(got, json!({"trashed": true, "explicitlyTrashed": false}));
    assert!(world.ann.names("trashed=false").await.unwrap().is_empty());
    assert_eq!(world.ann.names("trashed=true").await.unwrap(), ["file", "folder"]);
    trash(&folder, false).await.ok();
    assert_eq!(world.ann.names("trashed=false").await.unwrap(), ["file", "folder"]);
    trash(&file, true).await.ok();
    world.ann.delete("/drive/v3/files/trash").await.ok();
    assert_eq!(world.ann.get(&target).await.outcome(), "404 notFound");
    assert_eq!(world.ann.names("").await.unwrap(), ["folder"]);
}

#[tokio::test]
async fn deleting_a_folder_deletes_what_is_ones_own_below_it() {
    let world = World::new().await;
    let folder = world.ann.folder("folder", None).await;
    let inner = world.ann.folder("inner", Some(&folder)).await;
    let mine = world.ann.upload("mine", &inner, b"x").await;
    world.ann.share(&folder, "bob@example.org", "writer").await.ok();
    let his = world.bob.upload("his", &inner, b"y").await;
    let gone = world.ann.delete(&format!("/drive/v3/files/{folder}")).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    for id in [&folder, &inner, &mine] {
        let answer = world.ann.get(&format!("/drive/v3/files/{id}")).await;
        assert_eq!(answer.outcome(), "404 notFound");
        let again = world.ann.delete(&format!("/drive/v3/files/{id}")).await;
        assert_eq!(again.outcome(), "404 notFound");
    }
    let left = world.bob.get(&format!("/drive/v3/files/{his}?fields=parents,name")).await.ok();
    assert_eq!(left, json!({"name": "his"}), "it stays his, without a parent");
    assert_eq!(world.bob.download(&his).await.body, "y");
    let answer = world.ann.get(&format!("/drive/v3/files/{his}")).await;
    assert_eq!(answer.outcome(), "404 notFound", "what was reached by the folder is out of reach");
    assert_eq!(
        world.ann.delete("/drive/v3/files/root").await.outcome(),
        "403 insufficientFilePermissions"
    );
}

#[tokio::test]
async fn a_misspelt_field_is_refused() {
    let world = World::new().await;
    #[rustfmt::skip]
    let cases = [
        ("files/root?fields=id,nmae",                "400 invalidParameter"),
        ("files?fields=files(id,owner)",             "400 invalidParameter"),
        ("changes?pageToken=1&fields=changes(file(x))", "400 invalidParameter"),
        ("files/root?fields=exportLinks,resourceKey,shortcutDetails", "200"),
        ("files?fields=*",                           "200"),
    ];
    for (target, outcome) in cases {
        let answer = world.ann.get(&format!("/drive/v3/{target}")).await;
        assert_eq!(answer.outcome(), outcome, "{target}");
    }
}

#[tokio::test]
async fn a_long_query_may_come_as_a_form() {
    let world = World::new().await;
    world.ann.create(json!({"name": "wanted"})).await;
    let form = query(&[("q", "name = 'wanted'"), ("fields", "files(name)")]);
    let headers =
        [("x-http-method-override", "GET"), ("content-type", "application/x-www-form-urlencoded")];
    let got = world.ann.send("POST", "/drive/v3/files", &headers, form).await.ok();
    assert_eq!(got, json!({"files": [{"name": "wanted"}]}));
}
