use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::keys::RecoveryKey;
use super::*;
use crate::wire::{Packed as _, ProposedFileChangesMessage};

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/wire/unit/crypto");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// The keys that the Python client made for the vectors.
fn python_keys(of: &str) -> PrivateKeys {
    let all: Map<String, Value> = serde_json::from_slice(&fixture("keys.json")).unwrap();
    let keys = &all[of];
    let derived = RecoveryKey::parse(keys["mnemonic"].as_str().unwrap()).unwrap();
    assert_eq!(derived.digits(), keys["recovery_formatted"]);
    let derived = derived.derive().unwrap();
    assert_eq!(Value::Object(derived.to_jwks().unwrap()), keys["jwks"], "{of}");
    let read = PrivateKeys::from_jwks(keys["jwks"].as_object().unwrap()).unwrap();
    assert_eq!(read.fingerprint(), derived.fingerprint());
    let document = read.public().to_document(&email(of)).unwrap();
    let mut expected = keys["did_document"].as_object().unwrap().clone();
    expected.insert("identity".to_owned(), of.into());
    assert_eq!(document, expected);
    read
}

#[test]
fn envelopes_of_python_open() {
    let (owner, scientist) = (email("do@example.com"), email("ds@example.com"));
    let (sender, us) = (python_keys("do@example.com"), python_keys("ds@example.com"));
    let cases = [
        ("envelope_do_to_ds.bin", "hello world"),
        ("envelope_built_from_spec.bin", "hello from spec"),
    ];
    for (name, content) in cases {
        let bytes = fixture(name);
        assert!(is_sealed(&bytes));
        let opened = open(&scientist, &[&us], &owner, &[sender.public()], &bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&opened), content, "{name}");
    }
}

/// A proposal that the Python client sealed for ours in a session over our server, with the files of
/// both sides as they were at its end (`tests/interop/run.py --encrypted ours/python`).
#[test]
fn a_session_with_python_can_be_read_again() {
    let (owner, scientist) = (email("do@example.org"), email("ds@example.org"));
    let file = |name: &str| fixture(&format!("../../encrypted/{name}"));
    let ours = Keyring::from_json(&file("our_crypto_keys.json"), &owner, 0).unwrap();
    let theirs = Keyring::from_json(&file("python_crypto_keys.json"), &scientist, 0).unwrap();
    assert!(theirs.recovery().is_none());
    let bundle = file("encryption_bundle_ds@example.org_for_do@example.org.json");
    let bundle = crate::wire::BundleFile::from_json(&bundle).unwrap().public_encryption_bundle;
    let published = PublicKeys::from_document(&bundle, &scientist).unwrap();
    assert_eq!(published, *theirs.current().public());
    assert_eq!(published, ours.pin(&scientist).unwrap().keys);

    let name = "msgv2_1795272758.6500804_dbb0d0a9-c635-4aeb-8f31-6844b8afbd4a.tar.gz";
    let opened = open(&owner, &ours.all(), &scientist, &[&published], &file(name)).unwrap();
    let message = ProposedFileChangesMessage::from_file_bytes(&opened).unwrap();
    assert_eq!(message.sender_email, scientist.as_str());
    assert_eq!(message.proposed_file_changes.len(), 1);
    // Ours as the Python client would have got it.
    let sealed = seal((&owner, ours.current()), (&scientist, &published), b"x").unwrap();
    let signer = ours.current().public();
    assert_eq!(open(&scientist, &theirs.all(), &owner, &[signer], &sealed).unwrap(), b"x");
}

/// Two accounts with keys.
struct Pair {
    ann: Email,
    bob: Email,
    anns: PrivateKeys,
    bobs: PrivateKeys,
}

impl Pair {
    fn new() -> Self {
        let derive = |digits: &str| RecoveryKey::parse(digits).unwrap().derive().unwrap();
        Self {
            ann: email("ann@example.org"),
            bob: email("Bob@example.org"),
            anns: derive(&"0123456789abcdef".repeat(4)),
            bobs: derive(&"fedcba9876543210".repeat(4)),
        }
    }

