//! The names of exceptions that a report may hold. Any other is [`OTHER`].
//!
//! Pure. A name is one of those that every Python has, or of a few packages that jobs use; a name
//! that a job gives to an exception of its own would be a text of its choosing.

/// What any other exception is called.
pub(super) const OTHER: &str = "another exception";

/// The built-in exceptions of Python 3.8 to 3.14. Source: the library reference, "Built-in
/// Exceptions"; warnings are there because `-W error` makes exceptions of them.
#[rustfmt::skip]
const BUILT_IN: &[&str] = &[
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BaseExceptionGroup",
    "BlockingIOError", "BrokenPipeError", "BufferError", "BytesWarning", "ChildProcessError",
    "ConnectionAbortedError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError",
    "DeprecationWarning", "EOFError", "EncodingWarning", "Exception", "ExceptionGroup",
    "FileExistsError", "FileNotFoundError", "FloatingPointError", "FutureWarning", "GeneratorExit",
    "ImportError", "ImportWarning", "IndentationError", "IndexError", "InterruptedError",
    "IsADirectoryError", "KeyError", "KeyboardInterrupt", "LookupError", "MemoryError",
    "ModuleNotFoundError", "NameError", "NotADirectoryError", "NotImplementedError", "OSError",
    "OverflowError", "PendingDeprecationWarning", "PermissionError", "ProcessLookupError",
    "PythonFinalizationError", "RecursionError", "ReferenceError", "ResourceWarning",
    "RuntimeError", "RuntimeWarning", "StopAsyncIteration", "StopIteration", "SyntaxError",
    "SyntaxWarning", "SystemError", "SystemExit", "TabError", "TimeoutError", "TypeError",
    "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError",
    "UnicodeTranslateError", "UnicodeWarning", "UserWarning", "ValueError", "Warning",
    "ZeroDivisionError",
];

/// Exceptions of packages: the package, the last part of the name, and what it is called here. The
/// modules between the two differ from release to release.
#[rustfmt::skip]
const OF_PACKAGES: &[(&str, &str, &str)] = &[
    ("_csv",         "Error",                "csv.Error"),
    ("csv",          "Error",                "csv.Error"),
    ("json",         "JSONDecodeError",      "json.JSONDecodeError"),
    ("subprocess",   "CalledProcessError",   "subprocess.CalledProcessError"),
    ("zipfile",      "BadZipFile",           "zipfile.BadZipFile"),
    ("numpy",        "AxisError",            "numpy.AxisError"),
    ("numpy",        "LinAlgError",          "numpy.LinAlgError"),
    ("numpy",        "_ArrayMemoryError",    "MemoryError"),
    ("pandas",       "DataError",            "pandas.DataError"),
    ("pandas",       "DuplicateLabelError",  "pandas.DuplicateLabelError"),
    ("pandas",       "EmptyDataError",       "pandas.EmptyDataError"),
    ("pandas",       "IndexingError",        "pandas.IndexingError"),
    ("pandas",       "IntCastingNaNError",   "pandas.IntCastingNaNError"),
    ("pandas",       "InvalidIndexError",    "pandas.InvalidIndexError"),
    ("pandas",       "MergeError",           "pandas.MergeError"),
    ("pandas",       "OutOfBoundsDatetime",  "pandas.OutOfBoundsDatetime"),
    ("pandas",       "ParserError",          "pandas.ParserError"),
    ("pandas",       "SpecificationError",   "pandas.SpecificationError"),
    ("pandas",       "UndefinedVariableError", "pandas.UndefinedVariableError"),
    ("pandas",       "UnsortedIndexError",   "pandas.UnsortedIndexError"),
];

/// Returns what an exception is called whose name a traceback gives as `name`.
pub(super) fn known(name: &str) -> &'static str {
    if let Some(known) = BUILT_IN.iter().find(|known| **known == name) {
        return known;
    }
    let parts = name.split_once('.').zip(name.rsplit_once('.'));
    let known = parts.and_then(|((package, _), (_, last))| {
        OF_PACKAGES.iter().find(|(of, what, _)| *of == package && *what == last)
    });
    known.map_or(OTHER, |(_, _, called)| called)
}

/// How many names there are, [`OTHER`] aside.
pub(super) const fn count() -> u64 {
    (BUILT_IN.len() + OF_PACKAGES.len()) as u64
}
