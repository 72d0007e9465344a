//! What is told of failures, and that nothing of the data is ever among it.

use super::*;

fn file(path: &str, lines: u32) -> CodeFile {
    CodeFile { path: DatasitePath::parse(path).unwrap(), lines }
}

fn code() -> Vec<CodeFile> {
    vec![file("main.py", 40), file("lib/util.py", 10), file("params.txt", 9)]
}

fn of(stderr: &[u8], code: &[CodeFile], detail: Detail) -> Option<FailureReport> {
    let duration = Duration::from_secs(1);
    report(&Evidence { ending: Ending::Error, duration, memory: None, stderr, code }, detail)
}

const AT: &str = "/syftbox/do@example.org/app_data/job/inbox/ds@example.org/v1/a job/code";

#[test]
fn a_traceback_is_told_by_its_kind_and_place() {
    let main = format!("  File \"{AT}/main.py\", line 7, in <module>\n    go(secret)\n");
    let inner = format!("  File \"{AT}/lib/util.py\", line 3, in go\n    raise E\n    ^^^^^^^\n");
    let library =
        "  File \"/usr/lib/python3/json/decoder.py\", line 355, in raw_decode\n    raise X\n";
    let top = "Traceback (most recent call last):\n";
    #[rustfmt::skip]
    let cases = [
        // what is printed                                                    exception                    place
        (format!("{top}{main}ValueError: 12345\n"),                           Some("ValueError"),          Some("main.py:7")),
        (format!("{top}{main}{inner}KeyError: 'ann'\n"),                      Some("KeyError"),            Some("lib/util.py:3")),
        (format!("{top}{main}{library}json.decoder.JSONDecodeError: ann\n"),  Some("json.JSONDecodeError"), Some("main.py:7")),
        (format!("{top}{main}numpy.linalg.linalg.LinAlgError: Singular\n"),   Some("numpy.LinAlgError"),   Some("main.py:7")),
        (format!("{top}{main}pandas.errors.ParserError: 12\n"),               Some("pandas.ParserError"),  Some("main.py:7")),
        (format!("{top}{main}main.Ann_Smith_is_41: x\n"),                     Some("another exception"),   Some("main.py:7")),
        (format!("{top}{main}AnnSmith\n"),                                    Some("another exception"),   Some("main.py:7")),
        (format!("{top}{main}KeyboardInterrupt\n"),                           Some("KeyboardInterrupt"),   Some("main.py:7")),
        (format!("{top}{library}OSError: /data/ann.csv\n"),                   Some("OSError"),             None),
        ("Traceback (most recent call last):\n  File \"main.py\", line 2, in f\n    1/0\nZeroDivisionError: division by zero".into(),
                                                                              Some("ZeroDivisionError"),   Some("main.py:2")),
        ("Traceback (most recent call last):\n  File \"code/main.py\", line 2, in f\nMemoryError\r\n".into(),
                                                                              Some("MemoryError"),         Some("main.py:2")),
        // Chained: the last is what ended it.
        (format!("{top}{main}KeyError: 'ann'\n\nDuring handling of the above exception, another exception occurred:\n\n{top}{inner}TypeError: x\n"),
                                                                              Some("TypeError"),           Some("lib/util.py:3")),
        // A group: the members are not told.
        (format!("  + Exception Group {top}  |   File \"{AT}/main.py\", line 9, in <module>\n  |     raise g\n  | ExceptionGroup: ann (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | {top}    |   File \"{AT}/lib/util.py\", line 3, in go\n    | ValueError: ann\n    +------------------------------------\n"),
                                                                              Some("ExceptionGroup"),      Some("main.py:9")),
        (format!("  File \"{AT}/main.py\", line 4\n    ann = = 41\n          ^\nSyntaxError: invalid syntax\n"),
                                                                              Some("SyntaxError"),         Some("main.py:4")),
        (format!("{top}{main}  File \"{AT}/lib/util.py\", line 8\n    if ann:\n           ^\nIndentationError: expected an indented block\n"),
                                                                              Some("IndentationError"),    Some("lib/util.py:8")),
        // Beyond what was submitted.
        (format!("{top}  File \"{AT}/main.py\", line 41, in f\nValueError\n"), Some("ValueError"),         None),
        (format!("{top}  File \"{AT}/main.py\", line 0, in f\nValueError\n"),  Some("ValueError"),         None),
        (format!("{top}  File \"{AT}/main.py\", line 99999999999999999999\nValueError\n"), Some("ValueError"), None),
        (format!("{top}  File \"{AT}/ann.py\", line 1, in f\nValueError\n"),   Some("ValueError"),         None),
        (format!("{top}  File \"{AT}/params.txt\", line 1, in f\nValueError\n"), Some("ValueError"),       None),
        (format!("{top}  File \"/elsewhere/main.py\", line 1, in f\nValueError\n"), Some("ValueError"),    None),
        (format!("{top}  File \"main.py\", line ann, in f\nValueError\n"),     Some("ValueError"),         None),
        // Behind what was printed without an end, as progress is.
        (format!("41 of 99{top}{main}ValueError: 12345\n"),                   Some("ValueError"),          Some("main.py:7")),
        // No traceback.
        ("ValueError: ann\n".into(),                                          None,                        None),
        ("line 4: ann: command not found\n".into(),                           None,                        None),
        (String::new(),                                                       None,                        None),
        (top.into(),                                                          None,                        None),
    ];
    for (printed, exception, place) in cases {
        let report = of(printed.as_bytes(), &code(), Detail::Full).unwrap();
        let at = report.place.as_ref().map(|(path, line)| format!("{path}:{line}"));
        assert_eq!((report.exception, at.as_deref()), (exception, place), "{printed}");
    }
}

