//! What one client asks, and what it learns from the answers.

use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use super::{
    Failure,
    client::{Client, text},
    fill::{self, Folder},
};

/// What is asked, and how often in twenty requests.
pub(crate) const MIX: [(Kind, u32); 8] = [
    (Kind::Changes, 6),
    (Kind::Parent, 3),
    (Kind::Name, 2),
    (Kind::Contains, 2),
    (Kind::Property, 1),
    (Kind::Folders, 1),
    (Kind::Create, 3),
    (Kind::Get, 2),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Changes,
    Parent,
    Name,
    Contains,
    Property,
    Folders,
    Create,
    Get,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes since the last time",
            Self::Parent => "list by parent, 100 of 500",
            Self::Name => "search: name =, my own",
            Self::Contains => "search: name contains, folders",
            Self::Property => "search: appProperties has",
            Self::Folders => "search: mimeType =, not my own",
            Self::Create => "create with 1 KiB",
            Self::Get => "metadata of one file",
        }
    }
}

/// One client, and what it knows.
#[derive(Debug)]
pub(crate) struct Visitor {
    client: Client,
    folders: Arc<[Folder]>,
    files: usize,
    token: String,
    file: String,
    pub(crate) chance: StdRng,
    number: usize,
    run: u32,
    created: usize,
}

impl Visitor {
    /// A visitor of one account, which knows the folders of that account and how full they are.
    pub(crate) fn new(client: Client, folders: Arc<[Folder]>, files: usize, number: usize) -> Self {
        let (token, file) = (String::new(), folders[0].id.clone());
        let chance = StdRng::seed_from_u64(number as u64);
        let run = rand::random();
        Self { client, folders, files, token, file, chance, number, run, created: 0 }
    }

    /// Connects and learns where the feed stands.
    pub(crate) async fn arrive(&mut self) -> Result<(), Failure> {
        let answer = self.client.get_json("/drive/v3/changes/startPageToken", &[]).await?;
        self.token = text(&answer, "startPageToken")?;
        Ok(())
    }

    /// Draws what to ask next.
    pub(crate) fn draw(&mut self, only: Option<Kind>) -> Kind {
        let all: u32 = MIX.iter().map(|(_, often)| often).sum();
        let mut at = self.chance.random_range(0..all);
        for (kind, often) in MIX {
            if at < often {
                return only.unwrap_or(kind);
            }
            at -= often;
        }
        only.unwrap_or(Kind::Changes)
    }

    fn folder(&mut self) -> Folder {
        let at = self.chance.random_range(0..self.folders.len());
        self.folders[at].clone()
    }

    pub(crate) async fn ask(&mut self, kind: Kind) -> Result<(), Failure> {
        let folder = self.folder();
        match kind {
            Kind::Changes => {
                let fields = "newStartPageToken,nextPageToken,changes(removed,fileId,file(id,name,parents,owners,trashed,size))";
                let pairs =
                    [("pageToken", self.token.as_str()), ("pageSize", "1000"), ("fields", fields)];
                let answer = self.client.get_json("/drive/v3/changes", &pairs).await?;
                let next =
                    answer["newStartPageToken"].as_str().or(answer["nextPageToken"].as_str());
                self.token = next.ok_or("no token")?.to_owned();
                Ok(())
            }
            Kind::Parent => {
                let q = format!("'{}' in parents and trashed=false", folder.id);
                self.search(&q, "nextPageToken,files(id,name,size,mimeType,modifiedTime)", 100)
                    .await
            }
            Kind::Name => {
                let file = self.chance.random_range(0..self.files);
                let name = fill::file_name(folder.account, folder.number, file);
                let q = format!("name='{name}' and 'me' in owners and trashed=false");
                self.search(&q, "files(id,name)", 10).await
            }
            Kind::Contains => {
                let q = format!(
                    "name contains 'syft_datasite#' and name contains \
                     '#user{:03}@load.example#inbox#peer{:04}' and trashed=false and \
                     mimeType='application/vnd.google-apps.folder'",
                    folder.account, folder.number
                );
                self.search(&q, "files(id,name)", 100).await
            }
            Kind::Property => {
                let value = format!("{}-{}", folder.account, folder.number);
                let q = format!("appProperties has {{key='load' and value='{value}'}}");
                self.search(&q, "files(id,name,appProperties)", 100).await
            }
            Kind::Folders => {
                let q = "not 'me' in owners and trashed=false and \
                         mimeType='application/vnd.google-apps.folder'";
                self.search(q, "files(name,owners)", 100).await
            }
            Kind::Create => self.create(&folder).await,
            Kind::Get => {
                let path = format!("/drive/v3/files/{}", self.file);
                self.client.get(&path, &[]).await.map(drop)
            }
        }
    }

    /// Asks for a page of files; finding none is an error, since all that is asked for is there.
    async fn search(&mut self, q: &str, fields: &str, size: usize) -> Result<(), Failure> {
        let size = size.to_string();
        let order = if q.contains("in parents") { "name desc" } else { "" };
        let pairs = [("q", q), ("orderBy", order), ("pageSize", &size), ("fields", fields)];
        let answer = self.client.get("/drive/v3/files", &pairs).await?;
        // Not read as JSON, which would be the generator's time.
        if answer.len() < 40 {
            Err(format!("{q} finds nothing: {answer:?}").into())
        } else {
            Ok(())
        }
    }

    async fn create(&mut self, folder: &Folder) -> Result<(), Failure> {
        self.created += 1;
        let name = format!("msgv2_{:08x}_{}_{}.tar.gz", self.run, self.number, self.created);
        let meta = json!({"name": name, "parents": [folder.id]});
        let head = format!(
            "--part\r\nContent-Type: application/json\r\n\r\n{meta}\r\n--part\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), &[b'x'; 1024], b"\r\n--part--"].concat();
        let target = "/upload/drive/v3/files?uploadType=multipart&fields=id";
        let kind = "multipart/related; boundary=part";
        let answer = self.client.send("POST", target, kind, body).await?;
        self.file = text(&serde_json::from_slice(&answer)?, "id")?;
        Ok(())
    }
}
