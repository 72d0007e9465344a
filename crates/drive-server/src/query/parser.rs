//! Builds an [`Expr`] from a query. Pure. `and` binds before `or`, `not` before both.

use super::{
    BadQuery, Comparison, DEPTH_MAX, Expr, QUERY_BYTES_MAX, TERMS_MAX, Term, TimeField,
    lexer::{Token, tokens},
};
use crate::clock;

/// Parses a query; none for one that is too long, too deep, too broad, or not a query.
pub(crate) fn parse(query: &str) -> Result<Expr, BadQuery> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(BadQuery);
    }
    let mut parser = Parser { tokens: tokens(query)?.into_iter().peekable(), terms: 0 };
    let expr = parser.or(0)?;
    if parser.tokens.next().is_some() { Err(BadQuery) } else { Ok(expr) }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    terms: usize,
}

impl Parser {
    fn or(&mut self, depth: usize) -> Result<Expr, BadQuery> {
        let mut all = vec![self.and(depth)?];
        while self.took_word("or") {
            all.push(self.and(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) })
    }

    fn and(&mut self, depth: usize) -> Result<Expr, BadQuery> {
        let mut all = vec![self.not(depth)?];
        while self.took_word("and") {
            all.push(self.not(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn not(&mut self, depth: usize) -> Result<Expr, BadQuery> {
        if depth > DEPTH_MAX {
            return Err(BadQuery);
        }
        if self.took_word("not") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.took_sign("(") {
            let inner = self.or(depth + 1)?;
            return if self.took_sign(")") { Ok(inner) } else { Err(BadQuery) };
        }
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(BadQuery);
        }
        self.term().map(Expr::Term)
    }

    fn term(&mut self) -> Result<Term, BadQuery> {
        match self.tokens.next() {
            Some(Token::Text(value)) => self.membership(value),
            Some(Token::Word(operand)) => match operand.as_str() {
                "appProperties" => self.property("appProperties"),
                "properties" => self.property("properties"),
                "trashed" => Ok(Term::Trashed(self.flag()?)),
                "starred" => Ok(Term::Starred(self.flag()?)),
                "sharedWithMe" => Ok(Term::SharedWithMe(self.flag()?)),
                "name" | "fullText" | "mimeType" => self.text(&operand),
                "createdTime" => self.time(TimeField::Created),
                "modifiedTime" => self.time(TimeField::Modified),
                _ => Err(BadQuery),
            },
            _ => Err(BadQuery),
        }
    }

    fn membership(&mut self, value: String) -> Result<Term, BadQuery> {
        if !self.took_word("in") {
            return Err(BadQuery);
        }
        match self.word()?.as_str() {
            "parents" => Ok(Term::Parent(value)),
            "owners" => Ok(Term::Owner(value)),
            "writers" => Ok(Term::Writer(value)),
            "readers" => Ok(Term::Reader(value)),
            _ => Err(BadQuery),
        }
    }

    /// Reads `has {key='k' and value='v'}`.
    fn property(&mut self, kind: &'static str) -> Result<Term, BadQuery> {
        let expect = |ok: bool| if ok { Ok(()) } else { Err(BadQuery) };
        expect(self.took_word("has") && self.took_sign("{") && self.took_word("key"))?;
        expect(self.took_sign("="))?;
        let key = self.value()?;
        let expect = |ok: bool| if ok { Ok(()) } else { Err(BadQuery) };
        expect(self.took_word("and") && self.took_word("value") && self.took_sign("="))?;
        let value = self.value()?;
        if self.took_sign("}") { Ok(Term::Property { kind, key, value }) } else { Err(BadQuery) }
    }

    /// Reads `= true`, `!= false` and the like; nothing at all means true.
    fn flag(&mut self) -> Result<bool, BadQuery> {
        let equal = if self.took_sign("=") {
            true
        } else if self.took_sign("!=") {
            false
        } else {
            return Ok(true);
        };
        match self.word()?.as_str() {
            "true" => Ok(equal),
            "false" => Ok(!equal),
            _ => Err(BadQuery),
        }
    }

    fn text(&mut self, operand: &str) -> Result<Term, BadQuery> {
        if self.took_word("contains") {
            let value = self.value()?;
            return Ok(match operand {
                "mimeType" => Term::MimePrefix(value),
                _ => Term::Words(value),
            });
        }
        let differs = match self.comparison()? {
            Comparison::Equal => false,
            Comparison::Differs => true,
            _ => return Err(BadQuery),
        };
        let value = self.value()?;
        match operand {
            "name" => Ok(Term::Name { value, differs }),
            "mimeType" => Ok(Term::Mime { value, differs }),
            _ => Err(BadQuery),
        }
    }

    fn time(&mut self, field: TimeField) -> Result<Term, BadQuery> {
        let comparison = self.comparison()?;
        let ms = clock::parse(&self.value()?).ok_or(BadQuery)?;
        Ok(Term::Time { field, comparison, ms })
    }

    fn comparison(&mut self) -> Result<Comparison, BadQuery> {
        match self.tokens.next() {
            Some(Token::Sign("=")) => Ok(Comparison::Equal),
            Some(Token::Sign("!=")) => Ok(Comparison::Differs),
            Some(Token::Sign("<")) => Ok(Comparison::Less),
            Some(Token::Sign("<=")) => Ok(Comparison::LessOrEqual),
            Some(Token::Sign(">")) => Ok(Comparison::Greater),
            Some(Token::Sign(">=")) => Ok(Comparison::GreaterOrEqual),
            _ => Err(BadQuery),
        }
    }

    fn value(&mut self) -> Result<String, BadQuery> {
        match self.tokens.next() {
            Some(Token::Text(value)) => Ok(value),
            _ => Err(BadQuery),
        }
    }

    fn word(&mut self) -> Result<String, BadQuery> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(BadQuery),
        }
    }

    fn took_word(&mut self, word: &str) -> bool {
        let is = |token: &Token| matches!(token, Token::Word(other) if other == word);
        self.tokens.next_if(is).is_some()
    }

    fn took_sign(&mut self, sign: &str) -> bool {
        let is = |token: &Token| matches!(token, Token::Sign(other) if *other == sign);
        self.tokens.next_if(is).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn not_binds_before_and_before_or() {
        let term = |flag| Expr::Term(Term::Trashed(flag));
        let got = parse("not trashed=true and trashed or trashed != true").unwrap();
        let both = Expr::And(vec![Expr::Not(Box::new(term(true))), term(true)]);
        assert_eq!(got, Expr::Or(vec![both, term(false)]));
    }

    #[test]
    fn what_is_not_a_query_is_refused() {
        #[rustfmt::skip]
        let cases = [
            "", "and", "name", "name=", "name=x", "name > 'x'", "fullText='x'", "(trashed=false",
            "trashed=false)", "trashed=maybe", "'x' in", "'x' in children", "'x' parents",
            "name='a' name='b'", "modifiedTime > 'noon'", "modifiedTime contains '2026'",
            "appProperties has {key='a'}", "properties = 'x'", "size > 3",
            "name='it's'", "trashed=false and", "or trashed=false",
        ];
        for query in cases {
            assert_eq!(parse(query), Err(BadQuery), "{query}");
        }
    }

    #[test]
    fn depth_length_and_terms_are_bounded() {
        let nested = |n| format!("{}trashed{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
        assert!(parse(&format!("{}trashed", "not ".repeat(10_000))).is_err());
        assert!(parse(&vec!["trashed"; TERMS_MAX].join(" or ")).is_ok());
        assert!(parse(&vec!["trashed"; TERMS_MAX + 1].join(" or ")).is_err());
        assert!(parse(&format!("name='{}'", "x".repeat(QUERY_BYTES_MAX))).is_err());
    }

    fn depth(expr: &Expr) -> usize {
        match expr {
            Expr::Term(_) => 0,
            Expr::Not(inner) => 1 + depth(inner),
            Expr::And(all) | Expr::Or(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        }
    }

    fn any_query_ends(query: &str) {
        if let Ok(expr) = parse(query) {
            assert!(depth(&expr) <= 3 * (DEPTH_MAX + 1), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(query in "\\PC{0,200}") {
            any_query_ends(&query);
        }

        #[test]
        fn no_mix_of_tokens_makes_the_parser_panic(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "name", "trashed", "mimeType", "'x'", "'\\''", "=", "!=", "<", "in", "parents",
                    "owners", "and", "or", "not", "(", ")", "contains", "has", "{", "}", "true",
                    "modifiedTime", "'2026-01-01'", "appProperties", "key", "value",
                ]),
                0..60,
            )
        ) {
            any_query_ends(&parts.join(" "));
        }
    }
}
