use super::*;

const START: i64 = 1_780_000_000_000_000;

fn at(seconds: f64) -> Moment {
    let awake = Duration::from_secs_f64(seconds);
    let micros = i64::try_from(awake.as_micros()).unwrap();
    Moment { awake, wall: Timestamp::from_micros(START + micros) }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A plan whose first sync ended at second 0, with nothing to do.
fn idle() -> Plan {
    let mut plan = Plan::new(Pace::default(), at(0.0));
    assert_eq!(plan.next(at(0.0)), Next::Now, "a watch begins with a sync");
    sync(&mut plan, Ended::Idle, 0.0);
    plan
}

fn sync(plan: &mut Plan, ended: Ended, second: f64) {
    plan.begun(at(second));
    plan.ended(ended, at(second), 0.0);
}

/// The seconds at which a plan syncs, if each sync ends like this and takes no time.
fn rhythm(plan: &mut Plan, ended: Ended, from: f64, number: usize) -> Vec<f64> {
    let mut now = from;
    let mut pauses = Vec::new();
    while pauses.len() < number {
        match plan.next(at(now)) {
            Next::Now => sync(plan, ended, now),
            Next::Wait(wait) => {
                pauses.push((wait.as_secs_f64() * 10.0).round() / 10.0);
                now += wait.as_secs_f64();
            }
        }
    }
    pauses
}

#[test]
fn the_longer_nothing_happens_the_less_often_the_drive_is_asked() {
    let pauses = rhythm(&mut idle(), Ended::Idle, 0.0, 40);
    assert_eq!(pauses[..7], [10.0; 7], "for a minute as often as while things happen");
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert_eq!(pauses[30..], [60.0; 10], "once a minute at least: {pauses:?}");
}

#[test]
fn where_changes_are_not_heard_it_looks_as_often_as_it_may() {
    let mut plan = idle();
    plan.set_deaf(true);
    assert_eq!(rhythm(&mut plan, Ended::Idle, 0.0, 80), [10.0; 80]);
}

#[test]
fn what_happens_makes_it_quick_again() {
    let mut slow = idle();
    sync(&mut slow, Ended::Idle, 3600.0);
    assert_eq!(slow.next(at(3600.0)), Next::Wait(secs(60.0)));
    let mut after = slow.clone();
    sync(&mut after, Ended::Busy, 3660.0);
    assert_eq!(after.next(at(3660.0)), Next::Wait(secs(10.0)), "a change from elsewhere");
    slow.heard(at(3650.0), false);
    sync(&mut slow, Ended::Idle, 3651.0);
    assert_eq!(slow.next(at(3651.0)), Next::Wait(secs(10.0)), "a change here");
}

#[test]
fn failures_make_it_slower_up_to_a_bound_and_success_ends_that() {
    #[rustfmt::skip]
    let cases = [
        ("the drive is away",   Ended::Unreachable,                 [10.0, 20.0, 40.0, 60.0, 60.0]),
        ("signed out",          Ended::Trouble(None),               [10.0, 20.0, 40.0, 80.0, 160.0]),
        ("asked for patience",  Ended::Trouble(Some(secs(30.0))),   [30.0, 30.0, 40.0, 80.0, 160.0]),
        ("asked for too much",  Ended::Trouble(Some(secs(9e9))),    [300.0; 5]),
        ("locked",              Ended::Locked,                      [1.0; 5]),
    ];
    for (what, ended, pauses) in cases {
        let mut plan = idle();
        plan.hurry();
        assert_eq!(rhythm(&mut plan, ended, 0.0, 5), pauses, "{what}");
        sync(&mut plan, Ended::Busy, 4000.0);
        assert_eq!((plan.next(at(4000.0)), plan.failures), (Next::Wait(secs(10.0)), 0), "{what}");
    }
    let mut plan = idle();
    plan.hurry();
    let pauses = rhythm(&mut plan, Ended::Trouble(None), 0.0, 12);
    assert_eq!(pauses[8..], [300.0; 4], "never more than five minutes: {pauses:?}");
}

/// At which second something is heard, and whether a file is still open.
type Noises<'a> = &'a [(f64, bool)];

#[test]
fn files_are_synced_once_they_are_quiet() {
    #[rustfmt::skip]
    let cases: [(&str, Noises<'_>, f64); 6] = [
        ("one change",                      &[(1.0, false)],                            1.4),
        ("a copy under way",                &[(1.0, false), (1.3, false), (1.6, false)], 2.0),
        ("a file that is still open",       &[(1.0, true)],                             11.0),
        ("one that is closed after that",   &[(1.0, true), (4.0, false)],               4.4),
        ("the poll waits for it, too",      &[(9.0, true), (12.0, true)],               22.0),
        ("until it was put off for long",
            &[(1.0, true), (8.0, true), (17.0, true), (26.0, true), (35.0, true), (44.0, true),
              (53.0, true)],                                                            61.0),
    ];
    for (what, heard, due) in cases {
        let mut plan = idle();
        for (second, writing) in heard {
            assert!(matches!(plan.next(at(*second)), Next::Wait(_)), "{what}: at {second}");
            plan.heard(at(*second), *writing);
        }
        let last = heard.last().map_or(0.0, |(second, _)| *second);
        assert_eq!(plan.next(at(last)), Next::Wait(secs(due) - secs(last)), "{what}");
        assert_eq!(plan.next(at(due)), Next::Now, "{what}");
    }
}

#[test]
fn a_change_during_a_sync_is_for_the_next_one() {
    let mut plan = idle();
    plan.heard(at(1.0), false);
    plan.begun(at(1.4));
    plan.heard(at(2.0), false);
    plan.ended(Ended::Busy, at(3.0), 0.0);
    assert_eq!(plan.next(at(3.0)), Next::Now);
    sync(&mut plan, Ended::Idle, 3.0);
    assert_eq!(plan.next(at(3.0)), Next::Wait(secs(10.0)), "and no more than one");
}

#[test]
fn what_is_not_quiet_when_a_sync_begins_is_for_another_one() {
    let mut plan = idle();
    plan.heard(at(1.0), false);
    plan.hurry();
    sync(&mut plan, Ended::Idle, 1.1);
    assert_eq!(plan.next(at(1.1)), Next::Wait(secs(0.3)));
    plan.heard(at(1.2), true);
    plan.heard(at(55.0), true);
    assert_eq!(plan.next(at(61.1)), Next::Now, "it was put off for long");
    sync(&mut plan, Ended::Idle, 61.1);
    assert_eq!(plan.next(at(61.1)), Next::Wait(secs(65.0) - secs(61.1)), "and is still written");
}

#[test]
fn a_sync_that_left_files_alone_is_followed_by_another_one() {
    let mut plan = idle();
    plan.left_restless(at(0.0));
    assert_eq!(rhythm(&mut plan, Ended::Idle, 0.0, 3), [1.0, 10.0, 10.0]);
}

#[test]
fn a_change_while_the_drive_is_away_makes_one_more_try() {
    let mut plan = idle();
    plan.heard(at(1.0), false);
    sync(&mut plan, Ended::Locked, 2.0);
    assert_eq!(plan.next(at(2.0)), Next::Wait(secs(1.0)));
    for second in [3.0, 20.0, 50.0] {
        plan.hurry();
        sync(&mut plan, Ended::Unreachable, second);
    }
    plan.heard(at(51.0), false);
    assert_eq!(plan.next(at(51.0)), Next::Wait(secs(9.0)), "an edit is sent ten seconds later");
    sync(&mut plan, Ended::Unreachable, 60.0);
    assert_eq!(plan.next(at(60.0)), Next::Wait(secs(60.0)), "and then as before");
    sync(&mut plan, Ended::Busy, 120.0);
    assert_eq!(plan.next(at(120.0)), Next::Wait(secs(10.0)));
}

#[test]
fn a_sleep_is_seen_by_the_two_clocks_and_a_set_clock_is_none() {
    #[rustfmt::skip]
    let cases: [(&str, f64, i64, Option<f64>); 5] = [
        ("awake all the time",          60.0, 60,       None),
        ("the clock was corrected",     5.0,  15,       None),
        ("slept for an hour",           5.0,  3605,     Some(3600.0)),
        ("the clock was put back",      5.0,  -100_000, None),
        ("time stands still",           0.0,  0,        None),
    ];
    for (what, awake, wall, slept) in cases {
        let mut plan = idle();
        plan.hurry();
        sync(&mut plan, Ended::Unreachable, 0.0);
        let wall = Timestamp::from_micros(START + wall * 1_000_000);
        let now = Moment { awake: secs(awake), wall };
        assert_eq!(plan.look(now), slept.map(secs), "{what}");
        assert_eq!(plan.look(now), None, "{what}: told once");
        if slept.is_some() {
            assert_eq!(plan.next(now), Next::Now, "{what}");
        }
    }
}

#[test]
fn chance_makes_pauses_shorter_and_never_longer() {
    for (chance, pause) in [(0.0, 10.0), (0.5, 9.0), (1.0, 8.0), (7.0, 8.0)] {
        let mut plan = idle();
        plan.begun(at(0.0));
        plan.ended(Ended::Idle, at(0.0), chance);
        assert_eq!(plan.next(at(0.0)), Next::Wait(secs(pause)), "{chance}");
    }
}

#[test]
fn an_interval_is_kept_however_long_or_short() {
    let pace = |seconds| Pace::of_interval(Duration::from_secs(seconds));
    assert_eq!(pace(0).interval, secs(1.0), "never without a pause");
    assert_eq!((pace(3600).interval, pace(3600).slowest), (secs(3600.0), secs(3600.0)));
    assert_eq!(pace(2).slowest, secs(60.0));
}
