//! Decides who is approved as a peer without asking the owner: by address, or by domain.
//!
//! Pure. Only who asks and was never turned down is approved: a list is a wish of yesterday, a
//! rejection the word of a person. It is about peers and nothing else: every job waits for its
//! owner. Who somebody is, the service has said before ([`super::peers`]).
//!
//! An address counts as [`Email::is_same_account`] says: letter case of ASCII letters does not
//! matter, nothing else is taken for the same. A domain with other letters and its `xn--` form are
//! two domains, and so are two that only look alike.

use std::fmt;

use super::{Peer, PeerState};
use crate::model::Email;

/// Who is approved without asking.
///
/// Invariant: a domain is of the characters that an address may have, without `*` and without an
/// empty part; `SubDomains` is of two parts at least.
#[derive(Clone, Debug)]
pub enum Admission {
    /// One address.
    Person(Email),
    /// All addresses of exactly this domain.
    Domain(String),
    /// All addresses of domains below this one, at any depth; not of itself.
    SubDomains(String),
}

/// A text that names nobody to approve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is no rule for whom to approve: {reason}")]
pub struct InvalidAdmission {
    shown: String,
    reason: &'static str,
}

/// Where anybody can get an address, so that its domain says nothing of a person.
const OPEN_TO_ALL: &[&str] = &[
    "aol.com",
    "fastmail.com",
    "gmail.com",
    "gmx.at",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "outlook.com",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "web.de",
    "yahoo.com",
    "yandex.com",
    "zoho.com",
];

impl Admission {
    /// Reads `ann@uni.edu`, `@uni.edu` or `@*.uni.edu`.
    ///
    /// # Errors
    /// [`InvalidAdmission`] with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidAdmission> {
        let refused = |reason| {
            let shown = text.chars().take(80).flat_map(char::escape_debug).collect();
            InvalidAdmission { shown, reason }
        };
        let Some(domain) = text.strip_prefix('@') else {
            let person = Email::parse(text).map(Self::Person);
            return person.map_err(|_| {
                refused(
                    "write an address, `@uni.edu` for a domain, or `@*.uni.edu` for those below",
                )
            });
        };
        let below = domain.strip_prefix("*.");
        let name = below.unwrap_or(domain);
        // An address shows what may stand in a domain.
        let is_address = Email::parse(&format!("a@{name}")).is_ok();
        if !is_address || name.split('.').any(str::is_empty) {
            return Err(refused("what follows the `@` is no domain"));
        }
        match below {
            None => Ok(Self::Domain(name.to_owned())),
            Some(_) if !name.contains('.') => {
                Err(refused("that is half the world; name a domain with a dot after `*.`"))
            }
            Some(_) => Ok(Self::SubDomains(name.to_owned())),
        }
    }

    /// True if `email` is meant.
    pub fn covers(&self, email: &Email) -> bool {
        match self {
            Self::Person(person) => person.is_same_account(email.as_str()),
            Self::Domain(domain) => email.domain().eq_ignore_ascii_case(domain),
            Self::SubDomains(domain) => is_below(email.domain(), domain),
        }
    }

    /// True if anybody can get an address that is meant.
    pub fn is_open_to_all(&self) -> bool {
        match self {
            Self::Person(_) => false,
            Self::Domain(domain) | Self::SubDomains(domain) => {
                OPEN_TO_ALL.iter().any(|open| open.eq_ignore_ascii_case(domain))
            }
        }
    }

    /// True if both mean the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }
}

/// True if `domain` ends in a dot and `above`, with text before it.
fn is_below(domain: &str, above: &str) -> bool {
    let Some(length) = domain.len().checked_sub(above.len()) else { return false };
    // Within a character neither half is there to be compared.
    let (Some(first), Some(last)) = (domain.get(..length), domain.get(length..)) else {
        return false;
    };
    last.eq_ignore_ascii_case(above) && first.len() > 1 && first.ends_with('.')
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => person.fmt(f),
            Self::Domain(domain) => write!(f, "@{domain}"),
            Self::SubDomains(domain) => write!(f, "@*.{domain}"),
        }
    }
}

