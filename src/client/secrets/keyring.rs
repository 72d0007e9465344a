//! The system's keyring: the Secret Service of a Linux desktop, over the session bus.
//!
//! One item for each secret of an account, with attributes by which it is found. The session is a plain one: the
//! bus is a socket that only this user can open. No question is ever put on the screen: a keyring
//! that would ask first counts as locked. Every call ends within [`PATIENCE`], whatever is at the
//! other end. Source: <https://specifications.freedesktop.org/secret-service-spec/latest/>.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Type, Value};

use crate::model::Email;

/// How long a keyring may take for one secret.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

const SERVICE: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const SERVICE_FACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_FACE: &str = "org.freedesktop.Secret.Collection";
const ITEM_FACE: &str = "org.freedesktop.Secret.Item";
const NOWHERE: &str = "/";

/// Why a keyring cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none on this machine.
    Absent,
    /// It gives no answer.
    Silent,
    /// It is locked.
    Locked,
    /// It answers, and not as it should.
    Odd(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is not there"),
            Self::Silent => write!(f, "gave no answer within {} seconds", PATIENCE.as_secs()),
            Self::Locked => f.write_str("is locked"),
            Self::Odd(problem) => write!(f, "does not work: {problem}"),
        }
    }
}

/// One account's place in the keyring.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    bus: Option<String>,
    label: String,
    attributes: [(&'static str, String); 3],
}

/// What the Secret Service calls a secret: session, parameters, value, media type.
#[derive(serde::Serialize, serde::Deserialize, Type)]
struct Secret(OwnedObjectPath, Vec<u8>, Vec<u8>, String);

impl Slot {
    /// The place of an account whose configuration lies in `folder`: two configurations of one
    /// account do not share their sign-in.
    pub(super) fn of(email: &Email, folder: &Path) -> Self {
        Self::named("syft", "sign-in", email, folder)
    }

    /// The place of the account's password for its mail server. It is another application's, as a
    /// keyring finds everything that has the attributes that are asked for, and maybe more.
    pub(super) fn of_mail(email: &Email, folder: &Path) -> Self {
        Self::named("syft-mail", "mail password", email, folder)
    }

    fn named(application: &str, what: &str, email: &Email, folder: &Path) -> Self {
        Self {
            bus: bus_address(),
            label: format!("syft: {what} of {email}"),
            attributes: [
                ("application", application.to_owned()),
                ("account", email.to_string()),
                ("configuration", folder.to_string_lossy().into_owned()),
            ],
        }
    }

    /// Returns what is kept, if anything is.
    pub(super) async fn get(&self) -> Result<Option<String>, Unusable> {
        self.in_time(async {
            let desk = Desk::open(self.bus.as_deref()).await?;
            let Some(item) = self.find(&desk).await? else { return Ok(None) };
            let secret: Secret =
                desk.call(&item, ITEM_FACE, "GetSecret", &(&desk.session,)).await?;
            let text = String::from_utf8(secret.2);
            text.map(Some).map_err(|_| Unusable::Odd("it holds something else".to_owned()))
        })
        .await
    }

    /// Keeps a secret in place of the one before, and sees that it is there.
    pub(super) async fn set(&self, secret: &str) -> Result<(), Unusable> {
        self.in_time(async {
            let desk = Desk::open(self.bus.as_deref()).await?;
            let collection = desk.collection().await?;
            let attributes: HashMap<&str, &str> = self.pairs().collect();
            let properties: HashMap<&str, Value<'_>> = HashMap::from([
                ("org.freedesktop.Secret.Item.Label", Value::from(self.label.as_str())),
                ("org.freedesktop.Secret.Item.Attributes", Value::from(attributes)),
            ]);
            let value = secret.as_bytes().to_vec();
            let secret = Secret(desk.session.clone(), Vec::new(), value, "text/plain".to_owned());
            let body = (properties, secret, true);
            let made: (OwnedObjectPath, OwnedObjectPath) =
                desk.call(&collection, COLLECTION_FACE, "CreateItem", &body).await?;
            if made.0.as_str() == NOWHERE { Err(Unusable::Locked) } else { Ok(()) }
        })
        .await?;
        match self.get().await?.as_deref() {
            Some(kept) if kept == secret => Ok(()),
            _ => Err(Unusable::Odd("it did not keep what it was given".to_owned())),
        }
    }

    /// Forgets what is kept.
    pub(super) async fn clear(&self) -> Result<(), Unusable> {
        self.in_time(async {
            let desk = Desk::open(self.bus.as_deref()).await?;
            let Some(item) = self.find(&desk).await? else { return Ok(()) };
            let prompt: OwnedObjectPath = desk.call(&item, ITEM_FACE, "Delete", &()).await?;
            if prompt.as_str() == NOWHERE { Ok(()) } else { Err(Unusable::Locked) }
        })
        .await
    }

    async fn find(&self, desk: &Desk) -> Result<Option<OwnedObjectPath>, Unusable> {
        let wanted: HashMap<&str, &str> = self.pairs().collect();
        let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            desk.call(&root(), SERVICE_FACE, "SearchItems", &(wanted,)).await?;
        match (open.into_iter().next(), locked.is_empty()) {
            (Some(item), _) => Ok(Some(item)),
            (None, true) => Ok(None),
            (None, false) => Err(Unusable::Locked),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (*name, value.as_str()))
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Unusable>>,
    ) -> Result<T, Unusable> {
        tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(Unusable::Silent))
    }
}

