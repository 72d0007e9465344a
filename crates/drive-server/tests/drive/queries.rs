//! `files.list`: the query language, order, pages.

use serde_json::{Value, json};

use crate::world::{Api, FOLDER, World, query};

#[tokio::test]
async fn the_query_language_finds_what_drive_finds() {
    let world = World::new().await;
    let (ann, bob) = (&world.ann, &world.bob);
    let folder =
        ann.folder("syft_datasite#0.1.117#ann@example.org#inbox#bob@example.org", None).await;
    ann.share(&folder, "bob@example.org", "writer").await.ok();
    bob.create(json!({"name": "msgv2_1.tar.gz", "parents": [folder]})).await;
    ann.create(json!({"name": "it's a \\ name", "mimeType": "text/plain", "parents": [folder],
        "createdTime": "2020-06-01T00:00:00Z", "modifiedTime": "2020-06-01T00:00:00Z"}))
        .await;
    ann.create(json!({"name": "incremental_checkpoint_7", "appProperties": {"k": "v'"}})).await;
    let gone = ann.create(json!({"name": "gone"})).await;
    ann.json("PATCH", &format!("/drive/v3/files/{gone}"), json!({"trashed": true})).await.ok();
    let site = "syft_datasite#0.1.117#ann@example.org#inbox#bob@example.org";
    let in_folder = |rest: &str| format!("'{folder}' in parents{rest}");
    let (msg, its, inc) = ("msgv2_1.tar.gz", "it's a \\ name", "incremental_checkpoint_7");
    #[rustfmt::skip]
    let cases: Vec<(String, Vec<&str>)> = vec![
        // by name
        ("name = 'gone'".into(),                                    vec!["gone"]),
        ("name='GONE'".into(),                                      vec![]),
        (r"name='it\'s a \\ name'".into(),                          vec![its]),
        ("name != 'gone' and not name contains 'syft'".into(),      vec![inc, its, msg]),
        // by token prefix
        ("name contains 'syft_datasite#'".into(),                   vec![site]),
        ("name contains 'SYFT_DATA'".into(),                        vec![site]),
        ("name contains 'datasite#0.1'".into(),                     vec![site]),
        ("name contains 'site'".into(),                             vec![]),
        ("name contains '#ann@example.org#inbox#bob@ex'".into(),    vec![site]),
        ("name contains 'ann@example.org#outbox'".into(),           vec![]),
        ("name contains 'checkpoint'".into(),                       vec![inc]),
        ("name contains 'incremental_checkpoint'".into(),           vec![inc]),
        ("name contains 'check point'".into(),                      vec![]),
        ("name contains '\\\\'".into(),                             vec![its]),
        ("fullText contains 'msgv2'".into(),                        vec![msg]),
        // by type
        (format!("mimeType='{FOLDER}'"),                            vec![site]),
        (format!("mimeType != '{FOLDER}' and trashed = false"),     vec![inc, its, msg]),
        ("mimeType contains 'text/'".into(),                        vec![its]),
        // by folder, owner, reader
        (in_folder(""),                                             vec![its, msg]),
        (in_folder(" and 'bob@example.org' in owners"),             vec![msg]),
        (in_folder(" and 'Bob@Example.org' in owners"),             vec![msg]),
        (in_folder(" and 'me' in owners "),                         vec![its]),
        (in_folder(" and  not 'me' in owners"),                     vec![msg]),
        ("'root' in parents and trashed=false".into(),              vec![inc, site]),
        ("not 'root' in parents".into(),                            vec![its, msg]),
        ("'bob@example.org' in readers".into(),                     vec![its, msg, site]),
        ("'bob@example.org' in writers and 'me' in writers".into(), vec![its, msg, site]),
        ("'eve@example.org' in readers".into(),                     vec![]),
        ("'nobody@example.org' in owners".into(),                   vec![]),
        ("sharedWithMe".into(),                                     vec![]),
        ("not sharedWithMe and trashed".into(),                     vec!["gone"]),
        // by time
        ("modifiedTime < '2021-01-01T00:00:00'".into(),             vec![its]),
        ("createdTime = '2020-06-01T02:00:00+02:00'".into(),        vec![its]),
        ("modifiedTime >= '2020-06-02' and trashed != true and mimeType != 'application/octet-stream'".into(), vec![site]),
        // by property
        (r"appProperties has {key='k' and value='v\''}".into(),     vec![inc]),
        ("appProperties has { key = 'k' and value = 'w' }".into(),  vec![]),
        ("properties has {key='k' and value='v'}".into(),           vec![]),
        // together
        ("trashed=true or name='gone' or name='nothing'".into(),    vec!["gone"]),
        (in_folder(" and (name='x' or (name contains 'msgv2' and not trashed))"), vec![msg]),
        ("starred".into(),                                          vec![]),
        ("visibility = 'limited'".into(),                           vec!["400 invalid"]),
        ("name = 'a".into(),                                        vec!["400 invalid"]),
        ("'nowhere' in parents".into(),                             vec!["404 notFound"]),
        // as Drive: nothing at all if one of several folders is out of reach
        (format!("'{folder}' in parents or 'nowhere' in parents"),  vec![]),
    ];
    for (q, wanted) in cases {
        let mut wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        wanted.sort();
        let got = ann.names(&q).await.unwrap_or_else(|error| vec![error]);
        assert_eq!(got, wanted, "{q}");
    }
    assert_eq!(bob.names("sharedWithMe").await.unwrap(), [site]);
    assert_eq!(bob.names("sharedWithMe = false").await.unwrap(), [its, msg]);
}

