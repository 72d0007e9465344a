//! A Secret Service as a desktop has it, as far as the program uses one: it takes, finds, shows and
//! deletes one secret for each application, and may be locked. It serves a socket of its own, without a bus daemon.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::net::UnixListener;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

type Attributes = HashMap<String, String>;
/// Session, parameters, value, media type.
type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

#[derive(Debug, Default)]
struct State {
    kept: BTreeMap<&'static str, (Attributes, Secret)>,
    is_locked: bool,
}

/// The service, seen by the test.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretService(Arc<Mutex<State>>);

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.Secret.Error")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    IsLocked(String),
}

const SIGN_IN: &str = "/item";
const MAIL: &str = "/mail";

fn path(text: &'static str) -> OwnedObjectPath {
    ObjectPath::from_static_str_unchecked(text).into()
}

impl SecretService {
    /// Serves at a new socket in `folder`; returns its address.
    pub(crate) fn serve(folder: &Path) -> (Self, String) {
        let socket = folder.join("session-bus");
        let listener = UnixListener::bind(&socket).unwrap();
        let service = Self::default();
        let served = service.clone();
        tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.push(served.connect(stream).await);
            }
        });
        (service, format!("unix:path={}", socket.display()))
    }

    async fn connect(&self, stream: tokio::net::UnixStream) -> zbus::Connection {
        let builder = zbus::connection::Builder::unix_stream(stream);
        let builder = builder.server(zbus::Guid::generate()).unwrap().p2p();
        let builder = builder.serve_at("/org/freedesktop/DBus", Bus).unwrap();
        let builder = builder.serve_at("/org/freedesktop/secrets", Service(self.clone())).unwrap();
        let builder = builder.serve_at("/collection", Collection(self.clone())).unwrap();
        let builder = builder.serve_at(SIGN_IN, Item(self.clone(), SIGN_IN)).unwrap();
        builder.serve_at(MAIL, Item(self.clone(), MAIL)).unwrap().build().await.unwrap()
    }

    pub(crate) fn lock(&self, is_locked: bool) {
        self.0.lock().unwrap().is_locked = is_locked;
    }

    /// What is kept, and for whom.
    pub(crate) fn kept(&self) -> Option<(Attributes, String)> {
        self.kept_at(SIGN_IN)
    }

    /// The same for the password of the mail server.
    pub(crate) fn kept_for_mail(&self) -> Option<(Attributes, String)> {
        self.kept_at(MAIL)
    }

    fn kept_at(&self, item: &str) -> Option<(Attributes, String)> {
        let state = self.0.lock().unwrap();
        let (attributes, secret) = state.kept.get(item)?;
        Some((attributes.clone(), String::from_utf8(secret.2.clone()).unwrap()))
    }
}

struct Bus;

#[zbus::interface(name = "org.freedesktop.DBus")]
impl Bus {
    fn hello(&self) -> String {
        ":1.1".to_owned()
    }
}

struct Service(SecretService);

#[zbus::interface(name = "org.freedesktop.Secret.Service")]
impl Service {
    fn open_session(&self, algorithm: &str, _input: Value<'_>) -> (OwnedValue, OwnedObjectPath) {
        assert_eq!(algorithm, "plain");
        (OwnedValue::from(0_u32), path("/session"))
    }

    fn read_alias(&self, name: &str) -> OwnedObjectPath {
        path(if name == "default" { "/collection" } else { "/" })
    }

    fn search_items(&self, wanted: Attributes) -> (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) {
        let state = self.0.0.lock().unwrap();
        let found = state.kept.iter().filter(|(_, (attributes, _))| {
            wanted.iter().all(|(key, value)| attributes.get(key) == Some(value))
        });
        let found: Vec<_> = found.map(|(item, _)| path(item)).collect();
        if state.is_locked { (Vec::new(), found) } else { (found, Vec::new()) }
    }
}

struct Collection(SecretService);

#[zbus::interface(name = "org.freedesktop.Secret.Collection")]
impl Collection {
    fn create_item(
        &self,
        mut properties: HashMap<String, OwnedValue>,
        secret: Secret,
        replace: bool,
    ) -> Result<(OwnedObjectPath, OwnedObjectPath), Refusal> {
        let mut state = self.0.0.lock().unwrap();
        if state.is_locked {
            return Err(Refusal::IsLocked("the collection is locked".to_owned()));
        }
        assert!(replace, "what was kept for the account is replaced");
        let attributes = properties.remove("org.freedesktop.Secret.Item.Attributes").unwrap();
        let attributes: Attributes = attributes.try_into().unwrap();
        let item = match attributes["application"].as_str() {
            "syft" => SIGN_IN,
            "syft-mail" => MAIL,
            other => panic!("{other}"),
        };
        state.kept.insert(item, (attributes, secret));
        Ok((path(item), path("/")))
    }
}

struct Item(SecretService, &'static str);

#[zbus::interface(name = "org.freedesktop.Secret.Item")]
impl Item {
    fn get_secret(&self, session: OwnedObjectPath) -> (Secret,) {
        let kept = self.0.0.lock().unwrap().kept[self.1].clone();
        ((session, kept.1.1, kept.1.2, kept.1.3),)
    }

    fn delete(&self) -> OwnedObjectPath {
        self.0.0.lock().unwrap().kept.remove(self.1);
        path("/")
    }
}
