//! Reads and writes the text of a permission file.
//!
//! Reading follows what the Python client accepts (PyYAML, then pydantic), but never raises: the
//! caller gets an [`InvalidRuleset`] and decides. Bounded in size, depth, nodes and rules before
//! anything is built; aliases are expanded within the same bounds. PyYAML also takes unquoted
//! dates for dates and so refuses them as patterns, where we read text.
//!
//! Writing has sorted keys and quotes every text, so that no reader takes `yes` or `1:30` for
//! something else; comments and unknown keys of an older file are not kept (nor are they there).

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};

use super::pattern::UNSUPPORTED;
use super::rules::{Access, Level, Rule, Ruleset};

/// The largest permission file that is read, in bytes: 1,000 rules of a usual length fit four times over.
pub const RULE_BYTES_MAX: usize = 256 * 1024;
const RULES_MAX: usize = 2_000;
const ENTRIES_MAX: usize = 5_000; // in all lists of one file
const TEXT_MAX: usize = 4_096; // bytes of one pattern or entry; a path has at most 1,024
const NODES_MAX: usize = 40_000;
const DEPTH_MAX: usize = 16; // the format needs 5

/// Why a permission file cannot be used. Whoever it governs is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRuleset {
    /// Larger than any permission file should be.
    #[error("more than {max} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit, inclusive.
        max: usize,
    },
    /// Not UTF-8 or not YAML.
    #[error("not readable: {0}")]
    Unreadable(String),
    /// YAML of another shape.
    #[error("{place} is not {expected}")]
    Shape {
        /// Where, for instance `rule 3: pattern`.
        place: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A template that other programs know and no client of this protocol does.
    #[error("the template `{0}` is not supported")]
    Template(&'static str),
}

/// Reads a permission file. An empty one has no rules; unknown keys are ignored.
///
/// # Errors
/// [`InvalidRuleset`] if the Python client would not read it either, or a limit is exceeded.
pub fn parse(content: &[u8]) -> Result<Ruleset, InvalidRuleset> {
    if content.len() > RULE_BYTES_MAX {
        return Err(InvalidRuleset::TooLarge { what: "bytes", max: RULE_BYTES_MAX });
    }
    let text = std::str::from_utf8(content)
        .map_err(|error| InvalidRuleset::Unreadable(error.to_string()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: NODES_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let node: Option<Node> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| InvalidRuleset::Unreadable(shown(&error.to_string())))?;
    match node {
        None => Ok(Ruleset::default()),
        Some(node) if node.is_falsy() => Ok(Ruleset::default()),
        Some(node) => ruleset(&node),
    }
}

/// Writes a permission file that [`parse`] and PyYAML read back as the same rules.
pub fn write(ruleset: &Ruleset) -> String {
    let mut text = String::new();
    if ruleset.rules.is_empty() {
        text.push_str("rules: []\n");
    } else {
        text.push_str("rules:\n");
    }
    for rule in &ruleset.rules {
        text.push_str("- access:\n");
        for level in [Level::Admin, Level::Read, Level::Write] {
            let list = rule.access.list(level);
            text.push_str("    ");
            text.push_str(level.as_str());
            text.push_str(if list.is_empty() { ": []\n" } else { ":\n" });
            for entry in list {
                text.push_str("    - ");
                push_quoted(&mut text, entry);
                text.push('\n');
            }
        }
        text.push_str("  pattern: ");
        push_quoted(&mut text, &rule.pattern);
        text.push('\n');
    }
    text.push_str(if ruleset.terminal { "terminal: true\n" } else { "terminal: false\n" });
    text
}

/// True for texts that PyYAML writes without quotes; not for all of those, but for addresses and
/// usual paths.
fn is_plain(value: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "true", "false", "on", "off", "null"];
    let usual = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, ' ' | '@' | '.' | '_' | '/' | '*' | '+' | '-')
    };
    let has_letter_first = value.starts_with(|c: char| c.is_ascii_alphabetic());
    value.chars().all(usual)
        && (has_letter_first || value.starts_with(|c: char| c.is_ascii_digit()) && value.contains('@'))
        && !value.ends_with(' ')
        && value.len() <= 70 // beyond that, it would fold them
        && !WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// As PyYAML does: plain if it can be, else single quotes where they can hold the text, which they
/// do for all but control characters.
fn push_quoted(text: &mut String, value: &str) {
    use fmt::Write as _;
    let printable = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    if is_plain(value) {
        text.push_str(value);
        return;
    }
    if value.chars().all(printable) {
        text.push('\'');
        text.push_str(&value.replace('\'', "''"));
        text.push('\'');
        return;
    }
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if printable(c) => text.push(c),
            // Writing to a string cannot fail.
            c => drop(write!(text, "\\U{:08X}", u32::from(c))),
        }
    }
    text.push('"');
}

