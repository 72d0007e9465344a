//! Texts with `*`, `?` and sets, compared with a name: the match that path patterns and user entries
//! have in common. How they are written differs, and is read by each for itself.

use super::class::Class;

/// One element of a text with wildcards.
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// This character.
    One(char),
    /// Any one character.
    Any,
    /// Any characters, or none.
    Star,
    /// One of a set.
    In(Class),
}

/// True if the tokens match all of `text`.
///
/// The usual match in which only the last `*` is ever taken back: at most length times length.
pub(super) fn matches(tokens: &[Token], text: &str) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut back: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if matches!(tokens.get(at), Some(Token::Star)) {
            at += 1;
            if at == tokens.len() {
                return true;
            }
            back = Some((at, rest.clone()));
            continue;
        }
        let mut ahead = rest.clone();
        let fits = match (tokens.get(at), ahead.next()) {
            (None, None) => return true,
            (Some(Token::One(one)), Some(c)) => *one == c,
            (Some(Token::Any), Some(_)) => true,
            (Some(Token::In(class)), Some(c)) => class.contains(c),
            _ => false,
        };
        if fits {
            at += 1;
            rest = ahead;
        } else if let Some((star, from)) = &mut back {
            if from.next().is_none() {
                return false;
            }
            (at, rest) = (*star, from.clone());
        } else {
            return false;
        }
    }
}
