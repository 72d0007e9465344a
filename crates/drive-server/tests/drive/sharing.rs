//! What accounts see of each other's files, and what they may do to them.

use serde_json::{Value, json};

use crate::world::{Api, World, query};

/// Everything that one may try on a file: name and outcome of each attempt. The destructive ones
/// come last, and are tried by those who may not first.
async fn attempts(who: &Api, file: &str, own_folder: &str) -> Vec<(&'static str, String)> {
    let path = format!("/drive/v3/files/{file}");
    let upload = format!("/upload{path}?uploadType=media");
    let permission = json!({"type": "user", "role": "reader", "emailAddress": "x@example.org"});
    let moved = query(&[("addParents", own_folder), ("removeParents", "nothing")]);
    vec![
        ("get", who.get(&path).await.outcome()),
        ("download", who.download(file).await.outcome()),
        ("copy", who.json("POST", &format!("{path}/copy"), json!({})).await.outcome()),
        ("rename", who.json("PATCH", &path, json!({"name": "file"})).await.outcome()),
        ("write", who.send("PATCH", &upload, &[], "new").await.outcome()),
        ("permissions", who.get(&format!("{path}/permissions")).await.outcome()),
        ("share", who.json("POST", &format!("{path}/permissions"), permission).await.outcome()),
        ("move", who.send("PATCH", &format!("{path}?{moved}"), &[], "").await.outcome()),
        ("trash", who.json("PATCH", &path, json!({"trashed": false})).await.outcome()),
        ("delete", who.delete(&path).await.outcome()),
    ]
}

#[tokio::test]
async fn each_role_may_do_what_it_may_and_no_more() {
    #[rustfmt::skip]
    let table = [
        // role        get    download  copy   change  permissions  move                    trash, delete
        (None,         "404", "404",    "404", "404",  "404",       "404",                  "404"),
        (Some("reader"), "200", "200",  "200", "403",  "403",       "403",                  "403"),
        (Some("commenter"), "200", "200", "200", "403", "403",      "403",                  "403"),
        (Some("writer"), "200", "200",  "200", "200",  "200",       "403 cannotAddParent",  "403"),
    ];
    for by_folder in [false, true] {
        for (role, get, download, copy, change, permissions, moved, delete) in table {
            let world = World::new().await;
            let folder = world.ann.folder("folder", None).await;
            let file = world.ann.upload("file", &folder, b"old").await;
            let own = world.bob.folder("bobs", None).await;
            if let Some(role) = role {
                let shared = if by_folder { &folder } else { &file };
                world.ann.share(shared, "bob@example.org", role).await.ok();
            }
            let wanted = |what| match what {
                "get" => get,
                "download" => download,
                "copy" => copy,
                "rename" | "write" => change,
                "permissions" | "share" => permissions,
                "move" => moved,
                _ => delete,
            };
            for (what, outcome) in attempts(&world.bob, &file, &own).await {
                let full = match wanted(what) {
                    "404" => "404 notFound",
                    "403" => "403 insufficientFilePermissions",
                    other => other,
                };
                assert_eq!(outcome, full, "{role:?} by folder {by_folder}: {what}");
            }
            for (what, outcome) in attempts(&world.eve, &file, "root").await {
                assert_eq!(outcome, "404 notFound", "a stranger: {what}");
            }
        }
    }
}

#[tokio::test]
async fn the_owner_may_do_everything() {
    let world = World::new().await;
    let folder = world.ann.folder("folder", None).await;
    let file = world.ann.upload("file", &folder, b"old").await;
    for (what, outcome) in attempts(&world.ann, &file, &folder).await {
        let wanted = if what == "delete" { "204" } else { "200" };
        assert_eq!(outcome, wanted, "{what}");
    }
}

