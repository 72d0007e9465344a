//! Keys: making, bringing back and replacing one's own, and deciding about those of peers.
//!
//! All of it changes the key file of this machine and nothing else; what follows from it, such as
//! publishing, is done by the next sync. Keys that are replaced are kept in the file, since messages
//! lie about that they open.

use super::{Client, Error, Result};
use crate::model::{Code, Email};
use crate::peers::{
    Fingerprint, InvalidKeys, Keyring, Mode, RecoveryKey, Settled, Unusable, store,
};
use crate::syncers::{Freshness, Report, peering, refresh, sealing};

/// What there is to know of an account's keys, without the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysInfo {
    /// What peers compare.
    pub fingerprint: Fingerprint,
    /// When messages are sealed.
    pub mode: Mode,
    /// True if the keys can be had as words.
    pub has_words: bool,
    /// How many keys were in use before, and are kept to open what was sealed for them.
    pub replaced: usize,
}

/// What a person decided about a peer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// These are its keys: the peer said so itself.
    Fingerprint(Fingerprint),
    /// The peer works without encryption.
    Unencrypted,
}

/// Why something could not be done with keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// There are none on this machine.
    #[error("this account has no keys on this machine")]
    None,

    /// There are some already.
    #[error("this account has keys already, with the fingerprint {fingerprint}")]
    Exist {
        /// Of those that there are.
        fingerprint: Fingerprint,
    },

    /// They did not come from words.
    #[error("these keys came from a file of the Python client, which kept no words for them")]
    NoWords,

    /// The peer has published none.
    #[error("{peer} has published no keys")]
    NotOffered {
        /// Who.
        peer: Email,
    },

    /// The keys that are published are others than those that were named.
    #[error("the keys that {peer} publishes have another fingerprint: {offered}")]
    Mismatch {
        /// Who.
        peer: Email,
        /// What is published.
        offered: Fingerprint,
    },

    /// Everything is encrypted where the account's files are.
    #[error("nothing goes unencrypted where anybody can write in anybody's name")]
    Demanded,

    /// A text or file holds no keys.
    #[error(transparent)]
    Invalid(#[from] InvalidKeys),

    /// A file is no key file, or another account's.
    #[error("the key file cannot be used")]
    Unusable(#[from] Unusable),
}

impl KeysError {
    /// Returns a short name of the kind of error, for programs.
    pub(super) const fn code(&self) -> Code {
        match self {
            Self::None => Code::NoKeys,
            Self::Exist { .. } => Code::KeysExist,
            Self::NoWords => Code::NoRecoveryWords,
            Self::NotOffered { .. } => Code::KeysNotOffered,
            Self::Mismatch { .. } => Code::FingerprintMismatch,
            Self::Demanded => Code::EncryptionDemanded,
            Self::Invalid(_) => Code::InvalidKeys,
            Self::Unusable(_) => Code::KeyFile,
        }
    }
}

impl Client {
    /// Returns what there is to know of the account's keys; `None` if it has none on this machine.
    ///
    /// # Errors
    /// If the key file cannot be used.
    pub fn keys(&self) -> Result<Option<KeysInfo>> {
        Ok(sealing::keyring(&self.account)?.map(|ring| info(&ring)))
    }

    /// True if the account was seen to have keys, and this machine has none.
    ///
    /// # Errors
    /// If the key file or the database cannot be used.
    pub fn lacks_keys(&self) -> Result<bool> {
        Ok(sealing::lacks_keys(&self.account)?)
    }

    /// Returns the secret from which the keys can be made again.
    ///
    /// # Errors
    /// [`KeysError::None`], [`KeysError::NoWords`].
    pub fn recovery_key(&self) -> Result<RecoveryKey> {
        Ok(self.ring()?.recovery().ok_or(KeysError::NoWords)?)
    }

    /// Makes keys for an account that has none; from the next sync on it works encrypted. With
    /// `replace_lost` also if it had keys that are lost: what was sealed for those stays closed, and
    /// peers must accept the new ones.
    ///
    /// # Errors
    /// [`KeysError::Exist`]; [`syncers::Error::KeysMissing`](crate::syncers::Error::KeysMissing) if
    /// another machine of the account has made some; [`Error::Locked`].
    pub async fn create_keys(&self, replace_lost: bool) -> Result<KeysInfo> {
        let _lock = self.lock().await?;
        if let Some(ring) = sealing::keyring(&self.account)? {
            return Err(KeysError::Exist { fingerprint: ring.current().fingerprint() }.into());
        }
        refresh(&self.account, Freshness::Feed, self.now()).await?;
        let is_lost = sealing::lacks_keys(&self.account)?;
        if is_lost && !replace_lost {
            return Err(crate::syncers::Error::KeysMissing.into());
        }
        let mut ring = self.made_from(&RecoveryKey::generate())?;
        if is_lost {
            ring.note_lost_keys(&sealing::published(&self.account).await?);
        }
        self.keep(&ring)
    }

    /// Makes the keys again that `recovery` stands for. Others that are here are kept to open what
    /// was sealed for them, if `replace` is said.
    ///
    /// # Errors
    /// [`KeysError::Exist`] if there are others; [`Error::Locked`].
    pub async fn restore_keys(&self, recovery: &RecoveryKey, replace: bool) -> Result<KeysInfo> {
        let _lock = self.lock().await?;
        self.adopt(self.made_from(recovery)?, replace)
    }

    /// Takes over a key file: one of [`Client::export_keys`], or `crypto_keys.json` of the Python
    /// client. Otherwise as [`Client::restore_keys`].
    ///
    /// # Errors
    /// [`KeysError::Unusable`] if it is no key file or another account's; [`KeysError::Exist`];
    /// [`Error::Locked`].
    pub async fn import_keys(&self, file: &[u8], replace: bool) -> Result<KeysInfo> {
        let _lock = self.lock().await?;
        let now = self.now().micros();
        let ring = Keyring::from_json(file, self.email(), now).map_err(KeysError::from)?;
        self.adopt(ring, replace)
    }

    /// Returns all keys as a file: those that were replaced and what is settled about peers
    /// included. The Python client can read it too.
    ///
    /// # Errors
    /// [`KeysError::None`].
    pub fn export_keys(&self) -> Result<Vec<u8>> {
        Ok(self.ring()?.to_json())
    }

    /// Makes new keys in place of those in use. Each peer must accept them before it takes anything
    /// from us again.
    ///
    /// # Errors
    /// [`KeysError::None`]; [`Error::Locked`].
    pub async fn rotate_keys(&self) -> Result<KeysInfo> {
        let _lock = self.lock().await?;
        let mut ring = self.ring()?;
        ring.adopt(self.made_from(&RecoveryKey::generate())?);
        self.replaced(&ring)
    }

    /// Chooses when messages are sealed, from the next sync on.
    ///
    /// # Errors
    /// [`KeysError::None`]; [`KeysError::Demanded`]; [`Error::Locked`].
    pub async fn set_encryption(&self, mode: Mode) -> Result<KeysInfo> {
        if self.seals_all() && mode != Mode::Required {
            return Err(KeysError::Demanded.into());
        }
        let _lock = self.lock().await?;
        let mut ring = self.ring()?;
        ring.set_mode(mode);
        self.keep(&ring)
    }

    /// Settles what the keys of a peer are. What was set aside of it, or waits, is taken up by the
    /// next sync. Returns how many messages were set aside.
    ///
    /// # Errors
    /// [`KeysError::Mismatch`] if the peer publishes others than those named;
    /// [`KeysError::NotOffered`] if it publishes none; [`KeysError::Demanded`]; if it is no peer;
    /// [`Error::Locked`].
    pub async fn trust_keys(&self, peer: &Email, trust: Trust) -> Result<usize> {
        if self.seals_all() && trust == Trust::Unencrypted {
            return Err(KeysError::Demanded.into());
        }
        let _lock = self.lock().await?;
        let (account, mut ring) = (&self.account, self.ring()?);
        refresh(account, Freshness::Feed, self.now()).await?;
        let known = peering::remembered(account)?.into_iter().map(|known| known.peer.email);
        let peer = known
            .into_iter()
            .find(|known| known.is_same_account(peer.as_str()))
            .ok_or_else(|| crate::syncers::Error::UnknownPeer { peer: peer.clone() })?;
        match trust {
            Trust::Unencrypted => ring.allow_unencrypted(&peer),
            Trust::Fingerprint(given) => {
                sealing::read_offer(account, &peer, &mut Report::default()).await?;
                match sealing::offered(account, &peer)? {
                    Some(offer) if offer.fingerprint == given => {
                        let now = self.now().micros();
                        ring.trust(&peer, &offer.document, now).map_err(KeysError::from)?;
                    }
                    Some(offer) => {
                        let offered = offer.fingerprint;
                        return Err(KeysError::Mismatch { peer, offered }.into());
                    }
                    // They are here already, though published no more.
                    None if ring.settled(&peer) == Settled::Pinned(given) => {}
                    None => return Err(KeysError::NotOffered { peer }.into()),
                }
            }
        }
        self.keep(&ring)?;
        Ok(sealing::take_up_again(account, &peer)?)
    }

    fn ring(&self) -> Result<Keyring> {
        Ok(sealing::keyring(&self.account)?.ok_or(KeysError::None)?)
    }

    fn made_from(&self, recovery: &RecoveryKey) -> Result<Keyring> {
        Ok(Keyring::new(self.email(), recovery).map_err(KeysError::from)?)
    }

    fn adopt(&self, new: Keyring, replace: bool) -> Result<KeysInfo> {
        match sealing::keyring(&self.account)? {
            None => self.keep(&new),
            Some(mut ring) => {
                let (old, new_print) = (ring.current().fingerprint(), new.current().fingerprint());
                if old != new_print && !replace {
                    return Err(KeysError::Exist { fingerprint: old }.into());
                }
                ring.adopt(new);
                if old == new_print { self.keep(&ring) } else { self.replaced(&ring) }
            }
        }
    }

    fn replaced(&self, ring: &Keyring) -> Result<KeysInfo> {
        sealing::note_rotation(&self.account)?;
        self.keep(ring)
    }

    fn keep(&self, ring: &Keyring) -> Result<KeysInfo> {
        let kept = store::save(&self.account.folders.private, ring);
        kept.map_err(crate::syncers::Error::Keys)?;
        Ok(info(ring))
    }
}

fn info(ring: &Keyring) -> KeysInfo {
    KeysInfo {
        fingerprint: ring.current().fingerprint(),
        mode: ring.mode(),
        has_words: ring.recovery().is_some(),
        replaced: ring.all().len() - 1,
    }
}

impl From<InvalidKeys> for Error {
    fn from(error: InvalidKeys) -> Self {
        KeysError::Invalid(error).into()
    }
}
