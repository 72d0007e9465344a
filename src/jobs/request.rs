//! What a submitter says that a job is for, and which files it is to leave.
//!
//! Pure. It travels among the `headers` of `config.yaml`, which every client reads and keeps and none
//! acts on, so it is part of what an approval binds to. It is a stranger's claim: what is read is
//! bounded, on one line, free of characters that steer, and steers nothing itself. What does not fit
//! is left out, and [`Request::is_partial`] says so: a remark is no reason to lose a job.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::name::is_deceptive;
use crate::model::DatasitePath;

/// The purpose of a job, and the outputs that its submitter expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    purpose: Option<String>,
    expected: Vec<Expected>,
    is_partial: bool,
}

/// A file below `outputs/`, or a folder with anything in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    path: DatasitePath,
    is_folder: bool,
}

/// How what a job left compares with what its submitter expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Expected, and not there.
    pub missing: Vec<Expected>,
    /// There, and not expected.
    pub unexpected: Vec<DatasitePath>,
}

const PURPOSE_CHARS_MAX: usize = 1_000; // some ten lines: more is for a file of the job
const EXPECTED_MAX: usize = 100;
const NAMED_MAX: usize = 10;

const PURPOSE: &str = "purpose";
const EXPECTED: &str = "expected_outputs";
const FOLDER: &str = "outputs/";

impl Request {
    /// Makes a request of what a submitter typed. Paths may begin with `outputs/`; one that ends in
    /// `/` is a folder.
    ///
    /// # Errors
    /// What is wrong, in words for the submitter.
    pub fn new(purpose: Option<&str>, expected: &[String]) -> Result<Self, String> {
        let purpose = purpose.map(one_line).filter(|text| !text.is_empty());
        if let Some(text) = &purpose {
            if text.chars().count() > PURPOSE_CHARS_MAX {
                return Err(format!(
                    "the purpose is longer than {PURPOSE_CHARS_MAX} characters; put the rest into a file of the job"
                ));
            }
            if text.chars().any(is_unfit) {
                return Err("the purpose holds a character that steers a terminal".to_owned());
            }
        }
        let wrong = |text: &String| {
            let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
            format!("`{shown}` is no file or folder below `outputs/`")
        };
        let parse = |text: &String| Expected::parse(text).ok_or_else(|| wrong(text));
        let expected: BTreeSet<_> = expected.iter().map(parse).collect::<Result<_, _>>()?;
        if expected.len() > EXPECTED_MAX {
            return Err(format!("more than {EXPECTED_MAX} outputs are named; name a folder"));
        }
        Ok(Self { purpose, expected: expected.into_iter().collect(), is_partial: false })
    }

