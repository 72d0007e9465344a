//! Which paths a rule's pattern matches, and how specific it is.
//!
//! A pattern without any of `* ? [` is compared as text. Otherwise: `*` and `?` stay within one
//! component; `**` as a whole component is any number of components, none included; `[..]` is a
//! set; a backslash makes the next character literal; no braces. A component that starts with a
//! dot is matched only by one that does, so `**` takes in neither `.env` nor `..`.
//! (`wcmatch.globmatch` with `GLOBSTAR`, which the Python client uses; `globset` lets `*` match a
//! leading dot, and knows braces.)
//!
//! Matching looks back only to the last `*` of a component and to the last `**`, so its cost is at
//! most the product of both lengths, whatever the pattern.

use std::cmp::Ordering;

use super::class::Class;
use super::wildcard::{self, Token};

/// The text in a pattern that stands for the address of whoever asks.
pub(super) const TEMPLATE: &str = "{{.UserEmail}}";

/// Templates of other programs, which make a file invalid.
pub(super) const UNSUPPORTED: [&str; 4] = ["{{.UserHash}}", "{{.Year}}", "{{.Month}}", "{{.Date}}"];

/// A compiled pattern, for one user if the text has a template.
#[derive(Clone, Debug)]
pub struct Pattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Text(String),
    Glob(Vec<Part>),
    /// Needs an empty component, which no path has.
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    AnyDepth,
    Literal(String),
    Wild(Vec<Token>),
}

impl Pattern {
    /// Compiles `text` as it is; a template in it stands for itself.
    pub fn new(text: &str) -> Self {
        if !has_wildcard(text) {
            return Self(Kind::Text(text.to_owned()));
        }
        match split(text) {
            Some(parts) => Self(Kind::Glob(Part::all(&parts))),
            None => Self(Kind::Nothing),
        }
    }

    /// Compiles `text` for `user`, whose address replaces the template. Wildcards within the
    /// address stand for themselves.
    pub fn for_user(text: &str, user: &str) -> Self {
        if !has_template(text) {
            Self::new(text)
        } else if has_wildcard(&text.replace(TEMPLATE, "")) {
            let mut literal = String::with_capacity(user.len());
            for c in user.chars() {
                if matches!(c, '*' | '?' | '[' | '\\') {
                    literal.push('\\');
                }
                literal.push(c);
            }
            Self::new(&text.replace(TEMPLATE, &literal))
        } else {
            Self(Kind::Text(text.replace(TEMPLATE, user)))
        }
    }

    /// True if the pattern matches a path, given as `/`-separated components without empty ones.
    pub fn matches(&self, path: &str) -> bool {
        match &self.0 {
            Kind::Text(text) => text == path,
            Kind::Nothing => false,
            Kind::Glob(parts) if path.is_empty() => matches_parts(parts, &[]),
            Kind::Glob(parts) => matches_parts(parts, &path.split('/').collect::<Vec<_>>()),
        }
    }

    /// As [`Pattern::matches`], for a path that is split already.
    pub(super) fn matches_components(&self, components: &[&str]) -> bool {
        match &self.0 {
            Kind::Glob(parts) => matches_parts(parts, components),
            Kind::Nothing => false,
            Kind::Text(text) if text.is_empty() => components.is_empty(),
            Kind::Text(text) => text.split('/').eq(components.iter().copied()),
        }
    }
}

/// True if the pattern is a glob rather than text.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// True if the pattern names the requester.
pub(super) fn has_template(text: &str) -> bool {
    text.contains(TEMPLATE)
}

/// Returns a pattern that matches exactly the path `path`, even where its names hold wildcards or
/// templates. It is as specific as a pattern for this path can be.
pub fn escape(path: &str) -> String {
    if !path.contains(['*', '?', '[', '{']) {
        return path.to_owned();
    }
    let mut pattern = String::with_capacity(path.len() + 8);
    for c in path.chars() {
        match c {
            // `{` as well: it could begin a template, and a component with a bare `{` would
            // count as neither literal nor wildcard, so that `*` would go before it.
            '*' | '?' | '[' | '{' => pattern.extend(['[', c, ']']),
            '\\' => pattern.push_str("\\\\"),
            c => pattern.push(c),
        }
    }
    pattern
}

/// Splits a glob at its separators, escapes left in; `None` if a component is empty.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'/') => {
                chars.next();
                parts.push(String::new());
                while chars.next_if_eq(&'/').is_some() {}
            }
            '\\' => {
                let part = parts.last_mut()?;
                // One at the very end escapes nothing and is ignored.
                if let Some(next) = chars.next() {
                    part.extend(['\\', next]);
                }
            }
            '/' => {
                parts.push(String::new());
                while chars.next_if_eq(&'/').is_some() {} // several count as one
            }
            c => parts.last_mut()?.push(c),
        }
    }
    (!parts.iter().any(String::is_empty)).then_some(parts)
}

