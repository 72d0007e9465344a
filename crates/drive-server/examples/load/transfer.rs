//! Downloads and uploads: how many bytes in a second, beside a server of plain files.
//!
//! Both are asked by the same client on the same machine in turn, so that what the client costs and
//! what else goes on there is the same for both.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::BodyExt as _;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use super::{
    Failure, Wishes,
    client::{Client, refused, text},
    serving::Server,
};

/// Turns of each; the median counts.
const TURNS: usize = 7;

/// Transfers at once.
const AT_ONCE: [usize; 2] = [1, 8];

/// Where bytes go and come from.
struct Place {
    name: &'static str,
    url: String,
    is_drive: bool,
}

/// Measures both ways at each place and prints a table.
pub(crate) async fn all(server: &Server, wishes: &Wishes) -> Result<(), Failure> {
    let mut content = vec![0; wishes.mib << 20];
    StdRng::seed_from_u64(7).fill_bytes(&mut content);
    let content = Bytes::from(content);
    let mut places = vec![Place { name: "ours", url: server.url.clone(), is_drive: true }];
    if let Some(url) = wishes.beside.clone() {
        places.push(Place { name: "beside", url, is_drive: false });
    }
    if !wishes.json {
        println!(
            "| what | at once | where | MiB/s, median of {TURNS} | slowest | fastest | of it |"
        );
        println!("| --- | ---: | --- | ---: | ---: | ---: | ---: |");
    }
    for at_once in AT_ONCE {
        let mut ups = vec![Vec::new(); places.len()];
        let mut downs = vec![Vec::new(); places.len()];
        for _ in 0..TURNS {
            for (at, place) in places.iter().enumerate() {
                let (up, down) = turn(place, &content, at_once).await?;
                ups[at].push(rate(&content, at_once, up));
                downs[at].push(rate(&content, at_once, down));
            }
        }
        print("upload", at_once, &places, ups, wishes);
        print("download", at_once, &places, downs, wishes);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(content: &Bytes, at_once: usize, took: Duration) -> f64 {
    (content.len() * at_once) as f64 / f64::from(1 << 20) / took.as_secs_f64()
}

fn print(what: &str, at_once: usize, places: &[Place], all: Vec<Vec<f64>>, wishes: &Wishes) {
    let sorted = all.into_iter().map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates
    });
    let sorted: Vec<_> = sorted.collect();
    let median = |at: usize| sorted[at][TURNS / 2];
    for (at, place) in places.iter().enumerate() {
        let share = median(at) / median(places.len() - 1);
        let (least, most) = (sorted[at][0], sorted[at][TURNS - 1]);
        if wishes.json {
            let row = json!({"what": what, "at_once": at_once, "where": place.name, "share": share,
                             "mib_s": median(at), "slowest": least, "fastest": most});
            println!("{row}");
        } else {
            let median = median(at);
            let (name, share) = (place.name, share * 100.0);
            println!(
                "| {what} | {at_once} | {name} | {median:.0} | {least:.0} | {most:.0} | {share:.0} % |"
            );
        }
    }
}

/// Uploads, downloads and removes so many files at once; returns how long each way took.
async fn turn(
    place: &Place,
    content: &Bytes,
    at_once: usize,
) -> Result<(Duration, Duration), Failure> {
    let mut clients: Vec<Client> =
        (0..at_once).map(|_| Client::new(&place.url, &super::token(0))).collect();
    for client in &mut clients {
        client.connect().await?;
    }
    let started = Instant::now();
    let up = clients.into_iter().enumerate().map(|(at, mut client)| {
        let (content, is_drive) = (content.clone(), place.is_drive);
        spawned(async move {
            let target = upload(&mut client, is_drive, at, content).await?;
            Ok((client, target))
        })
    });
    let clients = try_join_all(up).await?;
    let up = started.elapsed();
    let started = Instant::now();
    let down = clients.into_iter().map(|(mut client, target)| {
        let length = content.len();
        spawned(async move {
            download(&mut client, &target, length).await?;
            Ok((client, target))
        })
    });
    let clients = try_join_all(down).await?;
    let down = started.elapsed();
    for (mut client, target) in clients {
        let target = target.trim_end_matches("?alt=media");
        client.send("DELETE", target, "text/plain", Bytes::new()).await?;
    }
    Ok((up, down))
}

async fn spawned<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    tokio::spawn(work).await?
}

/// Uploads; returns where it can be had.
async fn upload(
    client: &mut Client,
    is_drive: bool,
    at: usize,
    content: Bytes,
) -> Result<String, Failure> {
    let kind = "application/octet-stream";
    if is_drive {
        let target = "/upload/drive/v3/files?uploadType=media&fields=id";
        let answer = client.send("POST", target, kind, content).await?;
        let id = text(&serde_json::from_slice(&answer)?, "id")?;
        return Ok(format!("/drive/v3/files/{id}?alt=media"));
    }
    let target = format!("/load_{at}.bin");
    client.send("PUT", &target, kind, content).await?;
    Ok(target)
}

async fn download(client: &mut Client, target: &str, length: usize) -> Result<(), Failure> {
    let answer = client.open("GET", target, "text/plain", Bytes::new()).await?;
    let status = answer.status();
    let mut body = answer.into_body();
    let mut came = 0;
    while let Some(frame) = body.frame().await {
        came += frame?.data_ref().map_or(0, Bytes::len);
    }
    if came == length { Ok(()) } else { Err(refused(status, b"").unwrap_or("cut".into())) }
}