    fn seal(&self, content: &[u8]) -> Vec<u8> {
        seal((&self.ann, &self.anns), (&self.bob, self.bobs.public()), content).unwrap()
    }

    fn open(&self, bytes: &[u8]) -> Result<Vec<u8>, Unopened> {
        open(&self.bob, &[&self.bobs], &self.ann, &[self.anns.public()], bytes)
    }
}

#[test]
fn w14_what_is_not_from_the_one_sender_for_us_stays_closed() {
    let pair = Pair::new();
    let (eve, eves) = (email("eve@example.org"), RecoveryKey::generate().derive().unwrap());
    let (ann, bob, anns, bobs) = (&pair.ann, &pair.bob, &pair.anns, &pair.bobs);
    let sealed = pair.seal(b"secret");
    let public = anns.public();
    let as_ann = seal((ann, &eves), (bob, bobs.public()), b"x").unwrap();
    let claimed = Some(eves.fingerprint());
    let mut relabelled = as_ann.clone();
    let (wrong, right) = (eves.fingerprint().to_string(), anns.fingerprint().to_string());
    let place = relabelled.windows(64).position(|found| found == wrong.as_bytes()).unwrap();
    relabelled[place..place + 64].copy_from_slice(right.as_bytes());
    let mut old = sealed.clone();
    old[3] = b'1';
    let of_eve = Unopened::OfAnother(ann.to_string());
    #[rustfmt::skip]
    let cases = [
        // what                             we              sender  known     bytes         why
        ("it is in another's folder",       (bob, bobs),    &eve,   public,   &sealed,      of_eve),
        ("another's keys under this name",  (bob, bobs),    ann,    public,   &as_ann,      Unopened::UnknownSender { claimed }),
        ("and the name of the right key",   (bob, bobs),    ann,    public,   &relabelled,  Unopened::Forged),
        ("for somebody else",               (&eve, &eves),  ann,    public,   &sealed,      Unopened::ForOthers),
        ("for keys that we do not have",    (bob, &eves),   ann,    public,   &sealed,      Unopened::NotForUs),
        ("SYC1",                            (bob, bobs),    ann,    public,   &old,         Unopened::Old),
    ];
    for (what, (me, ours), sender, known, bytes, why) in cases {
        assert_eq!(open(me, &[ours], sender, &[known], bytes), Err(why), "{what}");
    }
    // The spelling of an address, and keys that were replaced, do not matter.
    let me = email("bob@EXAMPLE.org");
    assert_eq!(
        open(&me, &[&eves, bobs], ann, &[eves.public(), public], &sealed).unwrap(),
        b"secret"
    );
}

#[test]
fn a_head_beyond_all_measure_is_not_read() {
    let mut bytes = Pair::new().seal(b"x");
    bytes[5..9].copy_from_slice(&u32::try_from(PRELUDE_BYTES_MAX + 1).unwrap().to_le_bytes());
    bytes.resize(bytes.len() + 2 * PRELUDE_BYTES_MAX, b' ');
    assert_eq!(Pair::new().open(&bytes), Err(Unopened::Damaged));
}

#[test]
fn every_changed_byte_of_a_small_envelope_is_noticed() {
    let pair = Pair::new();
    let sealed = pair.seal(b"one");
    assert!(sealed.len() <= 3 + OVERHEAD_BYTES);
    for at in (0..sealed.len()).step_by(3) {
        let mut changed = sealed.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(pair.open(&changed).is_err(), "byte {at}");
    }
    for length in (0..sealed.len()).step_by(97) {
        assert!(pair.open(&sealed[..length]).is_err(), "the first {length} bytes");
    }
    assert!(pair.open(&[sealed.as_slice(), b"x"].concat()).is_err());
}

/// The same, sealed in pieces of so many bytes.
fn in_pieces(pair: &Pair, content: &[u8], piece_bytes: usize) -> Vec<u8> {
    let to =
        [EncryptionRecipient { identity: pair.bob.as_str(), bundle: &pair.bobs.public().bundle }];
    let options =
        StreamOptions { parallelism: 1, segment_size: piece_bytes, ..StreamOptions::default() };
    let (me, keys) = (pair.ann.as_str(), &pair.anns.keys);
    let (length, mut sealed) = (content.len() as u64, Vec::new());
    let mut from = content;
    encrypt_stream(me, keys, &to, length, &mut from, &mut sealed, &options, &mut rand::rng())
        .unwrap();
    sealed
}

