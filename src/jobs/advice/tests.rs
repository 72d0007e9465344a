//! What is told of which text.

use super::*;

fn files(files: &[(&str, &str)]) -> BTreeMap<DatasitePath, Vec<u8>> {
    let path = |path| DatasitePath::parse(path).unwrap();
    files.iter().map(|&(name, text)| (path(name), text.as_bytes().to_vec())).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

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
        let found = of_code(&files(&[("main.py", code)]), module);
        assert_eq!(!found.is_empty(), told, "{what}: {found:?}");
    }
}

#[test]
fn places_of_this_machine_are_told_with_their_line() {
    #[rustfmt::skip]
    let cases = [
        // what                   file        text                                                  told
        ("a home folder",         "main.py",  "x = 1\nopen('/home/ann/data.csv')\n",                Some("line 2, names `/home/ann/data.csv`")),
        ("another system's",      "main.py",  "open(\"/Volumes/ann/d\")",                           Some("`/Volumes/ann/d`")),
        ("a drive",               "main.py",  r#"open(r"C:\data\d.csv")"#,                          Some("names `C:")),
        ("a tilde",               "main.py",  "open('~/d')",                                        Some("`~/d`")),
        ("the SyftBox itself",    "main.py",  "p = 'SyftBox_a@b.org/x'",                            Some("SyftBox_")),
        ("the folder of datasets","main.py",  "p = box + '/private/syft_datasets/census'",          Some("syft_datasets")),
        ("a comment",             "main.py",  "x = 1 # '/home/ann/data.csv'",                       None),
        ("a result",              "main.py",  "open('outputs/x', 'w')",                             None),
        ("the system's own",      "main.py",  "open('/usr/share/dict/words')",                      None),
        ("a script",              "run.sh",   "cat /home/ann/data.csv",                             Some("line 1")),
        ("what a script has",     "run.sh",   "cat $SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/c/x", None),
        ("no code",               "note.txt", "'/home/ann'",                                        None),
    ];
    for (what, file, text, told) in cases {
        let found = of_code(&files(&[(file, text)]), None);
        match told {
            None => assert_eq!(found, [], "{what}"),
            Some(words) => {
                assert!(found.len() == 1 && found[0].text.contains(words), "{what}: {found:?}");
            }
        }
    }
}

#[test]
fn datasets_are_compared_with_the_code_and_with_what_is_shown() {
    let shown: BTreeSet<String> = ["census".to_owned(), "other".to_owned()].into();
    const CODE: &str = "sc.resolve_dataset_file_path('census')";
    type Words = &'static [&'static str];
    #[rustfmt::skip]
    let cases: [(&str, &str, Option<Words>, Words); 11] = [
        // what                    code                                        named                found
        ("all is well",            CODE,                                       Some(&["census"]),   &[]),
        ("any dataset",            CODE,                                       None,                &[]),
        ("one that is not there",  "census nil",                               Some(&["nil"]),      &["doubtful"]),
        ("named in code only",     CODE,                                       Some(&["other"]),    &["doubtful", "told"]),
        ("not there, in code",     "resolve_dataset_files_path( \"nil\")",     None,                &["doubtful"]),
        ("by keyword",             "resolve_dataset_file_path(dataset_name = 'nil', x=1)", None,    &["doubtful"]),
        ("over two lines",         "resolve_dataset_file_path(\n  'nil',\n)",  None,                &["doubtful"]),
        ("code of a dataset",      "load_dataset_code('nil.tools.clean')",     None,                &["doubtful"]),
        ("a variable",             "resolve_dataset_file_path(name)",          None,                &[]),
        ("a comment",              "# resolve_dataset_file_path('nil')",       None,                &[]),
        ("never mentioned",        "print(1)",                                 Some(&["census"]),   &["told"]),
    ];
    for (what, code, named, expected) in cases {
        let named = named.map(names);
        let known = Known { shown: Some(&shown), named: named.as_deref() };
        let found = of_datasets(&files(&[("main.py", code)]), known);
        let weights: Vec<_> = found.iter().map(|finding| finding.weight.as_str()).collect();
        assert_eq!(weights, expected, "{what}: {found:?}");
        let nobody_looked = Known { shown: None, named: None };
        let none = BTreeSet::new();
        let nothing_shown = Known { shown: Some(&none), named: None };
        assert_eq!(of_datasets(&files(&[("main.py", code)]), nothing_shown), [], "{what}");
        assert_eq!(of_datasets(&files(&[("main.py", code)]), nobody_looked), [], "{what}");
    }
}

