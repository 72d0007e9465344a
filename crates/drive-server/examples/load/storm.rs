//! Many clients at once, each with a mix of what `syft` asks a drive.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Failure, Wishes,
    client::{Client, text},
    figures::Figure,
    fill::Folder,
};

/// What is asked, and how often in twenty requests.
const MIX: [(Kind, u32); 5] =
    [(Kind::Changes, 8), (Kind::Parent, 4), (Kind::Query, 4), (Kind::Create, 2), (Kind::Get, 2)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Changes,
    Parent,
    Query,
    Create,
    Get,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes since the last time",
            Self::Parent => "list by parent, newest 100",
            Self::Query => "list by name and owner",
            Self::Create => "create with 1 KiB",
            Self::Get => "metadata of one file",
        }
    }
}

/// Lets the clients loose and returns a row for each kind of request.
pub(crate) async fn storm(wishes: &Wishes, folders: &[Folder]) -> Result<Vec<Figure>, Failure> {
    if folders.is_empty() {
        return Err("no folders to ask about".into());
    }
    let folders: Arc<[Folder]> = folders.into();
    let started = Instant::now() + Duration::from_millis(200);
    let until = started + Duration::from_secs(wishes.seconds);
    let mut storm = JoinSet::new();
    for number in 0..wishes.clients {
        let account = number % wishes.tokens.len();
        let own = folders.iter().filter(|folder| folder.account == account).cloned().collect();
        let client = Client::new(&wishes.url, &wishes.tokens[account]);
        // All clients together keep the rate.
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let pause = (wishes.rate > 0).then(|| wishes.clients as f64 / wishes.rate as f64);
        storm.spawn(Visitor::new(client, own, number).visit(started, until, pause));
    }
    let mut seen: Vec<(Kind, Option<Duration>)> = Vec::new();
    let mut complaint = None;
    while let Some(done) = storm.join_next().await {
        let (times, first) = done??;
        seen.extend(times);
        complaint = complaint.or(first);
    }
    let over = started.elapsed();
    if let Some(complaint) = complaint {
        println!("the first failure: {complaint}\n");
    }
    Ok(MIX.iter().map(|&(kind, _)| figure(&seen, kind, over)).collect())
}

fn figure(seen: &[(Kind, Option<Duration>)], kind: Kind, over: Duration) -> Figure {
    let all = || seen.iter().filter(|(other, _)| *other == kind);
    let times = all().filter_map(|(_, time)| *time).collect();
    let failed = all().filter(|(_, time)| time.is_none()).count();
    Figure::new(kind.name(), times, failed, over)
}

/// One client, and what it knows.
struct Visitor {
    client: Client,
    folders: Vec<Folder>,
    token: String,
    file: String,
    chance: StdRng,
    number: usize,
    created: usize,
}

type Seen = (Vec<(Kind, Option<Duration>)>, Option<String>);

impl Visitor {
    fn new(client: Client, folders: Vec<Folder>, number: usize) -> Self {
        let chance = StdRng::seed_from_u64(number as u64);
        let (token, file) = (String::new(), String::new());
        Self { client, folders, token, file, chance, number, created: 0 }
    }

    async fn visit(
        mut self,
        started: Instant,
        until: Instant,
        pause: Option<f64>,
    ) -> Result<Seen, Failure> {
        let answer = self.client.get("/drive/v3/changes/startPageToken", &[]).await?;
        self.token = text(&answer, "startPageToken")?;
        self.file = self.folder().id;
        let (mut seen, mut complaint) = (Vec::new(), None);
        let mut due = started;
        loop {
            // The times between visits of people who know nothing of each other.
            due = match pause {
                Some(pause) => {
                    let chance: f64 = self.chance.random_range(f64::EPSILON..1.0);
                    due + Duration::from_secs_f64(-chance.ln() * pause)
                }
                None => Instant::now().max(started),
            };
            if due >= until {
                return Ok((seen, complaint));
            }
            tokio::time::sleep_until(due.into()).await;
            let kind = self.draw();
            match self.ask(kind).await {
                Ok(()) => seen.push((kind, Some(due.elapsed()))),
                Err(error) => {
                    seen.push((kind, None));
                    complaint.get_or_insert(format!("{}: {error}", kind.name()));
                }
            }
        }
    }

    fn draw(&mut self) -> Kind {
        let all: u32 = MIX.iter().map(|(_, often)| often).sum();
        let mut at = self.chance.random_range(0..all);
        for (kind, often) in MIX {
            if at < often {
                return kind;
            }
            at -= often;
        }
        Kind::Changes
    }

    fn folder(&mut self) -> Folder {
        let at = self.chance.random_range(0..self.folders.len());
        self.folders[at].clone()
    }

    async fn ask(&mut self, kind: Kind) -> Result<(), Failure> {
        let folder = self.folder();
        match kind {
            Kind::Changes => {
                let pairs = [("pageToken", self.token.as_str()), ("pageSize", "1000")];
                let answer = self.client.get("/drive/v3/changes", &pairs).await?;
                let next =
                    answer["newStartPageToken"].as_str().or(answer["nextPageToken"].as_str());
                self.token = next.ok_or("no token")?.to_owned();
            }
            Kind::Parent => {
                let q = format!("'{}' in parents and trashed=false", folder.id);
                let fields = "nextPageToken,files(id,name,size,mimeType,modifiedTime)";
                let pairs = [
                    ("q", q.as_str()),
                    ("orderBy", "name desc"),
                    ("pageSize", "100"),
                    ("fields", fields),
                ];
                let answer = self.client.get("/drive/v3/files", &pairs).await?;
                self.file = text(&answer["files"][0], "id")?;
            }
            Kind::Query => {
                let name = format!("msg_{}", self.chance.random_range(0..folder.files));
                let q = format!("name='{name}' and 'me' in owners and trashed=false");
                let pairs = [("q", q.as_str()), ("pageSize", "10"), ("fields", "files(id,name)")];
                let answer = self.client.get("/drive/v3/files", &pairs).await?;
                self.file = text(&answer["files"][0], "id")?;
            }
            Kind::Create => {
                self.created += 1;
                let name = format!("new_{}_{}", self.number, self.created);
                let meta = json!({"name": name, "parents": [folder.id]});
                let head = format!(
                    "--part\r\nContent-Type: application/json\r\n\r\n{meta}\r\n--part\r\n\
                     Content-Type: application/octet-stream\r\n\r\n"
                );
                let body = [head.as_bytes(), &[b'x'; 1024], b"\r\n--part--"].concat();
                let target = "/upload/drive/v3/files?uploadType=multipart&fields=id";
                let kind = "multipart/related; boundary=part";
                self.client.send("POST", target, kind, body).await?;
            }
            Kind::Get => {
                let path = format!("/drive/v3/files/{}", self.file);
                self.client.get(&path, &[]).await?;
            }
        }
        Ok(())
    }
}