#[tokio::test]
async fn order_and_pages_tell_every_file_once() {
    let world = World::new().await;
    let folder = world.ann.folder("f", None).await;
    let mut sizes: Vec<(String, usize)> = Vec::new();
    for (at, name) in ["b", "a", "c", "a", "e", "d", "a"].iter().enumerate() {
        world.ann.upload(name, &folder, &vec![0; at % 3]).await;
        sizes.push(((*name).to_owned(), at % 3));
    }
    world.ann.folder("z", Some(&folder)).await;
    let list = async |order: &str, size: &str| {
        let mut names = Vec::new();
        let mut token = String::new();
        loop {
            let q = format!("'{folder}' in parents and mimeType != '{FOLDER}'");
            let q = if order.contains("folder") { format!("'{folder}' in parents") } else { q };
            let query = query(&[
                ("q", q.as_str()),
                ("orderBy", order),
                ("pageSize", size),
                ("pageToken", token.as_str()),
                ("fields", "files(name, size), nextPageToken"),
            ]);
            let page = world.ann.get(&format!("/drive/v3/files?{query}")).await.ok();
            names.extend(page["files"].as_array().unwrap().iter().map(text));
            match page["nextPageToken"].as_str() {
                Some(next) => token = next.to_owned(),
                None => return names.concat(),
            }
        }
    };
    for size in ["1", "2", "3", "100"] {
        assert_eq!(list("name", size).await, "aaabcde", "{size}");
        assert_eq!(list("name desc", size).await, "edcbaaa", "{size}");
        assert_eq!(list("folder,name desc", size).await, "zedcbaaa", "{size}");
        assert_eq!(list("folder desc, name", size).await, "aaabcdez", "{size}");
        assert_eq!(list("createdTime", size).await.len(), 7, "{size}");
        // sizes 0: b a a; 1: a e; 2: c d
        assert_eq!(list("quotaBytesUsed desc,name desc", size).await, "dceabaa", "{size}");
        assert_eq!(list("", size).await, "adeacab", "newest first, {size}");
    }
}

fn text(file: &Value) -> String {
    file["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_page_goes_on_although_files_come_and_go() {
    let world = World::new().await;
    let folder = world.ann.folder("f", None).await;
    let mut ids = Vec::new();
    for name in ["a", "c", "e", "g"] {
        ids.push(world.ann.upload(name, &folder, b"").await);
    }
    let page = async |token: &str| {
        let q = format!("'{folder}' in parents");
        let query =
            query(&[("q", &q), ("orderBy", "name"), ("pageSize", "2"), ("pageToken", token)]);
        world.ann.get(&format!("/drive/v3/files?{query}")).await.ok()
    };
    let first = page("").await;
    world.ann.delete(&format!("/drive/v3/files/{}", ids[1])).await.ok();
    world.ann.upload("b", &folder, b"").await;
    let second = page(first["nextPageToken"].as_str().unwrap()).await;
    let names: Vec<String> = second["files"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(names, ["e", "g"]);
}

#[tokio::test]
async fn a_page_token_belongs_to_its_query_and_account() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.ann.create(json!({"name": name})).await;
    }
    let list = async |api: &Api, order: &str, token: &str| {
        let query = query(&[("orderBy", order), ("pageSize", "1"), ("pageToken", token)]);
        api.get(&format!("/drive/v3/files?{query}")).await
    };
    let token = list(&world.ann, "name", "").await.ok()["nextPageToken"].clone();
    let token = token.as_str().unwrap();
    assert_eq!(list(&world.ann, "name", token).await.outcome(), "200");
    assert_eq!(list(&world.ann, "name desc", token).await.outcome(), "400 invalid");
    assert_eq!(list(&world.bob, "name", token).await.outcome(), "400 invalid");
    for bad in ["x", "~!!~", "~!!~eyJ9", &token[..token.len() - 3]] {
        assert_eq!(list(&world.ann, "name", bad).await.outcome(), "400 invalid", "{bad}");
    }
    for bad in ["pageSize=0", "pageSize=-1", "pageSize=x", "orderBy=size", "fields=files("] {
        let answer = world.ann.get(&format!("/drive/v3/files?{bad}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{bad}");
    }
    let answer = world.ann.get("/drive/v3/files?pageSize=100000").await;
    assert_eq!(answer.ok()["files"].as_array().unwrap().len(), 3);
}
