//! What the owner wants of `syft serve`: whom to approve without asking, and who is told what.
//!
//! Pure: reads and writes the text of `serve.toml`. Whatever is set is checked here, so that what
//! runs is never half right. A problem never quotes a value: the address of a webhook is a secret.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::channels::{Command, Envelope, Security, Smtp, Way, Webhook};
use crate::model::Email;
use crate::peers::Admission;

/// What the owner wants.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whom to approve as a peer without asking.
    pub auto_approve: Vec<Admission>,
    /// Who gets e-mail.
    pub email: Option<EmailSettings>,
    /// Which webhook is called, and for what.
    pub webhook: Option<(Webhook, Told)>,
    /// Which command is run, and for what.
    pub command: Option<(Command, Told)>,
}

/// What is told one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `None`: everything.
    only: Option<BTreeSet<Kind>>,
}

/// Who gets e-mail, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailSettings {
    /// The readers.
    pub to: Vec<Email>,
    /// The sender; `None`: the account.
    pub from: Option<Email>,
    /// Who takes it.
    pub via: Via,
    /// For what.
    pub told: Told,
}

/// Who takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// A mail server.
    Smtp(Smtp),
    /// Google's mail, with the account's sign-in.
    Gmail,
}

/// A text that is no settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", match line { Some(line) => format!("line {line}: "), None => String::new() })]
pub struct InvalidSettings {
    /// In which line, from 1, if that is known.
    pub line: Option<usize>,
    problem: String,
}

/// `serve.toml` as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    auto_approve: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<EmailForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<CommandForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailForm {
    to: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gmail: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    security: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookForm {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandForm {
    line: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<Vec<String>>,
}

const HEADER: &str = "\
# Settings of `syft serve`. `syft notify` and `syft auto-approve` write this file anew, without
# comments of yours; it may be edited by hand, and is read again before each look.
";

impl Settings {
    /// Reads the text of `serve.toml`. `account` sends the mail where nobody else is named.
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn parse(text: &str, account: &Email) -> Result<Self, InvalidSettings> {
        let form: Form = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            // What follows a quotation mark is quoted from the file.
            let problem = error.message().split('"').next().unwrap_or_default().trim().to_owned();
            InvalidSettings { line, problem }
        })?;
        let mut auto_approve = Vec::new();
        for rule in &form.auto_approve {
            auto_approve
                .push(Admission::parse(rule).map_err(|error| invalid("auto_approve", &error))?);
        }
        let email = form.email.map(|form| form.read(account)).transpose()?;
        let webhook = form.webhook.map(|form| {
            let webhook = Webhook::parse(&form.url).map_err(|error| invalid("webhook", &error))?;
            Ok((webhook, Told::read(form.only, "webhook")?))
        });
        let command = form.command.map(|form| {
            let command = Command::new(form.line).map_err(|error| invalid("command", &error))?;
            Ok((command, Told::read(form.only, "command")?))
        });
        Ok(Self {
            auto_approve,
            email,
            webhook: webhook.transpose()?,
            command: command.transpose()?,
        })
    }

    /// Returns the text of `serve.toml`.
    pub fn to_toml(&self) -> String {
        let form = Form {
            auto_approve: self.auto_approve.iter().map(ToString::to_string).collect(),
            email: self.email.as_ref().map(EmailForm::of),
            webhook: self.webhook.as_ref().map(|(webhook, told)| WebhookForm {
                url: webhook.secret().to_owned(),
                only: told.write(),
            }),
            command: self.command.as_ref().map(|(command, told)| CommandForm {
                line: command.line().to_vec(),
                only: told.write(),
            }),
        };
        let text = toml::to_string(&form).expect("texts and lists can be written");
        format!("{HEADER}{text}")
    }

    /// Returns what is told this way; `None` if nothing is.
    pub fn told(&self, way: Way) -> Option<&Told> {
        match way {
            Way::Email => self.email.as_ref().map(|email| &email.told),
            Way::Webhook => self.webhook.as_ref().map(|(_, told)| told),
            Way::Command => self.command.as_ref().map(|(_, told)| told),
        }
    }

    /// Returns the ways by which `kind` is told.
    pub fn ways(&self, kind: Kind) -> Vec<Way> {
        let tells = |way: &Way| self.told(*way).is_some_and(|told| told.includes(kind));
        Way::ALL.into_iter().filter(tells).collect()
    }
}

