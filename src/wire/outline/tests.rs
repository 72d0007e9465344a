//! What is taken out of JSON and what is not, and that all of it is read as ever.

use proptest::prelude::*;
use serde_json::Value;

use super::super::{Error, Packed as _, ProposedFileChange, ProposedFileChangesMessage, archive};
use super::*;
use crate::model::Digest;

/// A shelf in memory.
#[derive(Debug, Default)]
pub(in super::super) struct Strings(Vec<Vec<u8>>, Option<Bounds>);

impl Shelf for Strings {
    fn secret(&self) -> &str {
        "s3cret"
    }

    fn bounds(&self) -> Bounds {
        self.1.unwrap_or(Bounds::ALL)
    }

    fn begin(&mut self) -> io::Result<usize> {
        self.0.push(Vec::new());
        Ok(self.0.len() - 1)
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.0.last_mut().unwrap().extend_from_slice(text);
        Ok(())
    }

    fn keep(&mut self, number: usize, encoding: Encoding) -> io::Result<Result<Large, Problem>> {
        let text = String::from_utf8(self.0[number].clone()).unwrap();
        let kind = if encoding == Encoding::Text { "text" } else { "binary" };
        let content = match super::super::Content::from_wire(text, Some(kind)) {
            Ok(content) => content,
            Err(problem) => return Ok(Err(problem)),
        };
        let bytes = content.inline().unwrap();
        let is_text = std::str::from_utf8(bytes).is_ok();
        let (digest, size_bytes) = (Digest::of(bytes), bytes.len() as u64);
        Ok(Ok(Large { digest, size_bytes, is_text }))
    }

    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SMALL: Bounds = Bounds { string: 8, together: 24, small: 4, left: 1 << 20 };

/// Gives so many bytes at a time.
struct Slowly<'a>(&'a [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(to.len()).min(self.0.len());
        to[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Reads JSON `step` bytes at a time, and puts the strings back.
fn outlined(json: &[u8], step: usize) -> (Result<Value, String>, usize) {
    let mut shelf = Strings(Vec::new(), Some(SMALL));
    let outliner = Outliner::new(Slowly(json, step), &mut shelf);
    let read = serde_json::from_reader::<_, Value>(outliner).map_err(|error| error.to_string());
    let count = shelf.0.len();
    (read.and_then(|value| put_back(value, &shelf)), count)
}

fn put_back(value: Value, shelf: &Strings) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match named(&text, shelf.secret()) {
            Some(number) => {
                let text = String::from_utf8(shelf.0[number].clone());
                Value::String(text.map_err(|error| error.to_string())?)
            }
            None => Value::String(text),
        },
        Value::Array(all) => {
            Value::Array(all.into_iter().map(|it| put_back(it, shelf)).collect::<Result<_, _>>()?)
        }
        Value::Object(all) => {
            let all = all.into_iter().map(|(key, it)| Ok((key, put_back(it, shelf)?)));
            Value::Object(all.collect::<Result<_, String>>()?)
        }
        other => other,
    })
}

