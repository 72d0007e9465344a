//! The steps to an app of one's own at Google, each with its page, and what is done of them.
//!
//! Pure. Publishing comes before signing in: a sign-in with an app in Testing ends after seven days
//! and keeps that end. Pages are from Google's documentation.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One step on Google's pages.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// A Cloud project.
    Project,
    /// The Drive API.
    Api,
    /// The consent screen.
    Consent,
    /// Out of Testing.
    Publish,
    /// The OAuth client.
    Client,
}

/// All steps, in order.
pub(crate) const STEPS: [Step; 5] =
    [Step::Project, Step::Api, Step::Consent, Step::Publish, Step::Client];

impl Step {
    /// Returns its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Api => "api",
            Self::Consent => "consent",
            Self::Publish => "publish",
            Self::Client => "client",
        }
    }

    /// Returns what it is about.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Project => "Make a project at Google",
            Self::Api => "Switch the Drive API on",
            Self::Consent => "Say what the app is",
            Self::Publish => "Publish the app",
            Self::Client => "Make the client and download it",
        }
    }

    /// Returns what to do on the page.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Project => "Name it `syft` and press `Create`. No billing account is needed.",
            Self::Api => "Press `Enable`.",
            Self::Consent => {
                "Press `Get started`. App name `syft`, your own address twice, audience `External`; \
                 agree, and press `Create`."
            }
            Self::Publish => {
                "Press `Publish app`, then `Confirm`: the status has to be `In production`. Nothing \
                 has to be verified, as only you use it. Left in Testing, each sign-in ends after \
                 seven days, also if you publish later."
            }
            Self::Client => {
                "Application type `Desktop app`, name `syft`; press `Create`, then `Download JSON`."
            }
        }
    }

    /// Returns the address of the page.
    pub(crate) fn page(self, project: Option<&str>) -> String {
        let path = match self {
            Self::Project => return "https://console.cloud.google.com/projectcreate".to_owned(),
            Self::Api => "apis/library/drive.googleapis.com",
            Self::Consent => "auth/branding",
            Self::Publish => "auth/audience",
            Self::Client => "auth/clients/create",
        };
        let project = project.map(|name| format!("?project={name}")).unwrap_or_default();
        format!("https://console.cloud.google.com/{path}{project}")
    }
}

/// How far somebody has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    /// The way that was chosen.
    pub way: Option<String>,
    /// The project's id, so that pages open in it.
    pub project: Option<String>,
    /// The steps that a person said are done.
    pub done: BTreeSet<Step>,
    /// The credentials are those of an organisation's own client, which is never in Testing.
    pub internal: bool,
}

impl Progress {
    /// Returns the next step on Google's pages. `has_client`: the credentials are here, so that
    /// whatever they need has been done; publishing is not among that.
    pub(crate) fn next(&self, has_client: bool) -> Option<Step> {
        STEPS.into_iter().find(|step| !self.is_done(*step, has_client))
    }

    /// True if a step is done, as far as is known.
    pub(crate) fn is_done(&self, step: Step, has_client: bool) -> bool {
        let follows = matches!(step, Step::Project | Step::Consent | Step::Client);
        self.done.contains(&step) || has_client && follows
    }

    /// Takes a project's id; false if it is none.
    pub(crate) fn set_project(&mut self, id: &str) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_id = (6..=30).contains(&id.len()) && id.chars().all(plain);
        if is_id {
            self.project = Some(id.to_owned());
        }
        is_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_is_never_taken_for_done() {
        let mut progress = Progress::default();
        assert_eq!(progress.next(false), Some(Step::Project));
        progress.done.extend([Step::Project, Step::Api]);
        assert_eq!(progress.next(false), Some(Step::Consent));
        assert_eq!(progress.next(true), Some(Step::Publish), "a client needs a consent screen");
        progress.done.insert(Step::Publish);
        assert_eq!(progress.next(true), None);
    }

    #[test]
    fn pages_open_in_the_project() {
        let mut progress = Progress::default();
        for id in ["a b", "x", "UPPER-case", "javascript:alert(1)"] {
            assert!(!progress.set_project(id), "{id}");
        }
        assert!(progress.set_project("my-syft-123456"));
        let page = Step::Publish.page(progress.project.as_deref());
        assert_eq!(page, "https://console.cloud.google.com/auth/audience?project=my-syft-123456");
        assert!(
            STEPS.iter().all(|step| step.page(None).starts_with("https://console.cloud.google"))
        );
    }
}