#[test]
fn what_looks_like_a_secret_is_named_without_its_value() {
    let aws = format!("key = 'AKIA{}'", "Z7".repeat(8));
    let github = format!("t = 'ghp_{}'", "a1B2".repeat(9));
    let models = format!("t = 'hf_{}'", "a1B2".repeat(9));
    assert!(
        of_dependency("x @ git+https://me:Z7Z7@h.org/x").is_some_and(|it| !it.text.contains("Z7"))
    );
    assert!(of_dependency("x @ git+ssh://git@h.org/x").is_none());
    #[rustfmt::skip]
    let cases = [
        // what                    file                  text                                             found
        ("the client's own",       "credentials.json",   "{}",                                            true),
        ("a sign-in",              "sub/token.json",     "{}",                                            true),
        ("an OAuth client",        "client_secret_1.json", "{}",                                          true),
        ("a key by its name",      "id_ed25519",         "",                                              true),
        ("a key by its suffix",    "server.PEM",         "",                                              true),
        ("a key inside",           "notes.txt",          "x\n-----BEGIN RSA PRIVATE KEY-----\nMII",       true),
        ("a certificate",          "ca.txt",             "-----BEGIN CERTIFICATE-----\nMII",              false),
        ("a settings file",        "prod.env",           "A=1",                                           true),
        ("a token in JSON",        "x.json",             "{\"refresh_token\": \"1//secret\"}",            true),
        ("a word in code",         "main.py",            "x['refresh_token']",                            false),
        ("a cloud's key",          "main.py",            aws.as_str(),                                    true),
        ("a token",                "main.py",            github.as_str(),                                 true),
        ("a start of one",         "main.py",            "AKIA ghp_short",                                false),
        ("in a longer word",       "main.py",            "MAKIAZZZZZZZZZZZZZZZZZZ",                       false),
        ("a token of models",      "main.py",            models.as_str(),                                 true),
        ("an index of one's own",  "pyproject.toml",     "url = 'https://me:Z7Z7@pypi.example.org/simple'", true),
        ("a placeholder",          "main.py",            "f'https://{user}:{word}@h.org'",                false),
        ("a user alone",           "main.py",            "git+ssh://git@h.org/o/x",                       false),
        ("a port",                 "main.py",            "http://localhost:8080/x@y",                     false),
        ("data",                   "params.json",        "{\"rows\": 3}",                                 false),
        ("code about tokens",      "token.py",           "import token",                                  false),
    ];
    for (what, file, text, expected) in cases {
        let found = of_secrets(&files(&[(file, text)]));
        assert_eq!(found.len(), usize::from(expected), "{what}: {found:?}");
        for finding in found {
            assert!(finding.text.starts_with(file), "{what}");
            assert!(!finding.text.contains("Z7Z7") && !finding.text.contains("secret\""), "{what}");
        }
    }
}

#[test]
fn no_text_is_too_odd_to_be_searched() {
    for text in [
        "'",
        "\"\\",
        "resolve_dataset_file_path(",
        "resolve_dataset_file_path('é",
        "é'é",
        "-----BEGIN ",
    ] {
        let files = files(&[("main.py", text), ("a.sh", text)]);
        of_code(&files, Some("syft"));
        of_datasets(&files, Known { shown: None, named: Some(&[]) });
        of_secrets(&files);
    }
}
