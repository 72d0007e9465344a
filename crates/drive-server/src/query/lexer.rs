//! Cuts a query into tokens. Pure.

use super::BadQuery;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A quoted value, escapes undone: `\'` and `\\`; a backslash before anything else is dropped.
    Text(String),
    /// A bare word: an operand, `and`, `contains`, `true`, …
    Word(String),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `(`, `)`, `{` or `}`.
    Sign(&'static str),
}

/// Longer signs first, so that `<=` is not read as `<`.
const SIGNS: [&str; 10] = ["<=", ">=", "!=", "=", "<", ">", "(", ")", "{", "}"];

pub(super) fn tokens(query: &str) -> Result<Vec<Token>, BadQuery> {
    let mut tokens = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '\'' {
            text(rest)?
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            word(rest)?
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Reads a quoted value; also returns its length in the query.
fn text(rest: &str) -> Result<(Token, usize), BadQuery> {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '\'' => return Ok((Token::Text(value), at + 1)),
            _ => value.push(c),
        }
    }
    Err(BadQuery)
}

fn word(rest: &str) -> Result<(Token, usize), BadQuery> {
    let part = |c: char| c.is_ascii_alphanumeric() || "_.-:+".contains(c);
    let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
    if length == 0 {
        return Err(BadQuery);
    }
    Ok((Token::Word(rest[..length].to_owned()), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_optional_and_escapes_undone() {
        let got = tokens(r"name='it\'s a \\ ' and  not (x<=1)").unwrap();
        let word = |text: &str| Token::Word(text.to_owned());
        let wanted = [
            word("name"),
            Token::Sign("="),
            Token::Text(r"it's a \ ".to_owned()),
            word("and"),
            word("not"),
            Token::Sign("("),
            word("x"),
            Token::Sign("<="),
            word("1"),
            Token::Sign(")"),
        ];
        assert_eq!(got, wanted);
    }

    #[test]
    fn an_open_quote_or_a_strange_sign_is_refused() {
        for query in ["name='x", r"name='x\'", "name=\"x\"", "name=$x", "é=1", "'"] {
            assert_eq!(tokens(query), Err(BadQuery), "{query}");
        }
    }
}