impl Part {
    /// Several `**` in a row are one. One at the end needs at least one component if anything
    /// stands before it: `dir/**` does not match `dir`.
    fn all(texts: &[String]) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::with_capacity(texts.len() + 1);
        for text in texts {
            let part = Self::new(text);
            if !matches!((parts.last(), &part), (Some(Self::AnyDepth), Self::AnyDepth)) {
                parts.push(part);
            }
        }
        if parts.len() > 1 && matches!(parts.last(), Some(Self::AnyDepth)) {
            parts.insert(parts.len() - 1, Self::Wild(vec![Token::Star]));
        }
        parts
    }

    pub(super) fn new(text: &str) -> Self {
        if text == "**" {
            return Self::AnyDepth;
        }
        let chars: Vec<char> = text.chars().collect();
        let mut rest = chars.as_slice();
        let mut tokens = Vec::new();
        let mut may_open = true;
        while let [c, after @ ..] = rest {
            rest = after;
            match (c, after) {
                ('*', _) if matches!(tokens.last(), Some(Token::Star)) => {}
                ('*', _) => tokens.push(Token::Star),
                ('?', _) => tokens.push(Token::Any),
                ('\\', [escaped, after @ ..]) => {
                    tokens.push(Token::One(*escaped));
                    rest = after;
                }
                ('[', _) if may_open => match Class::parse_path(after) {
                    Some((class, length)) => {
                        tokens.push(Token::In(class));
                        rest = &after[length..];
                    }
                    None => {
                        // What does not close here does not close later either.
                        may_open = false;
                        tokens.push(Token::One('['));
                    }
                },
                (c, _) => tokens.push(Token::One(*c)),
            }
        }
        let literal = tokens.iter().map(|t| if let Token::One(c) = t { Some(*c) } else { None });
        match literal.collect::<Option<String>>() {
            Some(literal) => Self::Literal(literal),
            None => Self::Wild(tokens),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::AnyDepth => !name.starts_with('.'),
            Self::Literal(literal) => literal == name,
            Self::Wild(tokens) => {
                let dot_is_written = matches!(tokens.first(), Some(Token::One('.')));
                (dot_is_written || !name.starts_with('.'))
                    && !name.is_empty()
                    && wildcard::matches(tokens, name)
            }
        }
    }
}

/// Only the last `**` is taken back. That is enough although it cannot take in a dot: what lies
/// between two `**` and would have to move past a dot cannot match there, since only a written
/// dot matches one.
fn matches_parts(parts: &[Part], components: &[&str]) -> bool {
    let (mut part, mut component) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (parts.get(part), components.get(component)) {
            (None, None) => return true,
            (Some(Part::AnyDepth), _) => {
                part += 1;
                back = Some((part, component));
                continue;
            }
            (Some(wanted), Some(name)) if wanted.matches(name) => {
                part += 1;
                component += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = back else { return false };
        match components.get(from) {
            Some(name) if Part::AnyDepth.matches(name) => {
                back = Some((after, from + 1));
                (part, component) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// How specific a pattern is; the greater one is tried first.
///
/// Compared in the order of the fields, except that fewer `**` are more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Specificity {
    /// Names the requester.
    pub template: bool,
    /// Components without wildcard, brace or template.
    pub literals: usize,
    /// Components with a wildcard, other than `**`.
    pub wildcards: usize,
    /// Components that are `**`.
    pub any_depths: usize,
    /// All components.
    pub components: usize,
}

impl Specificity {
    /// Returns the specificity of a pattern's text. Separators are counted as written: neither
    /// escapes nor sets are looked at.
    pub fn of(pattern: &str) -> Self {
        let count =
            |wanted: &dyn Fn(&str) -> bool| pattern.split('/').filter(|c| wanted(c)).count();
        Self {
            template: has_template(pattern),
            literals: count(&|c| !has_wildcard(c) && !c.contains('{')),
            wildcards: count(&|c| c != "**" && has_wildcard(c) && !has_template(c)),
            any_depths: count(&|c| c == "**"),
            components: count(&|_| true),
        }
    }
}

impl Ord for Specificity {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |s: &Self| {
            (s.template, s.literals, s.wildcards, std::cmp::Reverse(s.any_depths), s.components)
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Specificity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests;
