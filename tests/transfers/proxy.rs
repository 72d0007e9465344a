//! A wire between program and drive that counts, and stops where a test says: the middle of a
//! transfer is a number of bytes and not a moment.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// What happens once so many bytes have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Nothing passes any more, and the connection stays.
    Hold,
    /// The connection ends.
    Cut,
}

#[derive(Clone, Copy, Debug)]
struct Stop {
    way: Way,
    after: u64,
    then: Then,
}

#[derive(Debug)]
struct State {
    up: AtomicU64,
    down: AtomicU64,
    /// Where it stops, one after the other.
    stops_at: Mutex<VecDeque<Stop>>,
    /// How many bytes pass in a second; 0: as many as can.
    per_second: AtomicU64,
    /// How often it stopped, and how often it was let go on.
    stops: watch::Sender<u64>,
    goes: watch::Sender<u64>,
}

/// A proxy in front of a drive.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<State>,
    upstream: Arc<Mutex<SocketAddr>>,
}

impl Proxy {
    pub(crate) async fn before(drive: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            stops_at: Mutex::default(),
            per_second: AtomicU64::new(0),
            stops: watch::Sender::new(0),
            goes: watch::Sender::new(0),
        });
        let upstream = Arc::new(Mutex::new(address(drive)));
        let (serving, to) = (Arc::clone(&state), Arc::clone(&upstream));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, to) = (Arc::clone(&serving), *to.lock().unwrap());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(to).await else { return };
                    client.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    // Whichever way ends first ends the connection.
                    tokio::select! {
                        () = pump(from_client, to_server, &state, Way::Up) => {}
                        () = pump(from_server, to_client, &state, Way::Down) => {}
                    }
                });
            }
        });
        Self { url, state, upstream }
    }

    /// Leads to another server from now on.
    pub(crate) fn lead_to(&self, drive: &str) {
        *self.upstream.lock().unwrap() = address(drive);
    }

    /// How many bytes have passed.
    pub(crate) fn passed(&self, way: Way) -> u64 {
        self.state.count(way).load(Ordering::SeqCst)
    }

    /// Lets `bytes` more pass, then nothing.
    pub(crate) fn hold_after(&self, way: Way, bytes: u64) {
        self.stop_after(way, &[bytes], Then::Hold);
    }

    /// Lets `bytes` more pass, then ends the connection; the next one is free.
    pub(crate) fn cut_after(&self, way: Way, bytes: u64) {
        self.stop_after(way, &[bytes], Then::Cut);
    }

    /// The same several times: after the first so many bytes, then after the second, and so on.
    pub(crate) fn cut_after_each(&self, way: Way, bytes: &[u64]) {
        self.stop_after(way, bytes, Then::Cut);
    }

    /// Returns how often it is still to stop.
    pub(crate) fn stops_left(&self) -> usize {
        self.state.stops_at.lock().unwrap().len()
    }

    /// Lets no more than so many bytes pass in a second; 0: as many as can.
    pub(crate) fn slow_down(&self, per_second: u64) {
        self.state.per_second.store(per_second, Ordering::SeqCst);
    }

    fn stop_after(&self, way: Way, bytes: &[u64], then: Then) {
        let mut after = self.passed(way);
        let stops = bytes.iter().map(|bytes| {
            after += bytes;
            Stop { way, after, then }
        });
        *self.state.stops_at.lock().unwrap() = stops.collect();
    }

    /// Waits until it stops.
    pub(crate) async fn stopped(&self) {
        let mut stops = self.state.stops.subscribe();
        let seen = *self.state.goes.borrow();
        stops.wait_for(|stops| *stops > seen).await.unwrap();
    }

    /// Lets all pass again.
    pub(crate) fn go_on(&self) {
        self.state.stops_at.lock().unwrap().clear();
        let stops = *self.state.stops.borrow();
        self.state.goes.send_replace(stops);
    }
}

impl State {
    const fn count(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }

    /// How many of `count` bytes may pass now, and what happens then.
    fn allowed(&self, way: Way, count: usize) -> (usize, Option<Then>) {
        let mut stops = self.stops_at.lock().unwrap();
        let passed = self.count(way).load(Ordering::SeqCst);
        let next = stops.front().copied();
        let Some(Stop { after, then, .. }) = next.filter(|stop| stop.way == way) else {
            return (count, None);
        };
        let room = usize::try_from(after.saturating_sub(passed)).unwrap();
        if room >= count {
            return (count, None);
        }
        if then == Then::Cut {
            stops.pop_front();
        }
        (room, Some(then))
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, way: Way) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        let mut at = 0;
        while at < count {
            let (now, then) = state.allowed(way, count - at);
            if to.write_all(&buffer[at..at + now]).await.is_err() {
                return;
            }
            state.count(way).fetch_add(now as u64, Ordering::SeqCst);
            let per_second = state.per_second.load(Ordering::SeqCst);
            if per_second > 0 {
                // What a slow wire does; nothing waits for a moment here.
                let takes = Duration::from_secs(now as u64) / u32::try_from(per_second).unwrap();
                tokio::time::sleep(takes).await;
            }
            at += now;
            match then {
                None => {}
                Some(Then::Cut) => {
                    state.stops.send_modify(|stops| *stops += 1);
                    state.goes.send_modify(|goes| *goes += 1);
                    return;
                }
                Some(Then::Hold) => {
                    let mut goes = state.goes.subscribe();
                    state.stops.send_modify(|stops| *stops += 1);
                    let stops = *state.stops.borrow();
                    goes.wait_for(|goes| *goes >= stops).await.unwrap();
                }
            }
        }
    }
}

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().trim_end_matches('/').parse().unwrap()
}
