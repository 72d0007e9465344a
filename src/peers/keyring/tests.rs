//! What becomes of a key file by each change, and what one from outside can do.

use super::super::{GRACE_MICROS, store};
use super::*;

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn document(of: &Email) -> (Map<String, Value>, Fingerprint) {
    let keys = RecoveryKey::generate().derive().unwrap();
    (keys.public().to_document(of).unwrap(), keys.fingerprint())
}

#[test]
fn a_key_file_says_the_same_when_it_is_read_again() {
    let (me, peer) = (email("me@example.org"), email("peer@example.org"));
    let recovery = RecoveryKey::generate();
    let mut ring = Keyring::new(&me, &recovery).unwrap();
    let (first, print) = document(&peer);
    ring.trust(&peer, &first, 5).unwrap();
    ring.set_mode(Mode::Required);
    let again = Keyring::from_json(&ring.to_json(), &email("ME@example.org"), 99).unwrap();
    assert_eq!(again.to_json(), ring.to_json());
    assert_eq!(again.recovery(), Some(recovery));
    assert_eq!(again.mode(), Mode::Required);
    assert_eq!(again.settled(&email("Peer@example.org")), Settled::Pinned(print));
    assert_eq!(again.pin(&peer).unwrap().since_micros, 5);

    let other = Keyring::from_json(&ring.to_json(), &peer, 0).unwrap_err();
    assert!(matches!(other, Unusable::OfAnother(_)), "{other:?}");
    assert!(Keyring::from_json(b"{}", &me, 0).is_err());
}

#[test]
fn replaced_keys_are_kept_and_those_of_a_peer_count_for_what_was_made_before() {
    let (me, peer) = (email("me@example.org"), email("peer@example.org"));
    let mut ring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    let old = ring.current().fingerprint();
    let ((first, a), (second, b)) = (document(&peer), document(&peer));
    ring.trust(&peer, &first, 5).unwrap();
    let new = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    let (new_print, new_words) = (new.current().fingerprint(), new.recovery());
    ring.adopt(new);
    ring.trust(&peer, &second, 100).unwrap();
    let ring = Keyring::from_json(&ring.to_json(), &me, 0).unwrap();
    assert_eq!(ring.current().fingerprint(), new_print);
    assert_eq!(ring.recovery(), new_words);
    assert!(ring.has(old) && ring.has(new_print) && ring.all().len() == 2);

    let pin = ring.pin(&peer).unwrap();
    assert_eq!((pin.keys.fingerprint(), pin.since_micros), (b, 5));
    let prints =
        |at| -> Vec<_> { pin.signers(at).into_iter().map(PublicKeys::fingerprint).collect() };
    assert_eq!(prints(99), [b, a]);
    assert_eq!(prints(i64::MAX), [b]);
}

#[test]
fn w14_what_a_peer_adds_to_its_keys_does_not_close_the_key_file() {
    let (me, peer) = (email("me@example.org"), email("peer@example.org"));
    let mut ring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    let (plain, print) = document(&peer);
    let mut padded = plain.clone();
    // As deep as can be read by itself: within another file it is too deep.
    let deep = format!("{}0{}", "[".repeat(126), "]".repeat(126));
    padded.insert("deep".to_owned(), serde_json::from_str(&deep).unwrap());
    padded.insert("large".to_owned(), "x".repeat(1 << 20).into());
    ring.trust(&peer, &padded, 5).unwrap();
    let again = Keyring::from_json(&ring.to_json(), &me, 0).unwrap();
    assert_eq!(again.settled(&peer), Settled::Pinned(print));
    assert!(ring.to_json().len() < 16 * 1024);
    // The same keys in another dress are no other keys.
    ring.trust(&peer, &plain, 9).unwrap();
    assert_eq!(ring.to_json(), again.to_json());
    let refused = ring.trust(&peer, &document(&me).0, 9);
    assert!(refused.is_err() && ring.to_json() == again.to_json());
}

