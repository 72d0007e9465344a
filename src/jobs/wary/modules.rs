//! Names of modules that mean something to Python wherever they lie.
//!
//! Pure. Source: `sys.stdlib_module_names` of Python 3.8 to 3.14, and the documentation of `site`.

/// What runs when Python starts, if it is found.
const AT_START: [&str; 2] = ["sitecustomize", "usercustomize"];

/// What finds the data in a job.
const OURS: [&str; 2] = ["syft", "syft_client"];

/// The modules that come with Python.
#[rustfmt::skip]
const OWN: &[&str] = &[
    "abc", "aifc", "annotationlib", "argparse", "array", "ast", "asynchat", "asyncio", "asyncore",
    "atexit", "audioop", "base64", "bdb", "binascii", "bisect", "builtins", "bz2", "cProfile",
    "calendar", "cgi", "cgitb", "chunk", "cmath", "cmd", "code", "codecs", "codeop",
    "collections", "colorsys", "compileall", "compression", "concurrent", "configparser",
    "contextlib", "contextvars", "copy", "copyreg", "crypt", "csv", "ctypes", "curses",
    "dataclasses", "datetime", "dbm", "decimal", "difflib", "dis", "distutils", "doctest",
    "email", "encodings", "ensurepip", "enum", "errno", "faulthandler", "fcntl", "filecmp",
    "fileinput", "fnmatch", "fractions", "ftplib", "functools", "gc", "genericpath", "getopt",
    "getpass", "gettext", "glob", "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac", "html",
    "http", "imaplib", "imghdr", "imp", "importlib", "inspect", "io", "ipaddress", "itertools",
    "json", "keyword", "linecache", "locale", "logging", "lzma", "mailbox", "mailcap", "marshal",
    "math", "mimetypes", "mmap", "modulefinder", "multiprocessing", "netrc", "nis", "nntplib",
    "numbers", "opcode", "operator", "optparse", "os", "ossaudiodev", "pathlib", "pdb", "pickle",
    "pickletools", "pipes", "pkgutil", "platform", "plistlib", "poplib", "posix", "posixpath",
    "pprint", "profile", "pstats", "pty", "pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data",
    "pyexpat", "queue", "quopri", "random", "re", "readline", "reprlib", "resource",
    "rlcompleter", "runpy", "sched", "secrets", "select", "selectors", "shelve", "shlex",
    "shutil", "signal", "site", "smtpd", "smtplib", "sndhdr", "socket", "socketserver", "spwd",
    "sqlite3", "sre_compile", "sre_constants", "sre_parse", "ssl", "stat", "statistics", "string",
    "stringprep", "struct", "subprocess", "sunau", "symtable", "sys", "sysconfig", "syslog",
    "tabnanny", "tarfile", "telnetlib", "tempfile", "termios", "textwrap", "threading", "time",
    "timeit", "tkinter", "token", "tokenize", "tomllib", "trace", "traceback", "tracemalloc",
    "tty", "turtle", "types", "typing", "unicodedata", "unittest", "urllib", "uu", "uuid", "venv",
    "warnings", "wave", "weakref", "webbrowser", "wsgiref", "xdrlib", "xml", "xmlrpc", "zipapp",
    "zipfile", "zipimport", "zlib", "zoneinfo",
];

/// What it means that a module of this name lies where Python looks first.
pub(super) fn meaning(module: &str, dependencies: &[String]) -> Option<String> {
    if AT_START.contains(&module) {
        return Some("runs before anything else".to_owned());
    }
    if OURS.contains(&module) {
        return Some("takes the place of the module that finds the data".to_owned());
    }
    if OWN.contains(&module) {
        return Some(format!("takes the place of Python's own module `{module}`"));
    }
    let package = dependencies.iter().map(|dependency| name(dependency));
    let package = package.into_iter().find(|package| plain(package) == plain(module))?;
    Some(format!("takes the place of the package `{package}`"))
}

/// The name of a package in a requirement.
fn name(dependency: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    dependency.trim().split(|c| !is_part(c)).next().unwrap_or_default()
}

/// A name as packages are compared.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}
