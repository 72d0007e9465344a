//! What may stand in a bug report: numbers, versions, words of this program, and codes of errors.
//!
//! Pure. A report is made of [`Fact`]s and nothing else, so that there is no way for a text that was
//! read somewhere (an address, a path, a name, a token) into it. What is read becomes a number, a
//! word out of a list that stands in the program, or [`UNKNOWN`].
//!
//! Invariant: no type here holds a text that is not part of the program; `unsafe` and leaks are
//! not used, so a `&'static str` is one.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::model::Code;

/// The word for what is not one of the words that are known.
pub const UNKNOWN: &str = "something-else";

/// One piece of knowledge that names nobody and nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// How many.
    Count(u64),
    /// Yes or no.
    Is(bool),
    /// A word of this program.
    Word(&'static str),
    /// A version.
    Version(Numbers),
    /// A kind of error.
    Code(Code),
}

/// A version as bare numbers: one to three of them, none above 65,535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    parts: [u16; 3],
    count: usize,
}

/// One line: what it is about, and what is known of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub label: &'static str,
    /// What is known.
    pub facts: Vec<Fact>,
}

/// Lines about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which thing.
    pub title: &'static str,
    /// The lines; a label may come several times.
    pub lines: Vec<Line>,
}

/// What a maintainer needs to know, and nothing that a person would not want to be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BugReport {
    /// Its parts, in order.
    pub sections: Vec<Section>,
}

impl Numbers {
    /// Reads the numbers with which `text` begins; `None` if it begins with none.
    /// `6.8.0-45-generic` is 6.8.0.
    pub fn read(text: &str) -> Option<Self> {
        let (mut parts, mut count) = ([0; 3], 0);
        for piece in text.split('.').take(parts.len()) {
            let digits = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
            let Ok(number) = piece[..digits].parse() else { break };
            parts[count] = number;
            count += 1;
            if digits < piece.len() {
                break;
            }
        }
        (count > 0).then_some(Self { parts, count })
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().take(self.count).enumerate() {
            let dot = if place == 0 { "" } else { "." };
            write!(f, "{dot}{part}")?;
        }
        Ok(())
    }
}

impl Fact {
    /// Returns the version with which `text` begins, or that it is none.
    pub fn version(text: &str) -> Self {
        Numbers::read(text).map_or(Self::Word("not-a-number"), Self::Version)
    }

    /// Returns the word of `known` that `text` is, or [`UNKNOWN`].
    pub fn word(text: &str, known: &[&'static str]) -> Self {
        Self::Word(known.iter().find(|word| **word == text).copied().unwrap_or(UNKNOWN))
    }

    /// Returns a number of things.
    pub fn count(number: usize) -> Self {
        Self::Count(number as u64)
    }

    /// Returns the code of this name, or [`UNKNOWN`].
    pub fn code(name: &str) -> Self {
        let code = Code::ALL.iter().find(|code| code.as_str() == name);
        code.map_or(Self::Word(UNKNOWN), |code| Self::Code(*code))
    }

    fn to_json(self) -> Value {
        match self {
            Self::Count(number) => json!(number),
            Self::Is(yes) => json!(yes),
            Self::Word(word) => json!(word),
            Self::Version(version) => json!(version.to_string()),
            Self::Code(code) => json!(code),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(number) => number.fmt(f),
            Self::Is(yes) => f.write_str(if *yes { "yes" } else { "no" }),
            Self::Word(word) => f.write_str(word),
            Self::Version(version) => version.fmt(f),
            Self::Code(code) => code.fmt(f),
        }
    }
}

impl Section {
    /// Begins a part.
    pub const fn new(title: &'static str) -> Self {
        Self { title, lines: Vec::new() }
    }

    /// Adds a line with one fact.
    pub fn add(&mut self, label: &'static str, fact: Fact) {
        self.add_all(label, vec![fact]);
    }

    /// Adds a line with several facts.
    pub fn add_all(&mut self, label: &'static str, facts: Vec<Fact>) {
        self.lines.push(Line { label, facts });
    }
}

impl BugReport {
    /// Returns the report as JSON: a list of parts, each with its facts by label. A label that may
    /// come several times has a list.
    pub fn to_json(&self) -> Value {
        let sections = self.sections.iter().map(|section| {
            let mut facts = Map::new();
            for Line { label, facts: all } in &section.lines {
                let all: Vec<Value> = all.iter().map(|fact| fact.to_json()).collect();
                let value = if let [one] = &all[..] { one.clone() } else { Value::Array(all) };
                let lines = section.lines.iter().filter(|line| line.label == *label).count();
                match facts.get_mut(*label) {
                    Some(Value::Array(several)) if lines > 1 => several.push(value),
                    _ if lines > 1 => drop(facts.insert((*label).to_owned(), json!([value]))),
                    _ => drop(facts.insert((*label).to_owned(), value)),
                }
            }
            json!({ "about": section.title, "facts": facts })
        });
        json!({ "report": sections.collect::<Vec<_>>() })
    }
}

impl fmt::Display for BugReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "syft bug report: numbers, versions, fixed words and error codes, no names and no \
             addresses\n",
        )?;
        for Section { title, lines } in &self.sections {
            writeln!(f, "\n{title}")?;
            for Line { label, facts } in lines {
                let facts: Vec<String> = facts.iter().map(Fact::to_string).collect();
                writeln!(f, "  {label:<24}{}", facts.join("  "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_read_as_numbers_and_the_rest_is_dropped() {
        let cases = [
            ("0.1.117", Some("0.1.117")),
            ("6.8.0-45-generic", Some("6.8.0")),
            ("0.5.1 (abc 2026-01-01)", Some("0.5.1")),
            ("1.2.3.4", Some("1.2.3")),
            ("1.2rc1.9", Some("1.2")),
            ("3.x", Some("3")),
            ("12", Some("12")),
            ("70000.1", None),
            ("1.70000", Some("1")),
            ("ann@example.org 1.2.3", None),
            ("1ann@example.org", Some("1")),
            ("v1.2", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let read = Numbers::read(text).map(|numbers| numbers.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_label_that_comes_again_is_a_list() {
        let mut section = Section::new("x");
        section.add("one", Fact::Count(1));
        section.add_all("peer", vec![Fact::Word("a"), Fact::Is(true)]);
        section.add("two", Fact::Code(Code::Locked));
        section.add_all("peer", vec![Fact::Word("b"), Fact::Is(false)]);
        let report = BugReport { sections: vec![section] };
        let facts = json!({ "one": 1, "peer": [["a", true], ["b", false]], "two": "locked" });
        assert_eq!(report.to_json(), json!({ "report": [{ "about": "x", "facts": facts }] }));
    }

    proptest! {
        /// Whatever the text, what comes out of it is a number or a word of ours.
        #[test]
        fn no_text_gets_into_a_fact(text in "\\PC{0,40}") {
            let known = ["ext4", "xfs"];
            let shown = Fact::version(&text).to_string();
            let is_number = shown.chars().all(|c| c.is_ascii_digit() || c == '.');
            prop_assert!(is_number || shown == "not-a-number", "{}", shown);
            let word = Fact::word(&text, &known).to_string();
            prop_assert!(known.contains(&word.as_str()) || word == UNKNOWN);
            let code = Fact::code(&text).to_string();
            prop_assert!(code == UNKNOWN || Code::ALL.iter().any(|known| known.as_str() == code));
        }
    }
}
