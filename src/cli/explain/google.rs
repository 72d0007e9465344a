//! Signing in to Google: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::ApiOff,
        what: "The Drive API is off in the Google Cloud project that the program's client belongs to (Google's `accessNotConfigured`).",
        why: "The project is new and nobody switched it on, or it was switched on some minutes ago only.",
        next: "Open <https://console.cloud.google.com/apis/library/drive.googleapis.com> in that project, press *Enable*, wait five minutes, then run `syft doctor`.",
    },
    Entry {
        code: Code::MissingScope,
        what: "The sign-in does not include the files of the drive.",
        why: "On Google's page the box for Google Drive was not ticked, or the token file was made for something else.",
        next: "Sign in again with `syft login-do` or `syft login-ds`, and tick *See, edit, create and delete all of your Google Drive files*.",
    },
    Entry {
        code: Code::AdminPolicy,
        what: "The organization of the account does not allow this program (Google's `admin_policy_enforced`).",
        why: "Its administrators allow only the programs that they trust by name.",
        next: "Send your IT the letter that `syft setup google --way organisation --letter letter.txt` writes; trusting the program takes them two minutes.",
    },
    Entry {
        code: Code::AppBlocked,
        what: "Google does not let this program in for this account.",
        why: "The app is in *Testing* and the account is not on its list, the app was suspended, or the account is in Google's Advanced Protection.",
        next: "If the app is your own, publish it at <https://console.cloud.google.com/auth/audience>; else make one with `syft setup google`. Who is in Advanced Protection works without Google: `syft setup google --way none`.",
    },
    Entry {
        code: Code::ClockOff,
        what: "The clock of this machine is off. Nothing is lost.",
        why: "It is not set by the network, or the machine slept or was restored from an image. Google and object stores take what is signed for some minutes only.",
        next: "Let the system set it (on Linux `timedatectl set-ntp true`), then run `syft doctor`.",
    },
    Entry {
        code: Code::AppInTesting,
        what: "The sign-in is good for a time only, and that is over or nearly so.",
        why: "The Google app is in *Testing*: each sign-in with it ends after seven days. Publishing it later does not change the end of a sign-in from before.",
        next: "Publish the app at <https://console.cloud.google.com/auth/audience>, then sign in again: `syft login-do` or `syft login-ds`.",
    },
    Entry {
        code: Code::NotPublished,
        what: "The Google app is not published, as far as is known.",
        why: "That step of `syft setup google` was not confirmed; a sign-in now would end after seven days.",
        next: "Publish it, say so with `syft setup google --way personal --done publish`, then sign in. For a week only: `syft login-do --testing`.",
    },
    Entry {
        code: Code::BadClient,
        what: "Google does not accept the credentials of the program.",
        why: "The client was deleted, or its secret was replaced.",
        next: "Download the credentials anew; `syft setup google --way personal` tells where.",
    },
    Entry {
        code: Code::AccessDenied,
        what: "Access was not granted in the browser.",
        why: "*Cancel* was pressed.",
        next: "Sign in again and press *Allow*: `syft login-do` or `syft login-ds`. If Google's page showed an error, `syft doctor --said access_denied` explains it.",
    },
    Entry {
        code: Code::NoLoopback,
        what: "A browser cannot come back to the program after signing in.",
        why: "Nothing can listen on 127.0.0.1 here, or the client is not of the type *Desktop app* (Google's `redirect_uri_mismatch`).",
        next: "Sign in with `syft login-do --no-browser`, and paste the address that the browser ends at.",
    },
    Entry {
        code: Code::NobodySignedIn,
        what: "Nobody finished signing in in time.",
        why: "The page was closed, or Google showed an error there, of which the program hears nothing.",
        next: "Run the command again. If the page showed an error, `syft doctor --said admin_policy_enforced` explains it, or whatever it said.",
    },
    Entry {
        code: Code::WrongPaste,
        what: "What was pasted does not end the sign-in.",
        why: "It is not the whole address that the browser ended at.",
        next: "Run the command again, and copy all of the address line.",
    },
    Entry {
        code: Code::SignInFile,
        what: "A file to sign in with cannot be used.",
        why: "It is not there, may not be read, or is another kind of file: credentials, a token and the key of a service account are three things. Or it would give the sign-in to a server that is not Google's.",
        next: "Name the right one; `syft setup google --way personal` tells how to get credentials.",
    },
    Entry {
        code: Code::Keyring,
        what: "The keyring that keeps the sign-in, or was to keep it, cannot be used.",
        why: "It is locked, or the command runs where there is none, as from cron.",
        next: "Unlock it, then move the sign-in to a file with `syft setup secrets file`; or sign in again with `syft login-do --secrets file`.",
    },
    Entry {
        code: Code::SecretReadable,
        what: "Others on this machine may read the secret of a sign-in.",
        why: "The file was copied or made with wider rights than 0600.",
        next: "Run `chmod 600 FILE` with the file that `syft doctor` names, and sign in again with `syft login-do` or `syft login-ds` if somebody may have read it.",
    },
    Entry {
        code: Code::ServiceAccountAlone,
        what: "A service account would act for itself, which is refused.",
        why: "It has no storage since 2025, and what it puts on a Shared Drive has no owner by whom peers could know it.",
        next: "Name the person whom it acts for: `syft login-do --service-account key.json --impersonate EMAIL`.",
    },
    Entry {
        code: Code::NoDelegation,
        what: "The service account may not act for people.",
        why: "No administrator has let it, or not with the scope of Google Drive (Google's `unauthorized_client`).",
        next: "An administrator adds its client id at <https://admin.google.com/ac/owl/domainwidedelegation>; some minutes later run `syft doctor`.",
    },
    Entry {
        code: Code::NobodyToActFor,
        what: "There is nobody of this address whom the service account could act for.",
        why: "A typing mistake, or the person belongs to another organization.",
        next: "Name the right one: `syft login-do --service-account key.json --impersonate EMAIL`.",
    },
    Entry {
        code: Code::BadKey,
        what: "The key of the service account is not accepted.",
        why: "The key or the account was deleted.",
        next: "An administrator makes a new key; then `syft login-do --service-account key.json --impersonate EMAIL`.",
    },
];