#[test]
fn only_what_is_large_is_taken_out_and_all_is_read_as_ever() {
    #[rustfmt::skip]
    let cases: [(&str, &[u8], Option<usize>); 16] = [
        // what                       JSON                                         taken out; None: refused
        ("small strings",             br#"{"a":["bc","d\"e"]}"#,                    Some(0)),
        ("as large as may be",        br#"{"a":"12345678"}"#,                       Some(0)),
        ("a large one",               br#"{"a":"123456789"}"#,                      Some(1)),
        ("with quotes",               br#"{"a":"\"\"\"\"\"\"\"\"\\"}"#,             Some(1)),
        ("escapes",                   br#"["\b\f\n\r\t\/\\\"\u00e9\u20ac1234567"]"#,    Some(1)),
        ("a pair of surrogates",      br#"["\ud83d\ude00 and so on"]"#,             Some(1)),
        ("a lone surrogate",          br#"["\ud83d and so on"]"#,                   None),
        ("a pair the wrong way",      br#"["\ude00\ud83d and so on"]"#,             None),
        ("half a pair, then another", br#"["\ud83d\n and so on"]"#,                 None),
        ("an escape that is none",    br#"["and so on \x"]"#,                       None),
        ("too few digits",            br#"["and so on \u12"]"#,                     None),
        ("a control character",       b"[\"and so on \n\"]",                        None),
        ("no end",                    br#"["and so on"#,                            None),
        ("no end of a small one",     br#"["and"#,                                  None),
        ("many",                      br#"["12345","12345","12345","12345","12345","12345"]"#, Some(2)),
        ("not UTF-8",                 b"[\"and so on \xff\"]",                      None),
    ];
    for (what, json, taken) in cases {
        for step in [1, 2, 3, 1000] {
            let (read, count) = outlined(json, step);
            let whole = serde_json::from_slice::<Value>(json);
            match taken {
                Some(taken) => {
                    assert_eq!(read.unwrap(), whole.unwrap(), "{what}");
                    assert_eq!(count, taken, "{what}");
                }
                None => assert!(read.is_err() && whole.is_err(), "{what}: {read:?}"),
            }
        }
    }
}

#[test]
fn no_content_names_a_string_that_was_taken_out() {
    let forged = format!("{MARK}guess 0");
    assert_eq!(named(&forged, "s3cret"), None);
    assert!(looks_named(&forged));
    assert_eq!(named(&format!("{MARK}s3cret 7"), "s3cret"), Some(7));
    assert_eq!(named(&format!("{MARK}s3cret7"), "s3cret"), None);
}

proptest! {
    #[test]
    fn whatever_the_strings_hold_they_are_the_same(
        texts in prop::collection::vec("(?s).{0,20}", 0..8), step in 1_usize..40,
    ) {
        let value = serde_json::json!({ "all": texts });
        let (read, _) = outlined(serde_json::to_string(&value).unwrap().as_bytes(), step);
        prop_assert_eq!(read.unwrap(), value);
    }

    #[test]
    fn what_is_no_json_is_refused_as_ever(bytes in r#"[\[\]{}"\\u0-9a-f:,dn ]{0,60}"#, step in 1_usize..9) {
        let (read, _) = outlined(bytes.as_bytes(), step);
        match serde_json::from_str::<Value>(&bytes) {
            Ok(value) => prop_assert_eq!(read.unwrap(), value),
            Err(_) => prop_assert!(read.is_err()),
        }
    }
}

/// JSON that a reader passes over, and what it says if it is endless.
#[test]
fn what_is_around_the_strings_has_bounds() {
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let digits = |count: usize| format!("{{\"x\":-1.{}}}", "0".repeat(count));
    let strings = |count: usize| format!("[{}\"\"]", "\"abc\",".repeat(count));
    #[rustfmt::skip]
    let cases = [
        // what                     JSON                               refused
        ("as deep as may be",       nested(DEPTH_MAX - 1),              None),
        ("too deep",                nested(DEPTH_MAX),                  Some("in one another")),
        ("side by side",            format!("[{}[]]", "[],".repeat(1000)),  None),
        ("only opened",             "{\"x\":[".repeat(1000),            Some("in one another")),
        ("as long as may be",       digits(WORD_BYTES_MAX - 3),         None),
        ("too long",                digits(WORD_BYTES_MAX - 2),         Some("digits")),
        ("one after the other",     format!("[{}1]", "123,".repeat(1000)),  None),
        ("in a string",             format!("[\"{}\"]", "[1".repeat(1000)), None),
        ("blanks",                  format!("[{}1]", " ".repeat(9000)), None),
        ("as many as may be",       strings(100),                       None),
        ("too many",                strings(200),                       Some("small strings")),
    ];
    for (what, json, refused) in cases {
        for step in [1, 7, 100_000] {
            let bounds = Bounds { left: 4 * 101 + 1, ..SMALL };
            let mut shelf = Strings(Vec::new(), Some(bounds));
            let outliner = Outliner::new(Slowly(json.as_bytes(), step), &mut shelf);
            let read = serde_json::from_reader::<_, serde::de::IgnoredAny>(outliner);
            let said = read.err().map(|error| error.to_string());
            match refused {
                None => assert_eq!(said, None, "{what}"),
                Some(why) => {
                    assert!(said.as_ref().is_some_and(|it| it.contains(why)), "{what}: {said:?}")
                }
            }
        }
    }
}

/// What of a message counts, and what is refused: for each change its path and content.
type Verdicts = Vec<Result<(String, Option<Digest>, bool), &'static str>>;

fn verdicts(message: Result<ProposedFileChangesMessage, Error>) -> Result<Verdicts, ()> {
    let verdict = |change: ProposedFileChange| match change.check() {
        Ok(proposal) => Ok((proposal.path.to_string(), proposal.digest(), proposal.claim_holds())),
        Err(invalid) => Err(invalid.field),
    };
    let message = message.map_err(drop)?;
    Ok(message.proposed_file_changes.into_iter().map(verdict).collect())
}

/// What is put somewhere into a message.
const EDITS: [&str; 22] = [
    "",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\ud83d",
    "\\ude00",
    "\\u00e9",
    "\\u12",
    "\n",
    "\0",
    "\u{e9}",
    "0",
    "1e999",
    "null",
    "=",
    "\"content\": \"here once more, and long enough to be taken out, so that it is\",",
    "\"x\": [{\"y\": \"what nobody knows, and long enough to be taken out, so that it is\"}],",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_message_is_read_as_if_it_were_small(
        contents in prop::collection::vec(
            (prop_oneof!["(?s).{0,90}", "[a-zA-Z0-9+/]{0,90}={0,2}", "([a-zA-Z0-9+/]{4}){0,30}"], 0_usize..4, any::<bool>()),
            1..5,
        ),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..2, prop::sample::select(&EDITS[..])), 0..3),
    ) {
        let changes: Vec<Value> = contents.iter().enumerate().map(|(n, (content, kind, is_claimed))| {
            let kind = [Some("text"), Some("binary"), Some("other"), None][*kind];
            let mut change = serde_json::json!({
                "id": format!("00000000-0000-4000-8000-{n:012}"), "old_hash": null,
                "submitted_timestamp": 1_780_000_000.5, "path_in_datasite": format!("f{n}"),
                "content": content, "datasite_email": "do@example.org", "is_deleted": false, "content_type": kind,
            });
            if *is_claimed {
                change["new_hash"] = Digest::of(content.as_bytes()).to_hex().into();
            }
            change
        }).collect();
        let message = serde_json::json!({
            "id": null, "sender_email": "ds@example.org",
            "message_filename": { "submitted_timestamp": 1_780_000_000.5, "uid": "u" },
            "proposed_file_changes": changes,
        });
        let mut json: Vec<char> = serde_json::to_string(&message).unwrap().chars().collect();
        for (at, removed, edit) in edits {
            let at = at.index(json.len());
            json.splice(at..(at + removed).min(json.len()), edit.chars());
        }
        let json: String = json.into_iter().collect();
        let bounds = Bounds { string: 64, together: 100, small: 64, left: 1 << 20 };
        let packed = archive::pack(json.as_bytes(), 7);
        let piecewise = ProposedFileChangesMessage::read_from(&packed[..], &mut Strings(Vec::new(), Some(bounds)));
        let whole = ProposedFileChangesMessage::from_file_bytes(&packed);
        match (verdicts(piecewise), verdicts(whole)) {
            // Half a character in what is passed over is refused here, and there nobody looks.
            (Err(()), Ok(_)) if json.contains("\\ud83d") || json.contains("\\ude00") => {}
            (piecewise, whole) => prop_assert_eq!(piecewise, whole, "{}", json),
        }
    }
}
