//! The access key of a bucket, in the form in which Amazon's own tools keep it. Pure.

use std::fmt;

/// An access key with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the key.
    pub key_id: String,
    /// Proves it.
    pub secret: String,
    /// Goes with keys that last for some hours only.
    pub session_token: Option<String>,
}

const KEY_ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const SESSION_TOKEN: &str = "aws_session_token";

impl Credentials {
    /// Reads the variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, as
    /// `variable` gives them; `None` if one of the first two is missing.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let said = |name: &str| variable(&name.to_ascii_uppercase()).filter(|text| is_word(text));
        Some(Self {
            key_id: said(KEY_ID)?,
            secret: said(SECRET)?,
            session_token: said(SESSION_TOKEN),
        })
    }

    /// Reads a file of Amazon's tools: its section `default`, or all of it if it has no sections.
    /// `None` if there is no access key in it.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut key_id, mut secret, mut session_token) = (None, None, None);
        let mut is_ours = true;
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                is_ours = section.trim() == "default";
            }
            let Some((key, value)) = line.split_once('=').filter(|_| is_ours) else { continue };
            let value = Some(value.trim().to_owned()).filter(|text| is_word(text));
            match key.trim() {
                KEY_ID => key_id = value,
                SECRET => secret = value,
                SESSION_TOKEN => session_token = value,
                _ => {}
            }
        }
        Some(Self { key_id: key_id?, secret: secret?, session_token })
    }

    /// Writes such a file.
    pub fn to_text(&self) -> String {
        let mut text =
            format!("[default]\n{KEY_ID} = {}\n{SECRET} = {}\n", self.key_id, self.secret);
        if let Some(token) = &self.session_token {
            text.push_str(&format!("{SESSION_TOKEN} = {token}\n"));
        }
        text
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_variables_give_the_same() {
        let text = "[default]\naws_access_key_id=AK\n aws_secret_access_key = s/+=\n";
        let read = Credentials::parse(text).unwrap();
        assert_eq!((read.key_id.as_str(), read.secret.as_str()), ("AK", "s/+="));
        assert_eq!(Credentials::parse(&read.to_text()).as_ref(), Some(&read));
        let token = Credentials { session_token: Some("t".to_owned()), ..read.clone() };
        assert_eq!(Credentials::parse(&token.to_text()), Some(token.clone()));
        let variable = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("AK".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("s/+=".to_owned()),
            _ => None,
        };
        assert_eq!(Credentials::from_variables(variable), Some(read));
        assert!(!format!("{token:?}").contains("s/+="));
    }

    #[test]
    fn what_has_no_key_gives_none() {
        #[rustfmt::skip]
        let cases = [
            ("nothing",             ""),
            ("no secret",           "[default]\naws_access_key_id=AK"),
            ("an empty secret",     "[default]\naws_access_key_id=AK\naws_secret_access_key="),
            ("another section",     "[work]\naws_access_key_id=AK\naws_secret_access_key=s"),
            ("a blank in a key",    "[default]\naws_access_key_id=A K\naws_secret_access_key=s"),
        ];
        for (what, text) in cases {
            assert_eq!(Credentials::parse(text), None, "{what}");
        }
        let plain = "aws_access_key_id=AK\naws_secret_access_key=s\n[work]\naws_access_key_id=B";
        assert_eq!(Credentials::parse(plain).unwrap().key_id, "AK", "a file without sections");
        assert_eq!(Credentials::from_variables(|_| None), None);
    }
}