impl EmailSettings {
    /// Returns from whom and to whom.
    pub fn envelope(&self, account: &Email) -> Envelope {
        Envelope { from: self.from.clone().unwrap_or_else(|| account.clone()), to: self.to.clone() }
    }

    /// Checks that mail can be sent so.
    ///
    /// # Errors
    /// As [`Envelope::check`] and [`Smtp::check`].
    pub fn check(&self, account: &Email) -> crate::channels::Result<()> {
        self.envelope(account).check()?;
        match &self.via {
            Via::Smtp(smtp) => smtp.check(),
            Via::Gmail => Ok(()),
        }
    }
}

impl EmailForm {
    fn of(settings: &EmailSettings) -> Self {
        let smtp = match &settings.via {
            Via::Smtp(smtp) => Some(smtp),
            Via::Gmail => None,
        };
        Self {
            to: settings.to.iter().map(Email::to_string).collect(),
            from: settings.from.as_ref().map(Email::to_string),
            gmail: smtp.is_none(),
            server: smtp.map(|smtp| smtp.server.clone()),
            port: smtp.map(|smtp| smtp.port),
            security: smtp.map(|smtp| smtp.security.as_str().to_owned()),
            user: smtp.and_then(|smtp| smtp.user.clone()),
            ca: smtp.and_then(|smtp| smtp.ca.clone()),
            only: settings.told.write(),
        }
    }

    fn read(self, account: &Email) -> Result<EmailSettings, InvalidSettings> {
        let read = |text: &String| Email::parse(text).map_err(|error| invalid("email", &error));
        let via = match (self.gmail, self.server) {
            (true, None) => Via::Gmail,
            (false, Some(server)) => {
                let security = match &self.security {
                    None => Security::StartTls,
                    Some(text) => Security::parse(text).ok_or_else(|| {
                        invalid("email", &"`security` is `starttls`, `tls` or `none`")
                    })?,
                };
                let port = self.port.unwrap_or_else(|| security.port());
                Via::Smtp(Smtp { server, port, security, user: self.user, ca: self.ca })
            }
            _ => return Err(invalid("email", &"it has either `server` or `gmail = true`")),
        };
        let settings = EmailSettings {
            to: self.to.iter().map(read).collect::<Result<_, _>>()?,
            from: self.from.as_ref().map(read).transpose()?,
            via,
            told: Told::read(self.only, "email")?,
        };
        settings.check(account).map_err(|error| invalid("email", &error))?;
        Ok(settings)
    }
}

impl Told {
    /// Everything, or these kinds only.
    pub fn only(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let kinds: BTreeSet<Kind> = kinds.into_iter().collect();
        Self { only: (!kinds.is_empty()).then_some(kinds) }
    }

    /// True if `kind` is told. A test always is.
    pub fn includes(&self, kind: Kind) -> bool {
        kind == Kind::Test || self.only.as_ref().is_none_or(|only| only.contains(&kind))
    }

    /// Returns the kinds, in their order; all if nothing was left out.
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| *kind != Kind::Test && self.includes(*kind)).collect()
    }

    fn read(only: Option<Vec<String>>, what: &str) -> Result<Self, InvalidSettings> {
        let unknown = |word: &str| {
            invalid(what, &format_args!("`{}` is no kind of news", word.escape_debug()))
        };
        let kinds = only.unwrap_or_default();
        let kinds = kinds.iter().map(|word| {
            Kind::parse(word).filter(|kind| *kind != Kind::Test).ok_or_else(|| unknown(word))
        });
        Ok(Self::only(kinds.collect::<Result<Vec<_>, _>>()?))
    }

    fn write(&self) -> Option<Vec<String>> {
        let only = self.only.as_ref()?;
        Some(only.iter().map(|kind| kind.as_str().to_owned()).collect())
    }
}