    /// Reads what the `headers` of a job say. Whatever they hold, this is a request.
    pub fn read(headers: &Map<String, Value>) -> Self {
        let mut request = Self::default();
        match headers.get(PURPOSE) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                let harmless = |c| if is_unfit(c) { char::REPLACEMENT_CHARACTER } else { c };
                let whole = one_line(text);
                let text: String = whole.chars().take(PURPOSE_CHARS_MAX).map(harmless).collect();
                request.is_partial = text != whole;
                request.purpose = Some(text).filter(|text| !text.is_empty());
            }
            Some(_) => request.is_partial = true,
        }
        match headers.get(EXPECTED) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                let read = |item: &Value| item.as_str().and_then(Expected::parse);
                let found: BTreeSet<_> = items.iter().take(EXPECTED_MAX).filter_map(read).collect();
                request.is_partial |= found.len() != items.len();
                request.expected = found.into_iter().collect();
            }
            Some(_) => request.is_partial = true,
        }
        request
    }

    /// Returns the `headers` that say this: none where nothing is said.
    pub fn to_headers(&self) -> Map<String, Value> {
        let mut headers = Map::new();
        if !self.expected.is_empty() {
            let items = self.expected.iter().map(|item| Value::String(item.to_string()));
            headers.insert(EXPECTED.to_owned(), Value::Array(items.collect()));
        }
        if let Some(purpose) = &self.purpose {
            headers.insert(PURPOSE.to_owned(), Value::String(purpose.clone()));
        }
        headers
    }

    /// Returns what the job is for: one line, fit to show. `None` if that is not said.
    pub fn purpose(&self) -> Option<&str> {
        self.purpose.as_deref()
    }

    /// Returns the outputs that are expected, sorted. None if nothing is said of them.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// True if something was said that could not be taken over as it is.
    pub const fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Compares what is expected with `outputs`, paths below `outputs/`. Where nothing is expected,
    /// nothing is missing and anything goes.
    pub fn compare<'a>(&self, outputs: impl IntoIterator<Item = &'a DatasitePath>) -> Comparison {
        if self.expected.is_empty() {
            return Comparison::default();
        }
        let mut found = BTreeSet::new();
        let mut unexpected = Vec::new();
        for output in outputs {
            let meant = self.expected.iter().filter(|expected| expected.means(output));
            let meant: Vec<_> = meant.collect();
            if meant.is_empty() {
                unexpected.push(output.clone());
            }
            found.extend(meant);
        }
        let missing = self.expected.iter().filter(|expected| !found.contains(expected));
        Comparison { missing: missing.cloned().collect(), unexpected }
    }
}

impl Expected {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("./").unwrap_or(text);
        let text = text.strip_prefix(FOLDER).unwrap_or(text);
        let (text, is_folder) = match text.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (text, false),
        };
        let path = DatasitePath::parse(text).ok()?;
        (!path.as_str().chars().any(is_unfit)).then_some(Self { path, is_folder })
    }

    fn means(&self, output: &DatasitePath) -> bool {
        match self.is_folder {
            true => output.is_below(self.path.as_str()),
            false => *output == self.path,
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.path, if self.is_folder { "/" } else { "" })
    }
}