#[test]
fn a_file_name_that_ends_like_a_submitted_one_is_another() {
    let files = [file("util.py", 9), file("lib/util.py", 9)];
    for (path, told) in [
        (format!("{AT}/lib/util.py"), Some("lib/util.py")),
        (format!("{AT}/util.py"), Some("util.py")),
        (format!("{AT}/other/lib/util.py"), None),
        ("lib/util.py".to_owned(), Some("lib/util.py")),
        ("xlib/util.py".to_owned(), None),
    ] {
        let printed =
            format!("Traceback (most recent call last):\n  File \"{path}\", line 1, in f\nE\n");
        let report = of(printed.as_bytes(), &files, Detail::Full).unwrap();
        assert_eq!(report.place.as_ref().map(|(path, _)| path.as_str()), told, "{path}");
    }
}

#[test]
fn how_much_is_told_is_the_owners_choice() {
    let printed =
        format!("Traceback (most recent call last):\n  File \"{AT}/main.py\", line 7\nKeyError\n");
    let full = of(printed.as_bytes(), &code(), Detail::Full).unwrap();
    assert_eq!(
        full.json(),
        json!({ "syft_failure_report": 1, "ending": "error", "exception": "KeyError",
                "file": "main.py", "line": 7, "time": "less than 10 s", "memory": null })
    );
    let text = full.to_text();
    assert!(text.contains("Exception:  KeyError\nWhere:      main.py, line 7\n"), "{text}");
    let class = of(printed.as_bytes(), &code(), Detail::Class).unwrap();
    assert_eq!((class.exception, &class.place), (None, &None));
    assert_eq!(of(printed.as_bytes(), &code(), Detail::Off), None);
    for ending in Ending::ALL.into_iter().filter(|ending| *ending != Ending::Error) {
        let (stderr, code) = (printed.as_bytes(), &code()[..]);
        let evidence = Evidence { ending, duration: Duration::ZERO, memory: None, stderr, code };
        let report = report(&evidence, Detail::Full).unwrap();
        assert_eq!((report.exception, &report.place), (None, &None), "{ending:?}");
    }
}

#[test]
fn figures_are_classes() {
    let of = |seconds, memory| {
        let (stderr, code): (&[u8], &[CodeFile]) = (b"", &[]);
        let duration = Duration::from_secs(seconds);
        let evidence = Evidence { ending: Ending::Killed, duration, memory, stderr, code };
        let report = report(&evidence, Detail::Class).unwrap();
        (report.time, report.memory)
    };
    assert_eq!(of(0, None), ("less than 10 s", None));
    assert_eq!(of(10, Some(0)), ("less than a minute", Some("less than 256 MB")));
    assert_eq!(of(599, Some(1 << 30)), ("less than 10 minutes", Some("less than 4 GB")));
    assert_eq!(of(600, Some(u64::MAX)), ("10 minutes or more", Some("4 GB or more")));
    for (code, ending) in
        [(1, "error"), (255, "error"), (137, "killed"), (-9, "killed"), (128, "error")]
    {
        assert_eq!(Ending::of_code(code).as_str(), ending, "{code}");
    }
}

#[test]
fn what_a_job_can_say_by_failing_is_bounded() {
    let bits = |code: &[CodeFile], detail| capacity_bits(code, detail);
    assert!((4.7..4.8).contains(&bits(&code(), Detail::Off)), "27 states");
    assert!((9.0..9.2).contains(&bits(&code(), Detail::Class)), "540 reports");
    assert!((18.5..18.8).contains(&bits(&code(), Detail::Full)), "{}", bits(&code(), Detail::Full));
    // Endless code makes it no more than a little.
    let huge = [file("a.py", u32::MAX), file("b.py", 1)];
    let most: Vec<_> = (0..FILES_MAX).map(|i| file(&format!("{i}.py"), u32::MAX)).collect();
    let many: Vec<_> = (0..=FILES_MAX).map(|i| file(&format!("{i}.py"), 9)).collect();
    for code in [&huge[..], &most, &many] {
        assert!(bits(code, Detail::Full) < 25.3, "{}", bits(code, Detail::Full));
    }
    // And lines are told in steps then.
    let printed =
        "Traceback (most recent call last):\n  File \"a.py\", line 3000000, in f\nKeyError\n";
    let (_, line) = of(printed.as_bytes(), &huge, Detail::Full).unwrap().place.unwrap();
    assert_eq!((line - 1) % (1 << 20), 0, "{line}");
}