/// Returns who of `peers` is approved without asking, each with the first rule that says so.
/// `turned_down`: everybody who was ever turned down by a person and not let in since.
pub fn admitted<'a>(
    rules: &'a [Admission],
    peers: impl IntoIterator<Item = &'a Peer>,
    turned_down: &[Email],
) -> Vec<(&'a Peer, &'a Admission)> {
    let was_turned_down =
        |peer: &Peer| turned_down.iter().any(|other| other.is_same_account(peer.email.as_str()));
    let asking = peers
        .into_iter()
        .filter(|peer| peer.state == PeerState::RequestedByPeer && !was_turned_down(peer));
    asking
        .filter_map(|peer| Some((peer, rules.iter().find(|rule| rule.covers(&peer.email))?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[test]
    fn a_rule_covers_whom_it_names_and_nobody_who_looks_like_it() {
        #[rustfmt::skip]
        let cases = [
            // rule              address                         covered
            ("ann@uni.edu",      "ann@uni.edu",                  true),
            ("ann@uni.edu",      "Ann@UNI.edu",                  true),
            ("ann@uni.edu",      "joann@uni.edu",                false),
            ("ann@uni.edu",      "ann@uni.edu.evil.org",         false),
            ("ann@uni.edu",      "ann@sub.uni.edu",              false),
            ("@uni.edu",         "ann@uni.edu",                  true),
            ("@uni.edu",         "ann@Uni.Edu",                  true),
            ("@uni.edu",         "ann@evil-uni.edu",             false),
            ("@uni.edu",         "ann@eviluni.edu",              false),
            ("@uni.edu",         "ann@sub.uni.edu",              false),
            ("@uni.edu",         "ann@uni.edu.evil.org",         false),
            ("@uni.edu",         "ann@uni.edu.",                 false),
            ("@uni.edu",         "uni.edu@evil.org",             false),
            ("@*.uni.edu",       "ann@sub.uni.edu",              true),
            ("@*.uni.edu",       "ann@a.b.UNI.edu",              true),
            ("@*.uni.edu",       "ann@uni.edu",                  false),
            ("@*.uni.edu",       "ann@evil-uni.edu",             false),
            ("@*.uni.edu",       "ann@.uni.edu",                 false),
            ("@*.uni.edu",       "ann@sub.uni.edu.evil.org",     false),
            ("@müller.de",       "ann@müller.de",                true),
            ("@müller.de",       "ann@xn--mller-kva.de",         false),
            ("@müller.de",       "ann@MÜLLER.de",                false),
            ("@uni.edu",         "ann@unі.edu",                  false), // a Cyrillic і
            ("@*.ü.de",          "ann@xü.de",                    false),
        ];
        for (rule, address, covered) in cases {
            let rule = Admission::parse(rule).unwrap();
            assert_eq!(rule.covers(&email(address)), covered, "{rule} {address}");
        }
    }

    #[test]
    fn what_names_nobody_or_half_the_world_is_refused() {
        #[rustfmt::skip]
        let cases = [
            "", "@", "uni.edu", "*.uni.edu", "@*", "@*.", "@*.edu", "@.edu", "@uni..edu", "@uni.edu.",
            "@un*.edu", "*@uni.edu", "@a@b", "@uni.edu\n", "ann@*.uni.edu", "@*.*.edu", " @uni.edu",
        ];
        for text in cases {
            assert!(Admission::parse(text).is_err(), "{text:?}");
        }
        for text in ["ann@uni.edu", "@uni.edu", "@*.uni.edu", "@lab"] {
            assert_eq!(Admission::parse(text).unwrap().to_string(), text);
        }
        assert!(Admission::parse("@GMail.com").unwrap().is_open_to_all());
        assert!(!Admission::parse("x@gmail.com").unwrap().is_open_to_all());
        let [small, large] = ["@uni.edu", "@UNI.edu"].map(|text| Admission::parse(text).unwrap());
        assert!(small.is_same(&large));
    }

    #[test]
    fn only_who_asks_and_was_never_turned_down_is_approved() {
        use PeerState::{Accepted, Rejected, RequestedByMe, RequestedByPeer};
        #[rustfmt::skip]
        let cases = [
            // what                                state            turned down            approved
            ("asks",                               RequestedByPeer, None,                  true),
            ("works with us already",              Accepted,        None,                  false),
            ("was asked by us",                    RequestedByMe,   None,                  false),
            ("was turned down",                    Rejected,        None,                  false),
            ("was turned down, and asks anew",     RequestedByPeer, Some("Ann@uni.edu"),   false),
            ("another was turned down",            RequestedByPeer, Some("bob@uni.edu"),   true),
        ];
        let rules = ["bob@x.org", "@uni.edu"].map(|text| Admission::parse(text).unwrap());
        for (what, state, turned_down, approved) in cases {
            let peer = [Peer { email: email("ann@uni.edu"), state }];
            let turned_down: Vec<Email> = turned_down.into_iter().map(email).collect();
            let found = admitted(&rules, &peer, &turned_down);
            assert_eq!(!found.is_empty(), approved, "{what}");
            assert!(found.iter().all(|(_, rule)| rule.to_string() == "@uni.edu"), "{what}");
        }
    }
}
