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

/// Downloads that nobody reads and uploads that do not go on keep what was read for them: that must
/// be little, however many there are.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn two_hundred_slow_clients_take_little_memory() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const MIB: usize = 16;
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let api = process.api();
    let target = "/upload/drive/v3/files?uploadType=media&fields=id";
    let answer: Answer = api.try_send("POST", target, &[], zeros(MIB)).await.unwrap();
    let id = answer.ok()["id"].as_str().unwrap().to_owned();
    let address = process.url.strip_prefix("http://").unwrap();
    let token = api.token.clone().unwrap();
    let head = |first: &str, length: usize| {
        format!(
            "{first} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut down = tokio::net::TcpStream::connect(address).await.unwrap();
        let get = head(&format!("GET /drive/v3/files/{id}?alt=media"), 0);
        down.write_all(get.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        down.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        let mut up = tokio::net::TcpStream::connect(address).await.unwrap();
        up.write_all(head(&format!("POST {target}"), MIB << 20).as_bytes()).await.unwrap();
        up.write_all(&vec![0; 3 << 18]).await.unwrap();
        slow.extend([down, up]);
    }
    // Others are served meanwhile.
    let answer = api.get(&format!("/drive/v3/files/{id}?fields=size")).await.ok();
    assert_eq!(answer["size"], (MIB << 20).to_string());
    let peak = peak_mib(process.child.id());
    assert!(peak <= 96, "the server needed {peak} MiB for {} slow clients", slow.len());
}
