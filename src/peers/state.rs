//! Decides who is a peer, and how far the acquaintance has come.
//!
//! Pure. Known states come from our own peers file; what others did is seen in the folders that
//! they made. A folder whose name says one account and whose owner is another is a forgery (W10).

use std::collections::BTreeMap;

use crate::model::Email;
use crate::wire::PeerState;

/// What our peers file says.
pub type Known = BTreeMap<Email, PeerState>;

/// A folder for messages that names us as the datasite: somebody's wish to work with us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whom the folder's name says it is from.
    pub claimed: String,
    /// Who made it, as the service says.
    pub owner: Option<Email>,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub email: Email,
    /// How far it has come.
    pub state: PeerState,
}

/// A folder that pretends to be somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoofed {
    /// Whom it names.
    pub claimed: String,
    /// Who made it.
    pub owner: Option<Email>,
}

/// Returns all peers, sorted by address, and the forgeries that were passed over.
///
/// A request is a claim of somebody unknown. A claim of somebody whom we asked is the answer: the
/// other side has made its folders, so it agrees.
pub fn peers(known: &Known, claims: &[Claim]) -> (Vec<Peer>, Vec<Spoofed>) {
    let mut states = known.clone();
    let mut spoofed = Vec::new();
    for claim in claims {
        let Some(owner) = claim.owner.as_ref().filter(|o| o.is_same_account(&claim.claimed)) else {
            let forgery = Spoofed { claimed: claim.claimed.clone(), owner: claim.owner.clone() };
            if !spoofed.contains(&forgery) {
                spoofed.push(forgery);
            }
            continue;
        };
        let known = states.keys().find(|email| email.is_same_account(&claim.claimed)).cloned();
        let email =
            known.or_else(|| Email::parse(&claim.claimed).ok()).unwrap_or_else(|| owner.clone());
        states
            .entry(email)
            .and_modify(|state| {
                if *state == PeerState::RequestedByMe {
                    *state = PeerState::Accepted;
                }
            })
            .or_insert(PeerState::RequestedByPeer);
    }
    (states.into_iter().map(|(email, state)| Peer { email, state }).collect(), spoofed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_others_are_requests_and_answers() {
        use PeerState::{Accepted, Rejected, RequestedByMe, RequestedByPeer};
        #[rustfmt::skip]
        let cases = [
            // what                         known                  claimed          owner                 state
            ("a stranger asks",             None,                  "p@x.org",       Some("p@x.org"),      Some(RequestedByPeer)),
            ("whom we asked agrees",        Some(RequestedByMe),   "p@x.org",       Some("p@x.org"),      Some(Accepted)),
            ("a peer's folder is a peer's", Some(Accepted),        "p@x.org",       Some("p@x.org"),      Some(Accepted)),
            ("rejected stays rejected",     Some(Rejected),        "p@x.org",       Some("p@x.org"),      Some(Rejected)),
            ("case does not count",         None,                  "p@x.org",       Some("P@X.org"),      Some(RequestedByPeer)),
            ("W10: somebody else made it",  None,                  "p@x.org",       Some("eve@x.org"),    None),
            ("W10: we asked, another says", Some(RequestedByMe),   "p@x.org",       Some("eve@x.org"),    Some(RequestedByMe)),
            ("nobody made it",              None,                  "p@x.org",       None,                 None),
        ];
        let peer = Email::parse("p@x.org").unwrap();
        for (what, known, claimed, owner, state) in cases {
            let known: Known = known.map(|state| (peer.clone(), state)).into_iter().collect();
            let owner = owner.map(|email| Email::parse(email).unwrap());
            let claims = [Claim { claimed: claimed.to_owned(), owner }];
            let (found, _) = peers(&known, &claims);
            assert_eq!(found.first().map(|peer| peer.state), state, "{what}");
        }
    }

    #[test]
    fn a_forgery_is_told_once_and_holds_nobody_up() {
        let eve = Email::parse("eve@x.org").unwrap();
        let forged = Claim { claimed: "p@x.org".to_owned(), owner: Some(eve.clone()) };
        let honest = Claim { claimed: "eve@x.org".to_owned(), owner: Some(eve) };
        let (found, spoofed) = peers(&Known::new(), &[forged.clone(), honest, forged]);
        assert_eq!(found.len(), 1);
        assert_eq!(spoofed.len(), 1);
    }
}
