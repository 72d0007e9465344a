//! Everything is streamed: a large file needs little memory, whatever its size.

use std::io;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{Request, body::Frame};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::{
    crash::Process,
    world::{Answer, Body},
};

const BLOCK: usize = 64 * 1024;

/// A body of so many MiB that is never in memory as a whole.
fn zeros(mib: usize) -> Body {
    let frames = stream::iter((0..mib * 16).map(|_| {
        static ZEROS: [u8; BLOCK] = [0; BLOCK];
        io::Result::Ok(Frame::data(Bytes::from_static(&ZEROS)))
    }));
    BodyExt::boxed(StreamBody::new(frames))
}

/// Returns the most memory that a process has had, in MiB.
fn peak_mib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_large_file_goes_through_in_64_mib_of_memory() {
    let mib = std::env::var("DRIVE_SERVER_TEST_MIB").map_or(256, |text| text.parse().unwrap());
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let api = process.api();
    let target = "/upload/drive/v3/files?uploadType=media&fields=id,size";
    let answer: Answer = api.try_send("POST", target, &[], zeros(mib)).await.unwrap();
    let file = answer.ok();
    assert_eq!(file["size"], (mib << 20).to_string());
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let id = file["id"].as_str().unwrap();
    let request = Request::get(format!("{}/drive/v3/files/{id}?alt=media", process.url))
        .header("authorization", format!("Bearer {}", api.token.unwrap()))
        .body(zeros(0))
        .unwrap();
    let mut body = client.request(request).await.unwrap().into_body();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        size += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(size, mib << 20);
    let peak = peak_mib(process.child.id());
    assert!(peak <= 64, "the server needed {peak} MiB for {mib} MiB");
}