/// The first line of a foreign message, in a length fit for a report.
fn shown(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(200).collect()
}

fn ruleset(node: &Node) -> Result<Ruleset, InvalidRuleset> {
    let map = node.as_map("the file")?;
    let rules = match get(map, "rules") {
        Some(node) => node.as_list("rules")?,
        None => &[],
    };
    if rules.len() > RULES_MAX {
        return Err(InvalidRuleset::TooLarge { what: "rules", max: RULES_MAX });
    }
    let terminal = match get(map, "terminal") {
        Some(node) => node.as_flag("terminal")?,
        None => false,
    };
    let rules = rules.iter().enumerate().map(|(index, node)| rule(index + 1, node));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    let entries =
        |rule: &Rule| Level::ALL.iter().map(|&l| rule.access.list(l).len()).sum::<usize>();
    if rules.iter().map(entries).sum::<usize>() > ENTRIES_MAX {
        return Err(InvalidRuleset::TooLarge { what: "user entries", max: ENTRIES_MAX });
    }
    Ok(Ruleset { rules, terminal })
}

fn rule(number: usize, node: &Node) -> Result<Rule, InvalidRuleset> {
    let place = |what: &str| format!("rule {number}{what}");
    let map = node.as_map(&place(""))?;
    let missing = Node::Null;
    let pattern = get(map, "pattern").unwrap_or(&missing).as_text(&place(": pattern"))?;
    check_templates(&pattern)?;
    let lists = get(map, "access").unwrap_or(&missing).as_map(&place(": access"))?;
    let mut access = Access::default();
    for level in Level::ALL {
        if let Some(list) = get(lists, level.as_str()) {
            let place = place(&format!(": {level}"));
            let entries = list.as_list(&place)?.iter().map(|entry| entry.as_text(&place));
            *access.list_mut(level) = entries.collect::<Result<_, _>>()?;
        }
    }
    Ok(Rule { access, pattern })
}

/// Refuses templates that no client of this protocol fills in.
pub(super) fn check_templates(pattern: &str) -> Result<(), InvalidRuleset> {
    match UNSUPPORTED.into_iter().find(|&template| pattern.contains(template)) {
        Some(template) => Err(InvalidRuleset::Template(template)),
        None => Ok(()),
    }
}

/// Any YAML, so that a wrong shape can be named and unknown keys be skipped.
#[derive(Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

fn get<'a>(map: &'a [(Node, Node)], key: &str) -> Option<&'a Node> {
    let found = map.iter().rfind(|(k, _)| matches!(k, Node::Text(text) if text == key));
    found.map(|(_, value)| value)
}

impl Node {
    /// As Python's `or` sees it.
    fn is_falsy(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(flag) => !flag,
            Self::Number(number) => *number == 0.0,
            Self::Text(text) => text.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
        }
    }

    fn as_map(&self, place: &str) -> Result<&[(Self, Self)], InvalidRuleset> {
        match self {
            Self::Map(map) => Ok(map),
            _ => Err(shape(place, "a mapping")),
        }
    }

    fn as_list(&self, place: &str) -> Result<&[Self], InvalidRuleset> {
        match self {
            Self::List(list) => Ok(list),
            _ => Err(shape(place, "a list")),
        }
    }

    fn as_text(&self, place: &str) -> Result<String, InvalidRuleset> {
        match self {
            Self::Text(text) if text.len() <= TEXT_MAX => Ok(text.clone()),
            Self::Text(_) => Err(InvalidRuleset::TooLarge { what: "bytes of text", max: TEXT_MAX }),
            _ => Err(shape(place, "text")),
        }
    }

    /// As pydantic reads a flag.
    fn as_flag(&self, place: &str) -> Result<bool, InvalidRuleset> {
        match self {
            Self::Bool(flag) => Ok(*flag),
            Self::Number(number) if *number == 0.0 => Ok(false),
            Self::Number(number) if (*number - 1.0).abs() < f64::EPSILON => Ok(true),
            Self::Text(text) => match text.to_ascii_lowercase().as_str() {
                "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
                "0" | "off" | "f" | "false" | "n" | "no" => Ok(false),
                _ => Err(shape(place, "true or false")),
            },
            _ => Err(shape(place, "true or false")),
        }
    }
}

fn shape(place: &str, expected: &'static str) -> InvalidRuleset {
    InvalidRuleset::Shape { place: place.to_owned(), expected }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

#[expect(clippy::cast_precision_loss, reason = "numbers are only compared with 0 and 1")]
impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        Node::deserialize(inner)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests;
