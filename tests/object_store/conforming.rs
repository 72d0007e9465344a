//! A bucket keeps the contract of connections: on an S3 server, and on a store in memory.

use std::sync::Arc;

use object_store::memory::InMemory;
use syft::connections::{Bucket, Connection, conformance};

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
