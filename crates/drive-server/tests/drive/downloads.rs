//! Downloads, whole and in part.

use crate::world::{Answer, World};

fn told(answer: &Answer) -> (u16, &str, &[u8]) {
    (answer.status.as_u16(), answer.header("content-range"), &answer.body)
}

#[tokio::test]
async fn a_range_gives_a_part_and_an_empty_file_none() {
    let world = World::new().await;
    let file = world.ann.upload("f", "root", b"0123456789").await;
    let empty = world.ann.upload("e", "root", b"").await;
    let get = async |id: &str, range: &str| {
        let target = format!("/drive/v3/files/{id}?alt=media");
        world.ann.send("GET", &target, &[("range", range)], "").await
    };
    #[rustfmt::skip]
    let cases: [(&str, u16, &str, &[u8]); 7] = [
        ("bytes=0-10485759", 206, "bytes 0-9/10", b"0123456789"),
        ("bytes=2-4",        206, "bytes 2-4/10", b"234"),
        ("bytes=7-",         206, "bytes 7-9/10", b"789"),
        ("bytes=-2",         206, "bytes 8-9/10", b"89"),
        ("bytes=10-",        416, "bytes */10",   b""),
        ("bytes=0-1,4-5",    200, "",             b"0123456789"),
        ("nonsense",         200, "",             b"0123456789"),
    ];
    for (range, status, content_range, body) in cases {
        assert_eq!(told(&get(&file, range).await), (status, content_range, body), "{range}");
    }
    assert_eq!(told(&get(&empty, "bytes=0-10485759").await), (416, "bytes */0", &b""[..]));
    let whole = world.ann.download(&empty).await;
    assert_eq!((told(&whole), whole.header("content-length")), ((200, "", &b""[..]), "0"));
    let whole = world.ann.download(&file).await;
    assert_eq!(whole.header("content-length"), "10");
    assert_eq!(whole.header("content-disposition"), "attachment");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_large_file_comes_in_many_blocks() {
    let world = World::new().await;
    let content: Vec<u8> = (0..3_000_001_u32).map(|at| (at * 7 + at / 251) as u8).collect();
    let id = world.ann.upload("large", "root", &content).await;
    assert!(world.ann.download(&id).await.body == content);
    let target = format!("/drive/v3/files/{id}?alt=media");
    let range = [("range", "bytes=262143-2000000")];
    let part = world.ann.send("GET", &target, &range, "").await;
    assert!(part.body == content[262_143..=2_000_000]);
}

#[tokio::test]
async fn a_folder_has_nothing_to_download() {
    let world = World::new().await;
    let folder = world.ann.folder("f", None).await;
    assert_eq!(world.ann.download(&folder).await.outcome(), "403 fileNotDownloadable");
}
