//! `SYFT_peers.json`: whom an account works with, and what stands between them.
//!
//! The file is shared with Python clients of the same account, and there is no lock. So whatever
//! is in it that we do not understand stays in it, word for word and in its place; and a file that
//! cannot be read is an error, never an empty list: the next write would erase all peers.
//! Format: `docs/FORMAT.md`, "Peers file".

use serde_json::{Map, Value};

use super::limits::OWN_FILE_BYTES_MAX;
use super::{Error, json};
use crate::model::Email;

/// The content of a peers file, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeersFile(Map<String, Value>);

/// What stands between the account and a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// Both sides agreed.
    Accepted,
    /// The peer asked, we have not answered.
    RequestedByPeer,
    /// We said no; the peer is not told.
    Rejected,
    /// We asked, the peer has not answered.
    RequestedByMe,
}

const STATE: &str = "state";
const BUNDLE: &str = "public_encryption_bundle";

impl PeerState {
    const ALL: [Self; 4] =
        [Self::Accepted, Self::RequestedByPeer, Self::Rejected, Self::RequestedByMe];

    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::RequestedByPeer => "requested_by_peer",
            Self::Rejected => "rejected",
            Self::RequestedByMe => "requested_by_me",
        }
    }

    /// Returns the state of that name; `None` if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl PeersFile {
    /// Returns the content of the file, as Python's `json.dumps(…, indent=2)` writes it.
    pub fn to_json(&self) -> Vec<u8> {
        json::python(&self.0, true)
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// [`Error`] if this is no JSON object. Entries are not looked at.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::read_small(bytes, "a peers file", OWN_FILE_BYTES_MAX).map(Self)
    }

    /// Returns the peers whose address and state we understand, in the order of the file.
    pub fn peers(&self) -> impl Iterator<Item = (Email, PeerState)> {
        self.0.iter().filter_map(|(email, entry)| Some((Email::parse(email).ok()?, state(entry)?)))
    }

    /// Returns the addresses of entries that [`PeersFile::peers`] leaves out, for reports.
    pub fn not_understood(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(email, entry)| Email::parse(email).is_err() || state(entry).is_none())
            .map(|(email, _)| email.as_str())
    }

    /// Returns what stands between us and `peer`; `None` if nothing, or nothing that we understand.
    pub fn state(&self, peer: &Email) -> Option<PeerState> {
        self.0.get(peer.as_str()).and_then(state)
    }

    /// Sets the state of `peer`, who is added at the end if new. What else is known stays.
    pub fn set_state(&mut self, peer: &Email, state: PeerState) {
        self.entry(peer).insert(STATE.to_owned(), state.as_str().into());
    }

    /// Returns the cached keys of `peer`, a DID document.
    pub fn bundle(&self, peer: &Email) -> Option<&Value> {
        self.0.get(peer.as_str())?.get(BUNDLE).filter(|bundle| !bundle.is_null())
    }

    /// Remembers the keys of `peer`, a DID document.
    pub fn set_bundle(&mut self, peer: &Email, document: Value) {
        self.entry(peer).insert(BUNDLE.to_owned(), document);
    }

    /// Forgets `peer` wholly; true if it was there.
    pub fn remove(&mut self, peer: &Email) -> bool {
        self.0.shift_remove(peer.as_str()).is_some()
    }

    /// Adds whoever is in `other` and not in here, with all that is known; true if there was anybody.
    pub fn adopt(&mut self, other: Self) -> bool {
        let before = self.0.len();
        for (email, entry) in other.0 {
            if !self.0.keys().any(|known| known.eq_ignore_ascii_case(&email)) {
                self.0.insert(email, entry);
            }
        }
        self.0.len() > before
    }

    /// The entry of `peer`; one that is no object is replaced, since nothing can be put into it.
    fn entry(&mut self, peer: &Email) -> &mut Map<String, Value> {
        let entry = self.0.entry(peer.as_str()).or_insert_with(|| Value::Object(Map::new()));
        if !entry.is_object() {
            *entry = Value::Object(Map::new());
        }
        entry.as_object_mut().expect("made an object just above")
    }
}

fn state(entry: &Value) -> Option<PeerState> {
    PeerState::parse(entry.get(STATE)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_do_not_understand_stays() {
        let text = concat!(
            "{\n  \"a@x.org\": {\n    \"state\": \"quarantined\",\n    \"since\": 17\n  },\n",
            "  \"b@x.org\": {\n    \"note\": \"\\u00e9\",\n    \"state\": \"requested_by_me\"\n  },\n",
            "  \"not an address\": 5,\n  \"c@x.org\": []\n}"
        );
        let mut peers = PeersFile::from_json(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(peers.to_json()).unwrap(), text);
        let email = |text| Email::parse(text).unwrap();
        assert_eq!(
            peers.peers().collect::<Vec<_>>(),
            [(email("b@x.org"), PeerState::RequestedByMe)]
        );
        let rest: Vec<_> = peers.not_understood().collect();
        assert_eq!(rest, ["a@x.org", "not an address", "c@x.org"]);

        peers.set_state(&email("b@x.org"), PeerState::Accepted);
        let expected = text.replace("requested_by_me", "accepted");
        assert_eq!(String::from_utf8(peers.to_json()).unwrap(), expected);
        assert!(peers.remove(&email("b@x.org")) && !peers.remove(&email("b@x.org")));
    }

    #[test]
    fn an_unreadable_file_is_not_an_empty_one() {
        for broken in ["", "null", "[]", "{", "{\"a\":", "\u{feff}{}"] {
            assert!(PeersFile::from_json(broken.as_bytes()).is_err(), "{broken:?}");
        }
        assert_eq!(PeersFile::from_json(b"{}").unwrap(), PeersFile::default());
        assert_eq!(PeersFile::default().to_json(), b"{}");
    }
}
