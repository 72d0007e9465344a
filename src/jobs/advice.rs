//! What a scientist should know of a submission before it is sent.
//!
//! Pure. Finds what works on the scientist's machine only. This is a search in text: it may see what
//! is not there and overlook what is, so nothing is refused because of it.

use std::collections::BTreeMap;

use crate::model::DatasitePath;

/// The names of the client's modules, in all generations.
const MODULES: [&str; 2] = ["syft_client", "syft"];

/// Returns what to tell; `module` is the one by which the job can import the client, if that
/// matters.
pub(crate) fn warnings(
    files: &BTreeMap<DatasitePath, Vec<u8>>,
    skipped: Vec<String>,
    module: Option<&str>,
) -> Vec<String> {
    let mut warnings: Vec<_> = skipped.into_iter().map(|what| format!("left out {what}")).collect();
    for (path, content) in files.iter().filter(|(path, _)| path.as_str().ends_with(".py")) {
        let text = String::from_utf8_lossy(content);
        for attribute in [".mock_files", ".private_files"] {
            if text.contains(attribute) {
                warnings.push(format!(
                    "{path} uses `{attribute}`, which is not there in a job; use `resolve_dataset_files_path`"
                ));
            }
        }
        let passes_client = text.lines().any(|line| {
            line.split_once("resolve_dataset_file")
                .is_some_and(|(_, call)| call.replace(' ', "").contains("client="))
        });
        if passes_client {
            warnings.push(format!("{path} passes `client=`; a job has no client"));
        }
        if let Some(module) = module
            && !imports(&text, module)
            && let Some(other) = MODULES.into_iter().find(|other| imports(&text, other))
        {
            warnings.push(format!(
                "{path} imports `{other}`, but the owner's client brings `{module}` to a job"
            ));
        }
    }
    warnings
}

/// True if a line imports `module` or something of it.
fn imports(text: &str, module: &str) -> bool {
    let names_it = |rest: &str| {
        rest.trim_start()
            .strip_prefix(module)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    text.lines().any(|line| {
        let line = line.trim_start();
        ["import ", "from "].iter().any(|word| line.strip_prefix(word).is_some_and(names_it))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_for_the_other_generation_is_told_unless_it_tries_both() {
        const BOTH: &str =
            "try:\n    import syft_client as sc\nexcept ImportError:\n    import syft as sc\n";
        #[rustfmt::skip]
        let cases = [
            // what                       code                                      module               told
            ("the name that is there",    "import syft as sy\n",                    Some("syft"),        false),
            ("that of the other",         "import syft_client as sc\n",             Some("syft"),        true),
            ("the other way round",       "import syft\n",                          Some("syft_client"), true),
            ("something of it",           "from syft_client import resolve_path\n", Some("syft"),        true),
            ("a module of it",            "from syft.x import y\n",                 Some("syft_client"), true),
            ("both are tried",            BOTH,                                     Some("syft"),        false),
            ("both, with the older",      BOTH,                                     Some("syft_client"), false),
            ("an owner that has both",    "import syft_client\n",                   None,                false),
            ("another module",            "import syftly, numpy\n",                 Some("syft_client"), false),
            ("a comment",                 "# import syft\n",                        Some("syft_client"), false),
            ("neither",                   "print(1)\n",                             Some("syft"),        false),
        ];
        for (what, code, module, told) in cases {
            let path = DatasitePath::parse("main.py").unwrap();
            let found = warnings(&[(path, code.into())].into(), Vec::new(), module);
            assert_eq!(!found.is_empty(), told, "{what}: {found:?}");
        }
    }
}
