//! The letter to an organisation's IT: what to allow, why, what it can and cannot do, how to take
//! it back. One page.
//!
//! Pure. What it says of Google's pages is from Google's documentation; an administrator may find a
//! label worded otherwise.

use drive_api::auth::SCOPE;

/// What the letter is made from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Letter<'a> {
    /// Who asks.
    pub from: Option<&'a str>,
    /// The client that is to be trusted, if there is one already.
    pub client_id: Option<&'a str>,
}

impl Letter<'_> {
    /// Returns the text.
    pub(crate) fn text(&self) -> String {
        let from = self.from.unwrap_or("(your name and address)");
        let client = self.client();
        format!(
            "Subject: Allowing the program syft to use Google Drive

To our IT department, from {from}

I would like to use the program syft with my Google account of this
organisation. It needs your permission once. This page has all details.

WHAT IT IS
  syft lets people whose data may not leave their machine answer questions of
  others about it. It runs on my machine. There is no server of its makers and
  no telemetry: it speaks to Google and to nobody else. Messages between the
  people involved travel as files in their Google Drives.

WHAT TO ALLOW
{client}
  Permission (OAuth scope):
    {SCOPE}
  Why this wide: the program must find the folders that colleagues share with
  me, and Google offers no narrower permission that shows those. It asks for
  nothing else: no mail, no contacts, no directory.

HOW TO ALLOW IT (an administrator, about two minutes)
  1. https://admin.google.com/ac/owl/list?tab=configuredApps
     (Security > Access and data control > API controls > Manage app access)
  2. Configure new app, and enter the client ID above
  3. Choose the people or the organisational unit: I am enough
  4. Access to Google data: Trusted, then Configure and confirm
  Without this, Google refuses with `Error 400: admin_policy_enforced`.

WHAT IT CAN DO                          WHAT IT CANNOT DO
  read and write files of my Drive        act for anybody else
  share its own folders with people       see other accounts of the organisation
    whom I name                           run while I am signed out
                                          send data without my decision
  It makes folders whose names begin with `syft` or `SyftBox`, and touches no
  others. Private data stays on my machine; it is never uploaded unless I ask.
  With keys (`syft keys create`) contents are encrypted end to end.

HOW TO TAKE IT BACK
  Set the app to Blocked on the same page, or remove it under Security >
  Access and data control > API controls. I can end my own sign-in at
  https://myaccount.google.com/connections and with `syft logout`.

IF YOU PREFER NO GOOGLE ACCESS AT ALL
  The program also works over a server of our own (`syft drive serve`) or a
  network share. Please tell me, and I shall use that.
"
        )
    }

    fn client(&self) -> String {
        match self.client_id {
            Some(id) => format!("  OAuth client ID: {id}\n"),
            None => "  An OAuth client of our own, of the kind Internal: then no outside party is
  involved, and Google shows no warning. To make one (about ten minutes, once
  for everybody here):
   a. https://console.cloud.google.com/projectcreate, inside our organisation
   b. https://console.cloud.google.com/apis/library/drive.googleapis.com: Enable
   c. https://console.cloud.google.com/auth/audience: User type Internal
   d. https://console.cloud.google.com/auth/clients/create: Desktop app; then
       Download JSON, and send me that file. Its client ID is the one to trust.
"
            .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_is_one_page_and_says_all_that_is_needed() {
        let id = "1234-abc.apps.googleusercontent.com";
        for client_id in [None, Some(id)] {
            let text = Letter { from: Some("me@hospital.org"), client_id }.text();
            assert!(text.lines().count() <= 62, "{} lines", text.lines().count());
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
            for wanted in [SCOPE, "API controls", "Configure new app", "Trusted", "me@hospital.org"]
            {
                assert!(text.contains(wanted), "{wanted}");
            }
            assert_eq!(text.contains(id), client_id.is_some());
        }
    }
}