#[tokio::test]
async fn what_lies_in_a_shared_folder_is_listed_and_belongs_to_its_creator() {
    let world = World::new().await;
    let inbox = world.ann.folder("inbox", None).await;
    let deep = world.ann.folder("deep", Some(&inbox)).await;
    world.ann.share(&inbox, "BOB@example.org", "writer").await.ok();
    let id = world.bob.upload("SYFT_version.json", &deep, b"{}").await;
    for q in [
        format!("'{deep}' in parents"),
        "name='SYFT_version.json' and trashed=false and 'bob@example.org' in owners".to_owned(),
    ] {
        for api in [&world.ann, &world.bob] {
            assert_eq!(api.names(&q).await.unwrap(), ["SYFT_version.json"], "{q}");
        }
        assert!(world.eve.names(&q).await.unwrap_or_default().is_empty());
    }
    assert_eq!(
        world.eve.names(&format!("'{inbox}' in parents")).await.unwrap_err(),
        "404 notFound"
    );
    let target =
        format!("/drive/v3/files/{id}?fields=owners(emailAddress),ownedByMe,parents,shared");
    let seen = world.ann.get(&target).await.ok();
    assert_eq!(seen["owners"][0]["emailAddress"], "bob@example.org");
    assert_eq!((&seen["ownedByMe"], &seen["shared"]), (&json!(false), &json!(true)));
    assert_eq!(seen["parents"], json!([deep]));
    // the folder's owner may write to it, but it is not hers to delete
    let answer = world.ann.delete(&format!("/drive/v3/files/{id}")).await;
    assert_eq!(answer.outcome(), "403 insufficientFilePermissions");
    let create = async |api: &Api, parent: &str| {
        api.json("POST", "/drive/v3/files", json!({"name": "n", "parents": [parent]}))
            .await
            .outcome()
    };
    assert_eq!(create(&world.eve, &inbox).await, "404 notFound");
    world.ann.share(&inbox, "eve@example.org", "reader").await.ok();
    assert_eq!(create(&world.eve, &inbox).await, "403 insufficientFilePermissions");
    let meta = json!({"name": "n", "parents": [inbox]});
    let upload = world.eve.multipart("POST", "/upload/drive/v3/files", &meta, b"x").await;
    assert_eq!(upload.outcome(), "403 insufficientFilePermissions");
    let open = "/upload/drive/v3/files?uploadType=resumable";
    let open = world.eve.json("POST", open, meta).await;
    assert_eq!(open.outcome(), "403 insufficientFilePermissions");
}

#[tokio::test]
async fn a_writer_moves_a_message_that_is_not_his_into_his_archive() {
    let world = World::new().await;
    let inbox = world.bob.folder("inbox", None).await;
    world.bob.share(&inbox, "ann@example.org", "writer").await.ok();
    let message = world.bob.upload("msg", &inbox, b"m").await;
    let archive = world.ann.folder("archive", None).await;
    let query = query(&[
        ("addParents", archive.as_str()),
        ("removeParents", inbox.as_str()),
        ("fields", "id, parents"),
        ("supportsAllDrives", "true"),
    ]);
    let moved =
        world.ann.send("PATCH", &format!("/drive/v3/files/{message}?{query}"), &[], "").await.ok();
    assert_eq!(moved, json!({"id": message, "parents": [archive]}));
    assert!(world.bob.names(&format!("'{inbox}' in parents")).await.unwrap().is_empty());
    assert_eq!(world.ann.names(&format!("'{archive}' in parents")).await.unwrap(), ["msg"]);
    assert_eq!(world.ann.download(&message).await.body, "m", "the archive gives access");
    let target = format!("/drive/v3/files/{message}?fields=owners(emailAddress),parents");
    let seen = world.bob.get(&target).await.ok();
    assert_eq!(seen["owners"][0]["emailAddress"], "bob@example.org");
    assert_eq!(seen["parents"], Value::Null, "he does not see the folder");
    let answer = world.bob.names(&format!("'{archive}' in parents")).await;
    assert_eq!(answer.unwrap_err(), "404 notFound");
    // a writer of the file alone may not take it out of a folder that he may not write to
    world.ann.share(&message, "eve@example.org", "writer").await.ok();
    let take = format!("/drive/v3/files/{message}?addParents=root&removeParents={archive}");
    let answer = world.eve.send("PATCH", &take, &[], "").await;
    assert_eq!(answer.outcome(), "403 insufficientFilePermissions");
}