fn invalid(what: &str, problem: &dyn std::fmt::Display) -> InvalidSettings {
    InvalidSettings { line: None, problem: format!("`{what}`: {problem}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
auto_approve = ["ann@uni.edu", "@uni.edu", "@*.uni.edu"]

[email]
to = ["olga@lab.org"]
server = "mail.lab.org"
user = "olga"
only = ["job-waits", "peer-asks"]

[webhook]
url = "https://hooks.example.org/SECRET"

[command]
line = ["/usr/bin/notify-send", "syft"]
"#;

    fn account() -> Email {
        Email::parse("olga@lab.org").unwrap()
    }

    fn parse(text: &str) -> Result<Settings, InvalidSettings> {
        Settings::parse(text, &account())
    }

    #[test]
    fn settings_are_written_and_read_again() {
        let settings = parse(WHOLE).unwrap();
        let again = parse(&settings.to_toml()).unwrap();
        assert_eq!(settings.to_toml(), again.to_toml());
        assert_eq!(again.auto_approve.len(), 3);
        let email = again.email.clone().unwrap();
        let Via::Smtp(smtp) = &email.via else { panic!("{email:?}") };
        assert_eq!((smtp.port, smtp.security), (587, Security::StartTls));
        assert_eq!(again.ways(Kind::JobWaits), Way::ALL);
        assert_eq!(again.ways(Kind::Problem), [Way::Webhook, Way::Command]);
        assert_eq!(again.ways(Kind::Test), Way::ALL);
        assert!(parse("").unwrap().ways(Kind::JobWaits).is_empty());
        let empty = Settings::default();
        assert!(parse(&empty.to_toml()).is_ok());
        assert!(!format!("{settings:?}").contains("SECRET"));
    }

    #[test]
    fn what_is_half_right_is_refused_and_no_value_is_quoted() {
        #[rustfmt::skip]
        let cases = [
            ("no toml",                 "auto_approve = ["),
            ("a key that is unknown",   "auto_aprove = []"),
            ("a rule for everybody",    "auto_approve = [\"@*\"]"),
            ("no reader",               "[email]\nto = []\nserver = \"m\""),
            ("no way for mail",         "[email]\nto = [\"a@b.org\"]"),
            ("two ways for mail",       "[email]\nto = [\"a@b.org\"]\nserver = \"m\"\ngmail = true"),
            ("no address",              "[email]\nto = [\"ab\"]\nserver = \"m\""),
            ("a password in clear",     "[email]\nto = [\"a@b.org\"]\nserver = \"m\"\nsecurity = \"none\"\nuser = \"u\""),
            ("no such security",        "[email]\nto = [\"a@b.org\"]\nserver = \"m\"\nsecurity = \"ssl\""),
            ("a webhook in clear",      "[webhook]\nurl = \"http://x.org/SECRET\""),
            ("a webhook of a wrong type", "webhook = \"https://x.org/SECRET\""),
            ("news of another kind",    "[webhook]\nurl = \"https://x.org/\"\nonly = [\"everything\"]"),
            ("a test is no news",       "[webhook]\nurl = \"https://x.org/\"\nonly = [\"test\"]"),
            ("a command of the shell",  "[command]\nline = [\"notify-send\"]"),
            ("an empty command",        "[command]\nline = []"),
        ];
        for (what, text) in cases {
            let error = parse(text).map(|_| ()).expect_err(what).to_string();
            assert!(!error.contains("SECRET"), "{what}: {error}");
        }
        assert_eq!(parse("\n\nx = 1").unwrap_err().line, Some(3));
    }
}
