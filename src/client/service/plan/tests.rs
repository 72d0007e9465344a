use std::path::Path;

use super::*;

fn task(program: &str, home: Option<&str>) -> Task {
    Task {
        program: PathBuf::from(program),
        home: home.map(PathBuf::from),
        email: Email::parse("olga+lab@example.org").unwrap(),
        serves: false,
        variables: Vec::new(),
    }
}

/// Reads a command line of a unit as systemd.service(5) says it is read.
fn read(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = line.chars().peekable();
    while rest.peek().is_some() {
        assert_eq!(rest.next(), Some('"'), "{line}");
        let mut word = String::new();
        loop {
            let c = rest.next().unwrap();
            let mut twice = |c| assert_eq!(rest.next(), Some(c), "{line}");
            match c {
                '"' => break,
                '%' => twice('%'),
                '$' if !words.is_empty() => twice('$'),
                _ => {}
            }
            word.push(match c {
                '\\' => match rest.next().unwrap() {
                    'n' => '\n',
                    'x' => {
                        let digits: String = rest.by_ref().take(2).collect();
                        char::from(u8::from_str_radix(&digits, 16).unwrap())
                    }
                    c => c,
                },
                c => c,
            });
        }
        words.push(word);
        assert!(matches!(rest.next(), None | Some(' ')), "{line}");
    }
    words
}

fn exec(unit: &Unit) -> &str {
    unit.text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap()
}

#[test]
fn units_run_the_very_program_for_the_very_account() {
    #[rustfmt::skip]
    let homes = ["/srv/syft", "/my home/100% \"new\"", "/it's/$HOME/%h", "/back\\slash", "/new\nline"];
    for home in homes {
        let task = task("/opt/my $tools/syft", Some(home));
        for (kind, last) in [(Kind::Watch, "--watch"), (Kind::Timer { minutes: 5 }, "--quiet")] {
            let units = task.units(kind).unwrap();
            let words = read(exec(&units[0]));
            let expected = [
                "/opt/my $tools/syft",
                "--home",
                home,
                "--email",
                "olga+lab@example.org",
                "sync",
                last,
            ];
            assert_eq!(words, expected, "{home}");
            for unit in &units {
                assert_eq!(unit.text.lines().next(), Some(task.mark().as_str()));
                assert!(!unit.text.replace("%%", "").contains('%'), "{home}");
            }
        }
    }
}

#[test]
fn a_service_that_serves_is_known_by_what_it_runs() {
    for home in ["/srv/syft", "/my home/ \"serve\"", "/it's serve --once --quiet # x"] {
        for serves in [false, true] {
            let task = Task { serves, ..task("/syft", Some(home)) };
            let (watch, timer) = (task.units(Kind::Watch), task.units(Kind::Timer { minutes: 5 }));
            let (watch, timer) = (watch.unwrap(), timer.unwrap());
            for unit in [&watch[0], &timer[0]] {
                assert_eq!(super::serves(&unit.text), serves, "{}", unit.text);
            }
            let words = read(exec(&watch[0]));
            let last = if serves { "serve" } else { "--watch" };
            assert_eq!(words.last().map(String::as_str), Some(last));
            let line = task.cron_line(5).unwrap();
            let ends = line.contains(" serve --once --quiet # syft-service ");
            assert_eq!(ends, serves, "{line}");
        }
    }
}

#[test]
fn each_account_in_each_home_has_a_name_of_its_own() {
    let mut names = std::collections::BTreeSet::new();
    for home in [None, Some("/a"), Some("/b")] {
        for email in ["olga@example.org", "olga-example@org.org", "sam@example.org"] {
            let email = Email::parse(email).unwrap();
            let id = Task { email, ..task("/syft", home) }.id();
            assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)), "{id}");
            names.insert(id);
        }
    }
    assert_eq!(names.len(), 9, "{names:?}");
}

#[test]
fn variables_are_carried_over() {
    let variables = vec![("XDG_CONFIG_HOME".to_owned(), "/my conf/100%".to_owned())];
    let task = Task { variables, ..task("/syft", None) };
    let units = task.units(Kind::Watch).unwrap();
    assert!(units[0].text.contains("\nEnvironment=\"XDG_CONFIG_HOME=/my conf/100%%\"\n"));
    assert!(task.cron_line(5).unwrap().contains("XDG_CONFIG_HOME='/my conf/100\\%' /syft --email"));
}

#[test]
fn a_line_of_cron_runs_as_often_as_was_said() {
    for minutes in MINUTES {
        let task = task("/syft", Some("/my home"));
        let line = task.cron_line(minutes).unwrap();
        assert_eq!(minutes_of(&line), Some(minutes), "{line}");
        assert!(task.offset(minutes) < minutes);
        assert!(line.contains("/syft --home '/my home' --email olga+lab@example.org sync --quiet"));
        assert_eq!(60 % minutes, 0);
    }
    let long = format!("/{}", "x".repeat(2000));
    for home in ["/back\\slash", "/new\nline", &long] {
        let unfit = task("/syft", Some(home)).cron_line(5);
        assert!(unfit.is_err_and(|Unfit(word)| word.contains(home)), "{home}");
    }
}

#[test]
fn what_is_no_text_cannot_be_written() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = Path::new(std::ffi::OsStr::from_bytes(b"/home/\xff")).to_owned();
    let task = Task { home: Some(home), ..task("/syft", None) };
    assert!(task.units(Kind::Watch).is_err() && task.cron_line(5).is_err());
}

#[test]
fn the_next_run_of_cron_is_the_next_fitting_minute() {
    #[rustfmt::skip]
    let cases = [
        // offset, minutes, minute, second, seconds
        (0, 5,  0,  0,  300),
        (0, 5,  4,  30, 30),
        (3, 5,  1,  0,  120),
        (3, 5,  3,  1,  299),
        (3, 5,  58, 0,  300),
        (7, 60, 8,  0,  59 * 60),
        (0, 1,  17, 20, 40),
    ];
    for (offset, minutes, minute, second, seconds) in cases {
        let got = seconds_to_next(offset, minutes, minute, second);
        assert_eq!(got, seconds, "{offset}-59/{minutes} at {minute}:{second}");
    }
}
