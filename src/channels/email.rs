//! E-mail: over a mail server (SMTP), or in the name of the account over Google's mail.
//!
//! A mail says that a program made it (RFC 3834), so that no other program answers, and has the
//! message's id as its `Message-ID`, so that most mail programs show one that came twice once.
//! Headers are encoded by `lettre`; nothing is put together by hand.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use drive_api::Gmail;
use lettre::address::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{AGENT, Error, Message, Result};
use crate::model::Email;

/// How long a server may leave us without an answer to one command.
const SILENCE: Duration = Duration::from_secs(30);

/// How long the whole exchange may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// From whom, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The sender.
    pub from: Email,
    /// The readers; at least one.
    pub to: Vec<Email>,
}

/// How the way to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS after a first word in clear, which must be offered.
    StartTls,
    /// TLS from the start.
    Tls,
    /// Nothing; a password is sent to this machine only.
    None,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// Its name, or its address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the way there is secured.
    pub security: Security,
    /// Under which name we sign in there; `None`: not at all.
    pub user: Option<String>,
    /// A file with the certificates of whoever vouches for it, where that is nobody whom all trust.
    pub ca: Option<PathBuf>,
}

/// Who takes the mail.
#[derive(Debug)]
pub enum Carrier<'a> {
    /// A mail server, with the password for its user.
    Smtp(&'a Smtp, Option<String>),
    /// Google's mail, with the account's sign-in.
    Gmail(&'a Gmail),
}

impl Security {
    /// All of them, with their names in the settings and the usual port.
    pub const ALL: [(Self, &'static str, u16); 3] =
        [(Self::StartTls, "starttls", 587), (Self::Tls, "tls", 465), (Self::None, "none", 25)];

    /// Returns the one that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name, _)| *name == text).map(|(security, ..)| security)
    }

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(other, ..)| *other == self).map_or("", |(_, name, _)| name)
    }

    /// Returns the port that servers have for it.
    pub fn port(self) -> u16 {
        Self::ALL.into_iter().find(|(other, ..)| *other == self).map_or(0, |(.., port)| port)
    }
}

impl Envelope {
    /// Checks that mail can be sent to everybody.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        if self.to.is_empty() {
            return Err(Error::Setting {
                what: "the readers of e-mail",
                problem: "nobody is named",
            });
        }
        self.to.iter().chain([&self.from]).try_for_each(|email| mailbox(email).map(drop))
    }
}

impl Smtp {
    /// Checks that the server can be one.
    ///
    /// # Errors
    /// [`Error::Setting`]; [`Error::InClear`] if a password would be sent across a network.
    pub fn check(&self) -> Result<()> {
        let is_harmless =
            |text: &str| !text.is_empty() && text.chars().all(|c| !c.is_control() && c != ' ');
        let refused = |what, problem| Err(Error::Setting { what, problem });
        if !is_harmless(&self.server) || self.server.contains(['/', '@']) {
            return refused("the mail server", "its name is no host name");
        }
        if self.port == 0 {
            return refused("the mail server", "0 is no port");
        }
        if self.ca.is_some() && self.security == Security::None {
            return refused("the mail server", "without TLS nobody vouches for it: leave --ca out");
        }
        if self.user.as_ref().is_some_and(|user| !is_harmless(user)) {
            return refused("the user at the mail server", "it is empty, or holds a blank");
        }
        if self.security == Security::None && self.user.is_some() && !self.is_here() {
            return Err(Error::InClear { server: self.server.clone() });
        }
        Ok(())
    }

    /// Whom we believe that it is this server: those whom all trust, and who was named.
    async fn trust(&self) -> Result<TlsParameters> {
        let failed = |source| Error::Mail { server: self.server.clone(), source: Box::new(source) };
        let mut builder = TlsParameters::builder(self.server.clone());
        if let Some(path) = &self.ca {
            let unusable = |problem: &str| Error::Secret {
                problem: format!("the certificates in `{}` {problem}", path.display()),
            };
            let text = tokio::fs::read(path).await.map_err(|_| unusable("cannot be read"))?;
            let mut count = 0;
            for found in CertificateDer::pem_slice_iter(&text) {
                let found = found.map_err(|_| unusable("are damaged"))?;
                let certificate = Certificate::from_der(found.to_vec()).map_err(failed)?;
                builder = builder.add_root_certificate(certificate);
                count += 1;
            }
            if count == 0 {
                return Err(unusable("are none in PEM"));
            }
        }
        builder.build().map_err(failed)
    }

