//! The exact packages that a request comes to: names, versions, and digests of their archives.
//!
//! Pure. An installer works them out while code of strangers may run beside it, so what it wrote is
//! read as strictly as what a stranger wrote: a list of packages and nothing else, no option, no
//! other file. What is installed later is written anew from what was read here.

use serde::{Deserialize, Serialize};

/// One package as it is to be installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// Its name, as indexes compare names: small letters, hyphens.
    pub(crate) name: String,
    /// Its version, or the address that it comes from.
    pub(crate) source: Source,
    /// Digests of archives (`sha256:` and hexadecimal digits), one of which it must have; none where
    /// none can be known, as with a repository.
    pub(crate) hashes: Vec<String>,
}

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// The index, in this version.
    Version(String),
    /// An address.
    Url(String),
}

const PACKAGES_MAX: usize = 10_000;
const HASHES_MAX: usize = 1_000;

/// Reads a list that `uv` has written: pinned requirements with their digests.
///
/// # Errors
/// What is no such thing.
pub(crate) fn of_requirements(text: &str) -> Result<Vec<Pinned>, String> {
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    sorted(lines.map(of_line).collect::<Result<_, _>>()?)
}

fn of_line(line: &str) -> Result<Pinned, String> {
    let wrong = || format!("`{}` is no package with a version", shown(line));
    let mut words = line.split_whitespace();
    let first = words.next().ok_or_else(wrong)?;
    let (name, source) = match first.split_once("==") {
        Some((name, version)) => (name, Source::Version(version.to_owned())),
        None if words.next() == Some("@") => {
            (first, Source::Url(words.next().ok_or_else(wrong)?.to_owned()))
        }
        None => return Err(wrong()),
    };
    let hashes: Option<Vec<String>> =
        words.map(|word| word.strip_prefix("--hash=").map(str::to_owned)).collect();
    checked(name, source, hashes.ok_or_else(wrong)?).ok_or_else(wrong)
}

/// Reads a report of `pip install --dry-run --report`.
///
/// # Errors
/// What is no such thing.
pub(crate) fn of_report(text: &[u8]) -> Result<Vec<Pinned>, String> {
    let report: Report = serde_json::from_slice(text)
        .map_err(|error| format!("the report of pip cannot be read: {error}"))?;
    let all = report.install.into_iter().map(|item| {
        let hash = item.download_info.archive_info.and_then(|info| info.hashes?.sha256);
        let source = if item.is_direct {
            Source::Url(item.download_info.url)
        } else {
            Source::Version(item.metadata.version)
        };
        let hashes = hash.into_iter().map(|hash| format!("sha256:{hash}")).collect();
        let name = shown(&item.metadata.name);
        let wrong = || format!("pip reports `{name}`, which is no package with a version");
        checked(&item.metadata.name, source, hashes).ok_or_else(wrong)
    });
    sorted(all.collect::<Result<_, _>>()?)
}

/// What is read of pip's report. Source: pip's documentation, "Installation Report".
#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    download_info: Download,
    #[serde(default)]
    is_direct: bool,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Download {
    url: String,
    archive_info: Option<Archive>,
}

#[derive(Deserialize)]
struct Archive {
    hashes: Option<Hashes>,
}

#[derive(Deserialize)]
struct Hashes {
    sha256: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

/// Reads from a project's own lock which archives its installer is held to, as far as it says so.
///
/// The installer reads the file by itself; this is for showing. Source: uv's documentation, "Locking
/// environments", and the files that it writes.
pub(crate) fn of_lock(text: &[u8]) -> Vec<Pinned> {
    let lock: Option<Lock> =
        std::str::from_utf8(text).ok().and_then(|text| toml::from_str(text).ok());
    let packages = lock.map(|lock| lock.package).unwrap_or_default().into_iter();
    packages
        .take(PACKAGES_MAX)
        .filter_map(|package| {
            let archives = package.sdist.into_iter().chain(package.wheels);
            let hashes = archives.filter_map(|archive| archive.hash).take(HASHES_MAX).collect();
            checked(&package.name, Source::Version(package.version?), hashes)
        })
        .collect()
}

/// What is read of a lock.
#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: Option<String>,
    sdist: Option<LockedArchive>,
    #[serde(default)]
    wheels: Vec<LockedArchive>,
}

#[derive(Deserialize)]
struct LockedArchive {
    hash: Option<String>,
}

/// Returns the list that an installer is given, one line for each package.
pub(crate) fn write(set: &[Pinned]) -> String {
    let mut text = String::new();
    for Pinned { name, source, hashes } in set {
        text += &match source {
            Source::Version(version) => format!("{name}=={version}"),
            Source::Url(url) => format!("{name} @ {url}"),
        };
        for hash in hashes {
            text += &format!(" --hash={hash}");
        }
        text.push('\n');
    }
    text
}

/// True if the installer can be held to digests of all of them.
pub(crate) fn are_hashed(set: &[Pinned]) -> bool {
    set.iter().all(|package| !package.hashes.is_empty())
}