#[tokio::test]
async fn permissions_are_listed_changed_and_taken_away() {
    let world = World::new().await;
    let folder = world.ann.folder("folder", None).await;
    let file = world.ann.upload("file", &folder, b"x").await;
    let made = world.ann.share(&folder, "bob@example.org", "writer").await.ok();
    let again = world.ann.share(&folder, "bob@example.org", "reader").await.ok();
    assert_eq!(again["role"], "writer", "a better permission is kept");
    let bob = made["id"].as_str().unwrap();
    let on = |file: &str, id: &str| format!("/drive/v3/files/{file}/permissions/{id}?fields=*");
    let list = async |file: &str| {
        let fields = query(&[("fields", "permissions(emailAddress, role)")]);
        let target = format!("/drive/v3/files/{file}/permissions?{fields}");
        world.ann.get(&target).await.ok()["permissions"].clone()
    };
    let ann = json!({"role": "owner", "emailAddress": "ann@example.org"});
    let writer = json!({"role": "writer", "emailAddress": "bob@example.org"});
    assert_eq!(list(&folder).await, json!([ann, writer]));
    assert_eq!(list(&file).await, json!([ann, writer]), "inherited");
    let refused = world.ann.delete(&on(&file, bob)).await.outcome();
    assert_eq!(refused, "403 cannotModifyInheritedPermission");
    let got = world.ann.json("PATCH", &on(&folder, bob), json!({"role": "reader"})).await.ok();
    assert_eq!((&got["role"], &got["emailAddress"]), (&json!("reader"), &json!("bob@example.org")));
    let write = format!("/upload/drive/v3/files/{file}?uploadType=media");
    let answer = world.bob.send("PATCH", &write, &[], "y").await.outcome();
    assert_eq!(answer, "403 insufficientFilePermissions", "at once");
    assert_eq!(world.bob.download(&file).await.outcome(), "200");
    // he may look at his own permission and give it up
    assert_eq!(world.bob.get(&on(&folder, bob)).await.ok()["role"], "reader");
    assert_eq!(world.bob.delete(&on(&folder, bob)).await.outcome(), "204");
    assert_eq!(world.bob.download(&file).await.outcome(), "404 notFound");
    assert_eq!(world.ann.delete(&on(&folder, bob)).await.outcome(), "404 notFound");
    let own = world.ann.get(&format!("/drive/v3/files/{file}?fields=permissionIds")).await.ok();
    let own = own["permissionIds"][0].as_str().unwrap();
    let refused = world.ann.delete(&on(&file, own)).await.outcome();
    assert_eq!(refused, "403 insufficientFilePermissions", "the owner's stays");
    let body = json!({"type": "user", "role": "reader", "emailAddress": "not an address"});
    let target = format!("/drive/v3/files/{file}/permissions");
    assert_eq!(world.ann.json("POST", &target, body).await.outcome(), "400 invalidSharingRequest");
    for bad in [
        json!({"type": "user"}),
        json!({"role": "reader"}),
        json!({"type": "domain", "role": "reader"}),
        json!({"type": "user", "role": "organizer", "emailAddress": "bob@example.org"}),
    ] {
        assert_eq!(world.ann.json("POST", &target, bad).await.outcome(), "400 invalid");
    }
}

#[tokio::test]
async fn anyone_with_the_link_opens_a_file_but_does_not_find_it() {
    let world = World::new().await;
    let file = world.ann.upload("open", "root", b"x").await;
    let body = json!({"type": "anyone", "role": "reader"});
    let target = format!("/drive/v3/files/{file}/permissions");
    let made = world.ann.json("POST", &target, body).await.ok();
    assert_eq!(made["id"], "anyoneWithLink");
    assert_eq!(world.bob.download(&file).await.body, "x");
    assert!(world.bob.names("name='open'").await.unwrap().is_empty());
    assert_eq!(world.nobody().download(&file).await.outcome(), "401 authError");
    world.ann.delete(&format!("{target}/anyoneWithLink")).await.ok();
    assert_eq!(world.bob.download(&file).await.outcome(), "404 notFound");
}

#[tokio::test]
async fn a_file_is_handed_over_only_when_asked_for_by_its_owner() {
    let world = World::new().await;
    let file = world.ann.upload("file", "root", b"x").await;
    world.ann.share(&file, "bob@example.org", "writer").await.ok();
    let owner = async |api: &Api, email: &str, query: &str| {
        let body = json!({"type": "user", "role": "owner", "emailAddress": email});
        let target = format!("/drive/v3/files/{file}/permissions{query}");
        api.json("POST", &target, body).await.outcome()
    };
    assert_eq!(owner(&world.ann, "bob@example.org", "").await, "403 forbidden");
    let yes = "?transferOwnership=true";
    let denied = "403 insufficientFilePermissions";
    assert_eq!(owner(&world.bob, "bob@example.org", yes).await, denied);
    assert_eq!(owner(&world.ann, "nobody@example.org", yes).await, denied);
    assert_eq!(owner(&world.ann, "bob@example.org", yes).await, "200");
    assert_eq!(world.ann.delete(&format!("/drive/v3/files/{file}")).await.outcome(), denied);
    assert_eq!(world.ann.names("not 'me' in owners").await.unwrap(), ["file"]);
    assert_eq!(world.bob.delete(&format!("/drive/v3/files/{file}")).await.outcome(), "204");
}
