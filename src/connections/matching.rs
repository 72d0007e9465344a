//! Whether an entry is what a [`Query`] describes. Pure.
//!
//! Services filter by themselves; this is for those that cannot, and a second look at the answers
//! of those whose idea of a name is wider than ours.

use super::{Entry, NameIs, Ownership, Query};

/// True if all conditions of `query` hold.
pub(super) fn accepts(query: &Query, entry: &Entry) -> bool {
    let parents = &query.parents;
    (parents.is_empty() || entry.parents.iter().any(|parent| parents.contains(parent)))
        && accepts_anywhere(query, entry)
}

/// True if all conditions of `query` hold but that on the folder, which is not looked at.
pub(super) fn accepts_anywhere(query: &Query, entry: &Entry) -> bool {
    let owner_is_right = match &query.owner {
        None => true,
        Some(Ownership::Mine) => entry.is_mine,
        Some(Ownership::NotMine) => !entry.is_mine,
        Some(Ownership::Of(email)) => {
            entry.owner.as_ref().is_some_and(|owner| email.is_same_account(owner.as_str()))
        }
    };
    owner_is_right
        && query.kind.is_none_or(|kind| kind == entry.kind)
        && names_match(query, &entry.name)
}

/// True if the conditions of `query` on the name hold.
pub(super) fn names_match(query: &Query, name: &str) -> bool {
    query.names.is_empty()
        || query.names.iter().any(|wanted| match wanted {
            NameIs::Exactly(text) => text == name,
            NameIs::Like(text) => is_like(name, text),
        })
}

/// True if `name` begins with `text`, or goes on with it where a word begins; case does not count.
fn is_like(name: &str, text: &str) -> bool {
    let (name, text) = (name.to_lowercase(), text.to_lowercase());
    let mut before = None::<char>;
    name.char_indices().any(|(at, c)| {
        let word_begins = before.is_none_or(|before| !before.is_alphanumeric());
        before = Some(c);
        word_begins && name[at..].starts_with(&text)
    }) || text.is_empty()
}

/// Puts entries in the order that [`Connection::find`](super::Connection::find) promises.
pub(super) fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_a_prefix_of_the_name_or_of_a_word() {
        #[rustfmt::skip]
        let cases = [
            // name                  text            like
            ("syft_inbox_a_to_b",    "syft_inbox_",  true),
            ("syft_inbox_a_to_b",    "inbox",        true),
            ("syft_inbox_a_to_b",    "yft",          false),
            ("HelloWorld",           "hello",        true),
            ("HelloWorld",           "world",        false),
            ("größe éa",             "éa",           true),
            ("anything",             "",             true),
        ];
        for (name, text, like) in cases {
            assert_eq!(is_like(name, text), like, "{name} {text}");
        }
    }
}