/// Returns a name as indexes compare names. Source: PEP 503.
pub(crate) fn normal(name: &str) -> String {
    let mut normal = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

fn checked(name: &str, source: Source, mut hashes: Vec<String>) -> Option<Pinned> {
    let is_name = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let ends = |c: char| c.is_ascii_alphanumeric();
        text.len() <= 200
            && text.starts_with(ends)
            && text.ends_with(ends)
            && text.chars().all(inner)
    };
    let is_version = |text: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || ".+!-_".contains(c);
        (1..=200).contains(&text.len()) && !text.starts_with('-') && text.chars().all(known)
    };
    // An installer would put a variable of ours in the place of `${…}`.
    let is_url = |text: &str| {
        let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !"\\\"'`$;".contains(c));
        text.len() <= 2_000 && text.contains("://") && !text.starts_with('-') && is_plain
    };
    let is_hash = |text: &String| {
        text.split_once(':').is_some_and(|(kind, digits)| {
            let length = match kind {
                "sha256" => 64,
                "sha384" => 96,
                "sha512" => 128,
                _ => return false,
            };
            digits.len() == length && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
        })
    };
    let fits = match &source {
        Source::Version(version) => is_version(version),
        Source::Url(url) => is_url(url),
    };
    hashes.sort();
    hashes.dedup();
    (is_name(name) && fits && hashes.len() <= HASHES_MAX && hashes.iter().all(is_hash))
        .then(|| Pinned { name: normal(name), source, hashes })
}

fn sorted(mut set: Vec<Pinned>) -> Result<Vec<Pinned>, String> {
    if set.len() > PACKAGES_MAX {
        return Err(format!("it comes to more than {PACKAGES_MAX} packages"));
    }
    set.sort();
    Ok(set)
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn package(name: &str, source: Source, hashes: &[String]) -> Pinned {
        Pinned { name: name.to_owned(), source, hashes: hashes.to_vec() }
    }

    #[test]
    fn what_uv_writes_is_read_and_written_for_an_installer() {
        let (a, b) = (hash('a'), hash('b'));
        let text = format!(
            "# made by uv\nZope.Interface==6.0 \\\n    --hash={b} \\\n    --hash={a}\n\
             numpy==2.0.0+cpu --hash={a}\nx @ git+https://h.org/o/x@1a2b\n\n"
        );
        let set = of_requirements(&text).unwrap();
        let version = |text: &str| Source::Version(text.to_owned());
        let url = Source::Url("git+https://h.org/o/x@1a2b".to_owned());
        let expected = [
            package("numpy", version("2.0.0+cpu"), std::slice::from_ref(&a)),
            package("x", url, &[]),
            package("zope-interface", version("6.0"), &[a.clone(), b.clone()]),
        ];
        assert_eq!(set, expected);
        assert!(!are_hashed(&set) && are_hashed(&set[..1]));
        let written = write(&set);
        assert!(
            written.contains(&format!("zope-interface==6.0 --hash={a} --hash={b}\n")),
            "{written}"
        );
        assert_eq!(of_requirements(&written).unwrap(), set);
    }

    #[test]
    fn what_pip_reports_is_read() {
        let digits = "c".repeat(64);
        let item = |direct: bool, name: &str, info: &str| {
            format!(
                r#"{{"download_info":{{"url":"https://h.org/x.whl"{info}}},"is_direct":{direct},
                "metadata":{{"name":"{name}","version":"1.5"}}}}"#
            )
        };
        let hashes = format!(r#","archive_info":{{"hashes":{{"sha256":"{digits}"}}}}"#);
        let text = format!(
            r#"{{"version":"1","install":[{},{}]}}"#,
            item(false, "Tiny_Dep", &hashes),
            item(true, "direct", r#","vcs_info":{"vcs":"git"}"#)
        );
        let expected = [
            package("direct", Source::Url("https://h.org/x.whl".to_owned()), &[]),
            package("tiny-dep", Source::Version("1.5".to_owned()), &[hash('c')]),
        ];
        assert_eq!(of_report(text.as_bytes()).unwrap(), expected);
        assert!(of_report(b"{}").is_err());
    }

    #[test]
    fn the_archives_of_a_lock_are_read_as_far_as_it_names_them() {
        let text = format!(
            "version = 1\nrequires-python = '>=3.10'\n\
             [[package]]\nname = 'p'\nversion = '0.1'\nsource = {{ virtual = '.' }}\n\
             [[package]]\nname = 'Six'\nversion = '1.17.0'\n\
             sdist = {{ url = 'https://h.org/six.tar.gz', hash = '{a}', size = 1 }}\n\
             wheels = [{{ url = 'https://h.org/six.whl', hash = '{b}' }}, {{ path = 'x.whl' }}]\n\
             [[package]]\nname = 'odd'\nversion = '1'\nwheels = [{{ hash = 'md5:aa' }}]\n",
            a = hash('a'),
            b = hash('b'),
        );
        let version = |text: &str| Source::Version(text.to_owned());
        let expected = [
            package("p", version("0.1"), &[]),
            package("six", version("1.17.0"), &[hash('a'), hash('b')]),
        ];
        assert_eq!(of_lock(text.as_bytes()), expected);
        for bad in [&b"\xff"[..], b"package = 1", b"[[package]]\nversion = '1'\n", b""] {
            assert!(of_lock(bad).is_empty());
        }
    }

    #[test]
    fn a_list_that_is_more_than_a_list_is_refused() {
        let a = hash('a');
        for line in [
            "numpy",
            "numpy>=1",
            "--index-url http://evil.example",
            "-r other.txt",
            "-e .",
            "numpy==1 --index-url=http://evil.example",
            "numpy==1 ; sys_platform == 'win32'",
            "numpy==1;sys_platform=='win32'",
            "numpy==../x",
            "numpy==$HOME",
            "x @ ./here",
            "x @ https://evil.example/${UV_INDEX_URL}",
            "x @",
            "../x==1",
            "-x==1",
            "numpy[extra]==1",
            "numpy==1 --hash=md5:aa",
            "numpy==1 --hash=sha256:zz",
        ] {
            assert!(of_requirements(&format!("ok==1 --hash={a}\n{line}\n")).is_err(), "{line}");
        }
    }
}
