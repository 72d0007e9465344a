//! A bucket keeps the contract of connections: on an S3 server, and on a store in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::memory::InMemory;
use syft::connections::{Bucket, Connection, Content, Error, NewEntry, conformance};
use syft::model::{Digest, Email};

use crate::moto::Moto;

#[tokio::test]
async fn a_bucket_conforms_on_an_s3_server() {
    let Some(moto) = Moto::start() else { return };
    conformance::check(async |accounts| {
        let bucket = moto.bucket();
        let session = |account| -> Box<dyn Connection> { Box::new(moto.session(&bucket, account)) };
        accounts.into_iter().map(session).collect()
    })
    .await;
}

#[tokio::test]
async fn a_bucket_conforms_in_memory() {
    conformance::check(async |accounts| {
        let store = Arc::new(InMemory::new());
        let session = |account| -> Box<dyn Connection> {
            Box::new(Bucket::over(Arc::clone(&store) as _, "a/b", account))
        };
        accounts.into_iter().map(session).collect()
    })
    .await;
}

/// A file that goes in three parts is there whole.
async fn large_files_go_in_parts(bucket: &Bucket) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let content: Vec<u8> =
        (0..17_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&from, &content).unwrap();
    let new = NewEntry {
        id: None,
        parent: bucket.root(),
        name: "large".to_owned(),
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    };
    let made = bucket.create_file(&new, Content::File(from.clone())).await.unwrap();
    assert_eq!(made.size_bytes, 17 << 20);
    let digest = bucket.download(&made.id, &to, made.size_bytes).await.unwrap();
    assert_eq!(digest, Digest::of(&content));
    assert!(std::fs::read(&to).unwrap() == content, "every byte of it");
    let answer = bucket.read(&made.id, made.size_bytes - 1).await;
    assert!(matches!(answer, Err(Error::TooLarge { .. })), "{answer:?}");
    // Exactly two parts, and not a third without content.
    std::fs::write(&from, &content[..16 << 20]).unwrap();
    bucket.replace(&made.id, Content::File(from)).await.unwrap();
    let read = bucket.read(&made.id, 16 << 20).await.unwrap();
    assert!(read == content[..16 << 20], "every byte of it");
}

#[tokio::test]
async fn large_files_go_in_parts_to_an_s3_server() {
    let Some(moto) = Moto::start() else { return };
    let account = Email::parse("do@example.org").unwrap();
    large_files_go_in_parts(&moto.session(&moto.bucket(), account)).await;
}

#[tokio::test]
async fn large_files_go_in_parts_in_memory() {
    let account = Email::parse("do@example.org").unwrap();
    large_files_go_in_parts(&Bucket::over(Arc::new(InMemory::new()), "", account)).await;
}