#[test]
fn a_key_file_that_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let me = email("me@example.org");
    let mut ring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    store::save(folder.path(), &ring).unwrap();
    let deep = format!("{}0{}", "[".repeat(126), "]".repeat(126));
    let deep = serde_json::from_str(&deep).unwrap();
    ring.file.peer_bundles.insert("peer@example.org".to_owned(), deep);
    let refused = store::save(folder.path(), &ring).unwrap_err();
    assert!(matches!(refused, store::KeyFileError::Unusable { .. }), "{refused:?}");
    assert!(store::load(folder.path(), &me).unwrap().is_some());
}

#[test]
fn adopting_the_same_keys_twice_changes_nothing() {
    let me = email("me@example.org");
    let recovery = RecoveryKey::generate();
    let mut ring = Keyring::new(&me, &recovery).unwrap();
    let before = ring.to_json();
    ring.adopt(Keyring::new(&me, &recovery).unwrap());
    assert_eq!(ring.to_json(), before);
}

#[test]
fn w14_own_files_may_be_plain_for_some_hours_after_the_account_began_to_seal() {
    let me = email("me@example.org");
    let mut ring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    let later = 1000 + GRACE_MICROS;
    assert!(ring.may_own_be_plain(i64::MAX - 1), "nothing was sealed yet");
    assert!(ring.begin(1000) && !ring.begin(5000));
    // It travels with the keys, and taking others over does not move it.
    let mut other = Keyring::from_json(&ring.to_json(), &me, 99).unwrap();
    let mut new = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    new.begin(later);
    other.adopt(new);
    for ring in [&ring, &other] {
        assert_eq!(ring.since_micros(), Some(1000));
        assert!(ring.may_own_be_plain(later - 1) && !ring.may_own_be_plain(later));
    }
    ring.set_mode(Mode::Required);
    assert!(!ring.may_own_be_plain(later));
    ring.set_mode(Mode::Off);
    assert!(ring.may_own_be_plain(later));
    ring.set_mode(Mode::Offered);
    assert!(ring.may_own_be_plain(later) && ring.begin(later), "it begins anew");
}

#[test]
fn lost_keys_are_known_by_their_fingerprints() {
    let me = email("me@example.org");
    let (lost, other) = (document(&me).1, document(&me).1);
    let mut ring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    ring.note_lost_keys(&[lost, lost]);
    let mut adopted = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    adopted.adopt(Keyring::from_json(&ring.to_json(), &me, 0).unwrap());
    for ring in [ring, adopted] {
        assert!(ring.has_lost_keys() && ring.has_lost(lost) && !ring.has_lost(other));
    }
}

#[test]
fn a_plain_message_is_taken_only_where_nothing_was_agreed() {
    let (me, peer) = (email("me@example.org"), email("peer@example.org"));
    let mut ring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
    let (document, _) = document(&peer);
    let later = 1_000_000_000_000;
    assert!(ring.may_be_plain(&peer, i64::MAX - 1));
    ring.trust(&peer, &document, 1000).unwrap();
    assert!(ring.may_be_plain(&peer, 999));
    assert!(!ring.may_be_plain(&peer, i64::MAX - 1));
    ring.set_mode(Mode::Off);
    assert!(ring.may_be_plain(&peer, i64::MAX - 1));
    ring.set_mode(Mode::Offered);
    ring.allow_unencrypted(&peer);
    assert!(ring.may_be_plain(&peer, i64::MAX - 1));
    assert_eq!(ring.settled(&peer), Settled::Unencrypted);
    let before = ring.to_json();
    ring.demand_sealing();
    assert!(!ring.may_be_plain(&peer, 999));
    assert!(matches!(ring.settled(&peer), Settled::Pinned(_)));
    ring.set_mode(Mode::Off);
    assert_eq!(ring.mode(), Mode::Required);
    let mut ring = Keyring::from_json(&before, &me, 0).unwrap();
    ring.trust(&peer, &document, later).unwrap();
    assert_eq!(ring.pin(&peer).unwrap().since_micros, later);
    assert!(ring.may_be_plain(&peer, later) && !ring.may_be_plain(&peer, i64::MAX - 1));
}
