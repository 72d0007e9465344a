use super::*;
use crate::model::Email;

const MINUTES: i64 = 60;

fn report(problems: &[(Code, &str)]) -> Report {
    let mut report = Report::default();
    for (code, message) in problems {
        report.problem(*code, *message);
    }
    report
}

#[test]
fn a_problem_is_told_once_for_as_long_as_it_lasts() {
    #[rustfmt::skip]
    let cases: [(&str, Code, &[i64], &[bool]); 5] = [
        ("every five minutes for days", Code::RulesNotUsable, &[0, 5, 10, 3000, 4400, 5800],  &[true, false, false, true, false, false]),
        ("gone for an hour",            Code::RulesNotUsable, &[0, 60],                       &[true, false]),
        ("gone for more than a day",    Code::RulesNotUsable, &[0, 1441],                     &[true, true]),
        ("one that mostly passes",      Code::FileChanging,    &[0, 5, 10],                    &[false, true, false]),
        ("the clock went back",         Code::RulesNotUsable, &[50_000, 0],                   &[true, false]),
    ];
    for (what, code, minutes, told) in cases {
        let mut memory = Memory::default();
        let got: Vec<bool> = minutes
            .iter()
            .map(|minute| {
                let problem = report(&[(code, "it is so")]);
                !memory.synced(&problem, Role::Owner, minute * MINUTES).is_empty()
            })
            .collect();
        assert_eq!(got, told, "{what}");
    }
}

#[test]
fn what_is_new_is_told_beside_what_is_not() {
    let mut memory = Memory::default();
    let told = |memory: &mut Memory, problems| {
        let news = memory.synced(&report(problems), Role::Owner, 0);
        news.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut memory, &[(Code::KeyChanged, "of ann")]), ["of ann"]);
    assert_eq!(
        told(&mut memory, &[(Code::KeyChanged, "of ann"), (Code::KeyChanged, "of bob")]),
        ["of bob"]
    );
    assert_eq!(told(&mut memory, &[]), [""; 0]);
}

#[test]
fn a_refusal_is_told_to_who_proposed() {
    let peer = Email::parse("do@example.org").unwrap();
    let refused = Refused { path: "a.txt".to_owned(), peer, reason: "no".to_owned() };
    let report = Report { refused: vec![refused], ..Report::default() };
    let mut memory = Memory::default();
    assert!(memory.synced(&report, Role::Owner, 0).is_empty());
    for _ in 0..2 {
        assert_eq!(memory.synced(&report, Role::Scientist, 0).refused, report.refused);
    }
}

#[test]
fn a_failure_is_told_once_and_a_lost_network_after_a_day() {
    let mut memory = Memory::default();
    let mut at = |minute: i64, code: Code, is_passing| {
        memory.failed(code, "it is so", is_passing, minute * MINUTES)
    };
    assert!(at(0, Code::SignedOut, false));
    assert!(!at(5, Code::SignedOut, false));
    assert!(at(10, Code::SuddenlyEmpty, false), "another one is told");
    assert!(!at(15, Code::Unavailable, true));
    assert!(at(1440, Code::Unavailable, true), "nothing has worked for a day");
    assert!(!at(1445, Code::RateLimited, true), "which is told once");
    memory.synced(&Report::default(), Role::Owner, 2000 * MINUTES);
    assert!(!memory.failed(Code::Unavailable, "it is so", true, 2005 * MINUTES));
    assert!(
        memory.failed(Code::SignedOut, "it is so", false, 2010 * MINUTES),
        "it had worked again"
    );
}

#[test]
fn what_is_remembered_is_bounded_and_names_nobody() {
    let mut memory = Memory::default();
    for number in 0..TOLD_MAX + 50 {
        let message = format!("ann@example.org wrote {number}");
        let now = i64::try_from(number).unwrap();
        memory.synced(&report(&[(Code::ForgedRequest, &message)]), Role::Owner, now);
    }
    assert_eq!(memory.told.len(), TOLD_MAX);
    let text = serde_json::to_string(&memory).unwrap();
    assert!(!text.contains("ann"), "{text}");
    assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
}

#[test]
fn many_problems_are_a_few_and_more_and_are_told_once() {
    let mut memory = Memory::default();
    let texts: Vec<String> = (0..3 * TOLD_MAX).map(|number| format!("link {number:05}")).collect();
    let many: Vec<(Code, &str)> =
        texts.iter().map(|text| (Code::LinkNotFollowed, text.as_str())).collect();
    let told = memory.synced(&report(&many), Role::Owner, 0).problems;
    assert_eq!(told.len(), ALIKE_MAX + 1);
    assert_eq!(told[ALIKE_MAX].message, MORE);
    for minutes in [5, 10, 15] {
        assert!(memory.synced(&report(&many), Role::Owner, minutes * MINUTES).is_empty());
    }
    assert!(memory.synced(&report(&many[1..]), Role::Owner, 20 * MINUTES).problems.len() <= 1);
}

#[test]
fn what_is_so_now_is_never_forgotten_for_what_was() {
    let mut memory = Memory::default();
    let peers = |number: usize| Email::parse(&format!("p{number}@x.org")).unwrap();
    let mut many = Report::default();
    for number in 0..TOLD_MAX + 50 {
        many.problem_with(&peers(number), Code::KeyChanged, "changed");
    }
    assert_eq!(memory.synced(&many, Role::Owner, 0).problems.len(), TOLD_MAX + 50);
    assert!(memory.synced(&many, Role::Owner, 5 * MINUTES).is_empty(), "each is told once");
    for hour in 0..48 {
        let mut other = Report::default();
        other.problem(Code::RulesNotUsable, format!("{hour}"));
        memory.synced(&other, Role::Owner, hour * 60 * MINUTES);
    }
    assert!(memory.told.len() <= TOLD_MAX);
}

#[test]
fn a_lock_that_is_held_for_a_day_is_told_also_after_a_clock_that_was_ahead() {
    let mut memory = Memory::default();
    let mut told = |minutes: i64| memory.failed(Code::Locked, "held", true, minutes * MINUTES);
    assert!(!told(500_000), "by a clock that is a year ahead");
    assert!(!told(0) && !told(1439));
    assert!(told(1440) && !told(1445));
}
