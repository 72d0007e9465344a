//! What arrives from peers: opened, left for later, or set aside.

use crate::caches::{journal, meta};
use crate::connections::{self, Entry};
use crate::model::{Code, Email, Timestamp};
use crate::peers::envelopes::Unopened;
use crate::peers::{Keyring, PublicKeys};

use super::super::parcels::Parcel;
use super::super::sending::told;
use super::super::{Account, Report, Result, quarantine};
use super::{SET_ASIDE, offered};

/// What became of a file that arrived.
#[derive(Debug)]
pub(in crate::syncers) enum Received {
    /// It can be read.
    Content(Parcel),
    /// It stays where it is: what is missing is told, and may come.
    Later,
    /// It is wrong for good, and set aside.
    SetAside,
    /// It stays where it is until there is room on the disk, which is told.
    NoRoom,
}

/// Opens a message that lies in a folder between `sender` and us.
pub(in crate::syncers) fn incoming(
    account: &Account,
    ring: Option<&Keyring>,
    sender: &Email,
    entry: &Entry,
    parcel: Parcel,
    now: Timestamp,
    report: &mut Report,
) -> Result<Received> {
    let failed = |source| connections::Error::Io(source);
    if !parcel.is_sealed().map_err(failed)? {
        let is_due = match ring {
            Some(ring) => ring.may_be_plain(sender, now.micros()),
            None => !super::seals_all(account),
        };
        return Ok(if is_due {
            Received::Content(parcel)
        } else {
            let reason = format!("it is not sealed, although {sender} and you work encrypted");
            set_aside(account, (sender, entry), &parcel, Code::MessageNotSealed, &reason, report)?
        });
    }
    let Some(ring) = ring else {
        let text = format!("{sender} seals its messages, and there are no keys on this machine");
        return Ok(later(sender, Code::KeysMissing, text, report));
    };
    let pin = ring.pin(sender);
    let offer = offered(account, sender)?
        .filter(|_| pin.is_none())
        .and_then(|offer| PublicKeys::from_document(&offer.document, sender).ok());
    let signers: Vec<&PublicKeys> = match (&pin, &offer) {
        (Some(pin), _) => pin.signers(now.micros()),
        (None, Some(keys)) => vec![keys],
        (None, None) => {
            let text = format!("{sender} seals its messages, and its keys were not seen yet");
            return Ok(later(sender, Code::KeysNotSeen, text, report));
        }
    };
    let opened = match parcel.unsealed(&account.email, &ring.all(), sender, &signers) {
        Ok(opened) => opened,
        Err(error) => {
            let text = format!("a message of {sender} waits: {}", told(&error));
            report.problem_with(sender, Code::MessageNotRead, text);
            return Ok(Received::NoRoom);
        }
    };
    match opened {
        Ok(content) => Ok(Received::Content(content)),
        // Whoever can put a file there could close the edge for ever if it waited. Where a person
        // accepts other keys, or none are agreed on and others are published, it is taken up again.
        Err(error @ Unopened::UnknownSender { .. }) => set_aside(
            account,
            (sender, entry),
            &parcel,
            Code::KeyChanged,
            &error.to_string(),
            report,
        ),
        Err(error @ Unopened::NotForUs) => {
            let text = format!("a message of {sender} waits: {error}");
            Ok(later(sender, Code::KeysMissing, text, report))
        }
        Err(error) => {
            let (code, reason) = (Code::MessageQuarantined, error.to_string());
            set_aside(account, (sender, entry), &parcel, code, &reason, report)
        }
    }
}

/// One line for each peer and reason, however many messages wait.
fn later(peer: &Email, code: Code, text: String, report: &mut Report) -> Received {
    let is_told = report.problems.iter().any(|p| p.code == code && p.peer.as_ref() == Some(peer));
    if !is_told {
        report.problem_with(peer, code, text);
    }
    Received::Later
}

/// Keeps the bytes of a message that is wrong, and looks at it no more. It stays in its folder: if a
/// person says that the peer is right, it is taken up again.
fn set_aside(
    account: &Account,
    (sender, entry): (&Email, &Entry),
    parcel: &Parcel,
    code: Code,
    reason: &str,
    report: &mut Report,
) -> Result<Received> {
    if !quarantine::keep_as(code, account, sender, entry, parcel, reason, report)? {
        return Ok(Received::NoRoom);
    }
    account.store.write(|db| {
        journal::mark_seen(db, &entry.id)?;
        meta::set(db, &format!("{SET_ASIDE}{}", entry.id), sender.as_str())
    })?;
    Ok(Received::SetAside)
}