/// A session with the Secret Service.
struct Desk {
    bus: zbus::Connection,
    session: OwnedObjectPath,
}

impl Desk {
    async fn open(address: Option<&str>) -> Result<Self, Unusable> {
        let address = address.ok_or(Unusable::Absent)?;
        let builder = zbus::connection::Builder::address(address).map_err(|_| Unusable::Absent)?;
        let bus = builder.build().await.map_err(|_| Unusable::Absent)?;
        let mut desk = Self { bus, session: root() };
        let (_, session): (OwnedValue, OwnedObjectPath) =
            desk.call(&root(), SERVICE_FACE, "OpenSession", &("plain", Value::from(""))).await?;
        desk.session = session;
        Ok(desk)
    }

    /// Returns the collection that new secrets go to.
    async fn collection(&self) -> Result<OwnedObjectPath, Unusable> {
        let found: OwnedObjectPath =
            self.call(&root(), SERVICE_FACE, "ReadAlias", &("default",)).await?;
        if found.as_str() == NOWHERE {
            return Err(Unusable::Odd("it has no place for new secrets".to_owned()));
        }
        Ok(found)
    }

    async fn call<B, T>(
        &self,
        object: &ObjectPath<'_>,
        face: &str,
        method: &str,
        body: &B,
    ) -> Result<T, Unusable>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
        T: serde::de::DeserializeOwned + Type,
    {
        let answer = self.bus.call_method(Some(SERVICE), object, Some(face), method, body).await;
        let answer = answer.map_err(|error| explained(&error))?;
        let body = answer.body();
        body.deserialize().map_err(|_| Unusable::Odd(format!("its answer to {method} is odd")))
    }
}

fn explained(error: &zbus::Error) -> Unusable {
    let zbus::Error::MethodError(name, ..) = error else {
        return Unusable::Odd("the session bus broke off".to_owned());
    };
    match name.as_str() {
        "org.freedesktop.Secret.Error.IsLocked" => Unusable::Locked,
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner"
        | "org.freedesktop.DBus.Error.Spawn.ServiceNotFound" => Unusable::Absent,
        "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.TimedOut" => {
            Unusable::Silent
        }
        name => Unusable::Odd(name.to_owned()),
    }
}

fn root() -> OwnedObjectPath {
    ObjectPath::from_static_str_unchecked(ROOT).into()
}

/// Returns where the bus of this session is. Nothing but what the session itself says: a user who
/// is logged in elsewhere has a bus too, which is not this one's.
fn bus_address() -> Option<String> {
    let said = std::env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|text| !text.is_empty());
    said.or_else(|| {
        let socket = Path::new(&std::env::var_os("XDG_RUNTIME_DIR")?).join("bus");
        socket.exists().then(|| format!("unix:path={}", socket.display()))
    })
}
