//! The bug report: what a maintainer needs to know of a machine and its accounts, and nothing that
//! names a person, a place or a thing.
//!
//! That it holds no address, path, name or token is not a matter of care: it is made of
//! [`Fact`]s, into which no text gets (see `facts`). It is made from what is here, asks no service,
//! changes nothing, and goes nowhere by itself.

mod account;
mod facts;
mod machine;

pub use facts::{BugReport, Fact, Line, Numbers, Section, UNKNOWN};

use super::Configuration;
use super::clock::{Clock as _, SystemClock};
use crate::model::Code;
use crate::wire::Dialect;

/// Gathers what there is to say of this machine and of all accounts on it. Never fails: what cannot
/// be read is in the report as the kind of the error. `path`: where programs are, as in `PATH`.
pub async fn bug_report(configuration: Result<&Configuration, Code>, path: &str) -> BugReport {
    let mut sections =
        vec![program(), machine::system(), machine::environment(), machine::programs(path).await];
    let mut accounts = Section::new("accounts");
    let found = configuration.and_then(|configuration| {
        sections.push(machine::disk(configuration.home()));
        let found = configuration.accounts().map_err(|error| error.code())?;
        Ok((configuration, found))
    });
    match found {
        Ok((configuration, found)) => {
            accounts.add("logged-in", Fact::count(found.len()));
            sections.push(accounts);
            let now = SystemClock.now();
            for info in &found {
                sections.push(account::account(configuration, info, now).await);
            }
        }
        Err(code) => {
            accounts.add("cannot-be-read", Fact::Code(code));
            sections.push(accounts);
        }
    }
    BugReport { sections }
}

fn program() -> Section {
    let mut section = Section::new("program");
    section.add("version", Fact::version(env!("CARGO_PKG_VERSION")));
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    section.add("build", Fact::Word(build));
    let spoken = Dialect::all();
    let versions = spoken.iter().map(|dialect| dialect.client_version.to_string());
    section.add_all("speaks", versions.map(|version| Fact::version(&version)).collect());
    section
}
