//! Sets of characters, as `[a-z]` and `[!0-9]` write them.
//!
//! Two dialects write them: path patterns (`wcmatch`: escapes, `[:alpha:]`) and user entries
//! (Python's `fnmatch`: neither). They parse by themselves; a set is the same for both.

/// A set of characters: some ranges, or everything but them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    /// True if the set has `c`.
    pub(super) fn contains(&self, c: char) -> bool {
        self.negated != self.ranges.iter().any(|&(low, high)| (low..=high).contains(&c))
    }

    /// Reads the set that starts after the `[` at the start of `text`, in the dialect of user
    /// entries. Returns it with the number of characters read, the closing `]` included; `None` if
    /// nothing closes it, so that the `[` stands for itself.
    pub(super) fn parse_entry(text: &[char]) -> Option<(Self, usize)> {
        let negated = text.first() == Some(&'!');
        let start = usize::from(negated);
        // A `]` in first place does not close.
        let first = start + usize::from(text.get(start) == Some(&']'));
        let end = first + text.get(first..)?.iter().position(|&c| c == ']')?;
        let body = text.get(start..end)?;
        let mut ranges = Vec::new();
        let mut rest = body;
        loop {
            match *rest {
                [low, '-', high, ref after @ ..] => {
                    ranges.push((low, high)); // empty if backwards
                    rest = after;
                }
                [c, ref after @ ..] => {
                    ranges.push((c, c));
                    rest = after;
                }
                [] => break,
            }
        }
        Some((Self { negated, ranges }, end + 1))
    }

    /// Reads the set that starts after the `[` at the start of `text`, in the dialect of path
    /// patterns; as [`Class::parse_entry`] otherwise. `text` holds no unescaped `/`.
    pub(super) fn parse_path(text: &[char]) -> Option<(Self, usize)> {
        let negated = matches!(text.first(), Some('!' | '^'));
        let mut scan = Scan { text, at: usize::from(negated), items: Vec::new() };
        scan.first()?;
        scan.rest()?;
        let at = scan.at;
        Some((Self { negated, ranges: scan.into_ranges() }, at))
    }
}

/// One element within the brackets of a path pattern.
#[derive(Clone, Copy)]
enum Item {
    One(char),
    Posix(&'static [(char, char)]),
    /// A `-` between the two ends of a range.
    Range,
}

struct Scan<'a> {
    text: &'a [char],
    at: usize,
    items: Vec<Item>,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.text.get(self.at).copied()?;
        self.at += 1;
        Some(c)
    }

    /// The first character is special: `]` and `-` stand for themselves there.
    fn first(&mut self) -> Option<()> {
        match self.text.get(self.at)? {
            ']' | '-' | '[' => {
                let c = self.next()?;
                let posix = if c == '[' { self.posix() } else { None };
                self.items.push(posix.unwrap_or(Item::One(c)));
            }
            _ => {}
        }
        Some(())
    }

    fn rest(&mut self) -> Option<()> {
        loop {
            let item = match self.next()? {
                ']' => return Some(()),
                '-' => self.hyphen(),
                '\\' => Item::One(self.next()?),
                '[' => self.posix().unwrap_or(Item::One('[')),
                '/' => return None,
                c => Item::One(c),
            };
            self.items.push(item);
        }
    }

    /// Whether a `-` makes a range: it does between two single characters, unless the one before
    /// it closed a range already.
    fn hyphen(&self) -> Item {
        match *self.items.as_slice() {
            [.., Item::Range, Item::One(_)] | [.., Item::Posix(_) | Item::Range] | [] => {
                Item::One('-')
            }
            [.., Item::One(_)] => Item::Range,
        }
    }

    /// Reads `:alpha:]` after a `[`.
    fn posix(&mut self) -> Option<Item> {
        let rest = self.text.get(self.at..)?;
        POSIX.iter().find_map(|&(name, ranges)| {
            let spelled = [':'].into_iter().chain(name.chars()).chain([':', ']']);
            let length = name.len() + 3;
            (rest.len() >= length && rest.iter().copied().take(length).eq(spelled)).then(|| {
                self.at += length;
                Item::Posix(ranges)
            })
        })
    }

    fn into_ranges(self) -> Vec<(char, char)> {
        let mut ranges = Vec::new();
        let mut rest = self.items.as_slice();
        loop {
            match *rest {
                [Item::One(low), Item::Range, Item::One(high), ref after @ ..] => {
                    ranges.push((low, high)); // empty if backwards
                    rest = after;
                }
                [Item::One(c), ref after @ ..] => {
                    ranges.push((c, c));
                    rest = after;
                }
                [Item::Range, ref after @ ..] => {
                    ranges.push(('-', '-'));
                    rest = after;
                }
                [Item::Posix(set), ref after @ ..] => {
                    ranges.extend_from_slice(set);
                    rest = after;
                }
                [] => return ranges,
            }
        }
    }
}

#[rustfmt::skip]
const POSIX: [(&str, &[(char, char)]); 14] = [
    ("alnum",  &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha",  &[('A', 'Z'), ('a', 'z')]),
    ("ascii",  &[('\0', '\x7f')]),
    ("blank",  &[('\t', '\t'), (' ', ' ')]),
    ("cntrl",  &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit",  &[('0', '9')]),
    ("graph",  &[('!', '~')]),
    ("lower",  &[('a', 'z')]),
    ("print",  &[(' ', '~')]),
    ("punct",  &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space",  &[('\t', '\r'), (' ', ' ')]),
    ("upper",  &[('A', 'Z')]),
    ("word",   &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];