#[test]
fn of_what_is_sealed_in_pieces_none_can_be_changed_moved_left_out_or_added() {
    let pair = Pair::new();
    let content: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
    let sealed = in_pieces(&pair, &content, 1000);
    assert_eq!(pair.open(&sealed).unwrap(), content);
    let (piece, start) = (1000 + 16, sealed.len() - 4 * (1000 + 16));
    for at in (0..sealed.len()).step_by(7) {
        let mut changed = sealed.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(pair.open(&changed).is_err(), "byte {at}");
    }
    for length in (0..sealed.len()).step_by(101).chain((0..4).map(|n| start + n * piece)) {
        assert!(pair.open(&sealed[..length]).is_err(), "the first {length} bytes");
    }
    let (head, pieces) = sealed.split_at(start);
    let ordered = |order: &[usize]| -> Vec<u8> {
        let pieces = order.iter().map(|n| &pieces[n * piece..(n + 1) * piece]);
        std::iter::once(head).chain(pieces).flatten().copied().collect()
    };
    assert_eq!(pair.open(&ordered(&[0, 1, 2, 3])).unwrap(), content);
    for order in [&[1, 0, 2, 3][..], &[0, 0, 2, 3], &[0, 1, 3], &[0, 1, 2, 3, 3], &[3], &[]] {
        assert!(pair.open(&ordered(order)).is_err(), "{order:?}");
    }
    // The pieces of another envelope of the same two.
    let other = in_pieces(&pair, &content, 1000);
    assert!(pair.open(&[head, &other[start..]].concat()).is_err());
}

#[test]
fn a_peer_cannot_have_large_pieces_held() {
    let pair = Pair::new();
    let content = vec![7; 9 << 20];
    assert_eq!(pair.open(&in_pieces(&pair, &content, 1 << 20)).unwrap(), content);
    let sealed = in_pieces(&pair, &content, 9 << 20);
    assert_eq!(pair.open(&sealed), Err(Unopened::Damaged));
}

#[test]
fn how_large_a_piece_is_follows_from_what_the_head_says() {
    #[rustfmt::skip]
    let cases = [
        // pieces, the last, all of them        the largest
        (1,         20,     20,                 20),
        (2,         20,     120,                100),
        (3,         20,     220,                100),
        (0,         u64::MAX, 0,                u64::MAX),
        (0,         0,      u64::MAX,           u64::MAX),
        (1,         0,      u64::MAX,           u64::MAX),
        (u32::MAX,  u64::MAX, u64::MAX,         u64::MAX),
    ];
    for (segment_count, last_segment_bytes, ciphertext_len, largest) in cases {
        let (suite, nonce) = (String::new(), String::new());
        let cipher = CipherInfo { suite, segment_count, last_segment_bytes, ciphertext_len, nonce };
        assert_eq!(piece_bytes(&cipher), largest, "{cipher:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_sealed_opens_to_the_same(content in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let pair = Pair::new();
        prop_assert_eq!(pair.open(&pair.seal(&content)).unwrap(), content);
    }

    #[test]
    fn garbage_never_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..6000),
        length in any::<u32>(),
    ) {
        let pair = Pair::new();
        prop_assert!(pair.open(&tail).is_err());
        let mut bytes = b"SYC2\x01".to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(&tail);
        prop_assert!(pair.open(&bytes).is_err());
    }

    #[test]
    fn a_head_of_any_json_never_panics(
        text in r#"\{("[a-z]{1,8}":(-?[0-9]{1,25}|"[a-z]{0,9}"|\[\]|null|1e[0-9]{1,3})(,"z[a-z]{1,3}":[0-9]{1,3})?)?\}"#,
    ) {
        let mut bytes = b"SYC2\x01".to_vec();
        bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.resize(9 + 4096, 0);
        bytes.extend([64, 0]);
        bytes.extend([7; 64 + 20]);
        prop_assert!(Pair::new().open(&bytes).is_err());
    }
}