impl Comparison {
    /// True if what was left is what was expected, or nothing was expected.
    pub const fn is_as_expected(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    /// Says what differs, in a line for each kind.
    pub fn notes(&self) -> Vec<String> {
        let missing = named("expected and not there", &self.missing);
        missing.into_iter().chain(named("there and not expected", &self.unexpected)).collect()
    }
}

fn named(what: &str, paths: &[impl std::fmt::Display]) -> Option<String> {
    let names: Vec<_> = paths.iter().take(NAMED_MAX).map(|path| format!("`{path}`")).collect();
    let more = paths.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{what}: {}{more}", names.join(", ")))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// True for what could make a listing show something else, and for what readers of YAML refuse.
fn is_unfit(c: char) -> bool {
    is_deceptive(c) || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn request(expected: &[&str]) -> Request {
        let expected: Vec<_> = expected.iter().map(|&text| text.to_owned()).collect();
        Request::new(None, &expected).unwrap()
    }

    fn outputs(paths: &[&str]) -> Vec<DatasitePath> {
        paths.iter().map(|path| DatasitePath::parse(path).unwrap()).collect()
    }

    #[test]
    fn what_was_left_is_compared_with_what_was_expected() {
        type Words = &'static [&'static str];
        #[rustfmt::skip]
        let cases: [(&str, Words, Words, Words, Words); 7] = [
            // what                    expected                 left                  missing          unexpected
            ("nothing is said",        &[],                     &["a", "b"],          &[],             &[]),
            ("just that",              &["a", "b/c"],           &["a", "b/c"],        &[],             &[]),
            ("less",                   &["a", "b"],             &["a"],               &["b"],          &[]),
            ("more",                   &["a"],                  &["a", "a.txt"],      &[],             &["a.txt"]),
            ("a folder with anything", &["plots/"],             &["plots/1", "plots/2/3"], &[],        &[]),
            ("a folder of that start", &["plots/"],             &["plots2/1", "plots"], &["plots/"],   &["plots2/1", "plots"]),
            ("nothing at all",         &["outputs/a", "./b/"],  &[],                  &["a", "b/"],    &[]),
        ];
        for (what, expected, left, missing, unexpected) in cases {
            let compared = request(expected).compare(&outputs(left));
            let shown: Vec<_> = compared.missing.iter().map(ToString::to_string).collect();
            assert_eq!(shown, missing, "{what}");
            assert_eq!(compared.unexpected, outputs(unexpected), "{what}");
            assert_eq!(compared.is_as_expected(), compared.notes().is_empty(), "{what}");
        }
        let many: Vec<_> = (0..12).map(|number| format!("x{number:02}")).collect();
        let notes = Request::new(None, &many).unwrap().compare(&[]).notes();
        assert!(notes[0].ends_with("`x09` and 2 more"), "{notes:?}");
    }

    #[test]
    fn what_a_submitter_types_is_checked() {
        let long = "x".repeat(PURPOSE_CHARS_MAX + 1);
        for bad in ["a\u{1b}[2J", "a\u{202e}b", "a\u{ffff}", &long] {
            assert!(Request::new(Some(bad), &[]).is_err(), "{bad:?}");
        }
        for bad in ["", "/etc/passwd", "../x", "outputs/", "a//b", "a\u{7}"] {
            assert!(Request::new(None, &[bad.to_owned()]).is_err(), "{bad:?}");
        }
        let purpose = Request::new(Some("  two\n lines\t"), &[]).unwrap();
        assert_eq!(purpose.purpose(), Some("two lines"));
        assert_eq!(Request::new(Some(" \n"), &[]).unwrap(), Request::default());
    }

    #[test]
    fn what_a_stranger_wrote_is_cut_to_what_is_harmless() {
        let long = "x".repeat(5_000);
        #[rustfmt::skip]
        let cases = [
            // what                    headers                                            purpose             expected         partial
            ("nothing",                json!({}),                                         None,               vec![],          false),
            ("null",                   json!({"purpose": null}),                          None,               vec![],          false),
            ("lines that imitate",     json!({"purpose": "a\nFrom  do@x.org"}),           Some("a From do@x.org"), vec![],       false),
            ("an escape",              json!({"purpose": "a\u{1b}[2J"}),                  Some("a\u{fffd}[2J"), vec![],        true),
            ("a number",               json!({"purpose": 7}),                             None,               vec![],          true),
            ("a path out",             json!({"expected_outputs": ["../x", "a"]}),        None,               vec!["a"],       true),
            ("no list",                json!({"expected_outputs": {"a": 1}}),             None,               vec![],          true),
            ("what others say",        json!({"job_type": "enclave"}),                    None,               vec![],          false),
        ];
        for (what, headers, purpose, expected, partial) in cases {
            let read = Request::read(headers.as_object().unwrap());
            assert_eq!(read.purpose(), purpose, "{what}");
            let shown: Vec<_> = read.expected().iter().map(ToString::to_string).collect();
            assert_eq!(
                (shown, read.is_partial()),
                (expected.iter().map(ToString::to_string).collect(), partial),
                "{what}"
            );
        }
        let many: Vec<_> = (0..500).map(|number| number.to_string()).collect();
        let headers = json!({ "purpose": long, "expected_outputs": many });
        let read = Request::read(headers.as_object().unwrap());
        assert_eq!(read.purpose().unwrap().len(), PURPOSE_CHARS_MAX);
        assert_eq!((read.expected().len(), read.is_partial()), (EXPECTED_MAX, true));
    }

    proptest! {
        #[test]
        fn what_is_said_arrives(purpose in "\\PC{0,40}", names in proptest::collection::vec("[a-z]{1,5}(/[a-z]{1,3})?/?", 0..5)) {
            if let Ok(request) = Request::new(Some(&purpose), &names) {
                prop_assert_eq!(Request::read(&request.to_headers()), request);
            }
        }
    }
}