    fn is_here(&self) -> bool {
        let address = self.server.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<std::net::IpAddr>();
        self.server == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    async fn send(&self, password: Option<String>, mail: lettre::Message) -> Result<()> {
        self.check()?;
        let failed = |source| Error::Mail { server: self.server.clone(), source: Box::new(source) };
        let tls = match self.security {
            Security::StartTls => Tls::Required(self.trust().await?),
            Security::Tls => Tls::Wrapper(self.trust().await?),
            Security::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.server)
            .port(self.port)
            .tls(tls)
            .timeout(Some(SILENCE));
        if let Some(user) = &self.user {
            let missing = || Error::NoPassword { server: self.server.clone(), user: user.clone() };
            let password = password.ok_or_else(missing)?;
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        match tokio::time::timeout(PATIENCE, builder.build().send(mail)).await {
            Ok(sent) => sent.map(drop).map_err(failed),
            Err(_) => {
                let place = format!("the mail server {}", self.server);
                Err(Error::TimedOut { place, seconds: PATIENCE.as_secs() })
            }
        }
    }
}

/// Sends `message` once.
///
/// # Errors
/// Any [`Error`]; the message may have been taken all the same if the answer was lost.
pub async fn send_mail(envelope: &Envelope, carrier: Carrier<'_>, message: &Message) -> Result<()> {
    let mail = written(envelope, message)?;
    match carrier {
        Carrier::Smtp(smtp, password) => smtp.send(password, mail).await,
        Carrier::Gmail(gmail) => {
            let sent = gmail.send(&mail.formatted(), &message.id, AGENT).await;
            sent.map_err(refused_by_google)
        }
    }
}

/// What a refusal means where it is about mail: Google says it in the same words as about the drive.
fn refused_by_google(error: drive_api::Error) -> Error {
    match error {
        drive_api::Error::Denied { .. } | drive_api::Error::ScopeMissing => Error::NoMailRight,
        drive_api::Error::ApiOff { project } => Error::MailOff { project },
        other => Error::Gmail(other),
    }
}

fn written(envelope: &Envelope, message: &Message) -> Result<lettre::Message> {
    envelope.check()?;
    let micros = u64::try_from(message.date.micros()).unwrap_or(0);
    let own = |name: &'static str, value: &str| {
        HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
    };
    let mut builder = MessageBuilder::new()
        .from(mailbox(&envelope.from)?)
        .subject(message.subject.clone())
        .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
        .message_id(Some(format!("<{}@{}>", message.id, envelope.from.domain())))
        .raw_header(own("Auto-Submitted", "auto-generated"))
        .header(ContentType::TEXT_PLAIN);
    for reader in &envelope.to {
        builder = builder.to(mailbox(reader)?);
    }
    Ok(builder.body(message.body.clone())?)
}

fn mailbox(email: &Email) -> Result<Mailbox> {
    let (local, domain) = email.as_str().split_once('@').unwrap_or_default();
    let address =
        Address::new(local, domain).map_err(|_| Error::Address { address: email.to_string() })?;
    Ok(Mailbox::new(None, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn mail(subject: &str, body: &str) -> String {
        let envelope = Envelope { from: email("me@example.org"), to: vec![email("me@uni.edu")] };
        let message = Message {
            id: "0190".to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
            json: serde_json::Value::Null,
            date: Timestamp::from_micros(1_780_000_000_000_000),
        };
        String::from_utf8(written(&envelope, &message).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_subject_cannot_become_a_header() {
        for hostile in
            ["x\r\nBcc: eve@evil.org", "x\nBcc: eve@evil.org", "x\r\n\r\nbody", "\r\nBcc: e@x"]
        {
            let text = mail(hostile, "the body");
            let (headers, body) = text.split_once("\r\n\r\n").unwrap();
            let names = headers.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
            let names: Vec<_> = names.map(|line| line.split(':').next().unwrap()).collect();
            assert!(!names.contains(&"Bcc"), "{text}");
            assert_eq!(names.iter().filter(|name| **name == "Subject").count(), 1, "{text}");
            assert_eq!(body, "the body", "{text}");
        }
    }

    #[test]
    fn what_is_not_ascii_is_encoded_and_dots_and_line_feeds_are_mail_s() {
        let text = mail("Größe „x“", "one\ntwo é\n.\nthree\n");
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("Subject: =?utf-8?"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
        assert!(text.contains("Message-ID: <0190@example.org>\r\n"), "{text}");
        assert!(text.contains("Date: Thu, 28 May 2026 20:26:40 +0000\r\n"), "{text}");
        assert!(!text.replace("\r\n", "").contains('\n'), "{text}");
    }

    #[test]
    fn a_refusal_of_mail_is_not_told_as_one_of_the_drive() {
        let denied = drive_api::Error::Denied { what: "mail".to_owned(), reason: String::new() };
        let off = drive_api::Error::ApiOff { project: Some("p-1".to_owned()) };
        let cases = [
            (denied, "the sign-in of this account does not include sending mail"),
            (
                drive_api::Error::ScopeMissing,
                "the sign-in of this account does not include sending mail",
            ),
            (off, "the Gmail API is off in the Google Cloud project p-1"),
        ];
        for (error, expected) in cases {
            assert_eq!(refused_by_google(error).to_string(), expected);
        }
    }

    #[test]
    fn a_password_is_sent_in_clear_to_this_machine_only() {
        let smtp = |server: &str, security, user: Option<&str>| Smtp {
            server: server.to_owned(),
            port: 25,
            security,
            user: user.map(str::to_owned),
            ca: None,
        };
        #[rustfmt::skip]
        let cases = [
            (smtp("mail.uni.edu", Security::StartTls, Some("me")),   true),
            (smtp("mail.uni.edu", Security::Tls,      Some("me")),   true),
            (smtp("mail.uni.edu", Security::None,     None),         true),
            (smtp("mail.uni.edu", Security::None,     Some("me")),   false),
            (smtp("127.0.0.1",    Security::None,     Some("me")),   true),
            (smtp("localhost",    Security::None,     Some("me")),   true),
            (smtp("localhost.x",  Security::None,     Some("me")),   false),
            (smtp("",             Security::Tls,      None),         false),
            (smtp("a b",          Security::Tls,      None),         false),
            (smtp("u@mail.x",     Security::Tls,      None),         false),
            (smtp("mail.x",       Security::Tls,      Some("a\r\n")), false),
        ];
        for (smtp, good) in cases {
            assert_eq!(smtp.check().is_ok(), good, "{smtp:?}");
        }
    }
}
