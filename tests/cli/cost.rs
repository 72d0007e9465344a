//! What a command asked of the drive, and what that cost of its quota.

use crate::world::World;

#[test]
fn every_command_says_what_it_cost_when_it_is_to_tell_more() {
    let world = World::logged_in();
    #[rustfmt::skip]
    let cases: [(&[&str], &str); 5] = [
        (&["sync", "--verbose"],              "1 request, 100 quota units"),
        (&["--verbose", "peer", "list"],      "1 request, 100 quota units"),
        (&["-v", "status", "--no-sync"],      "0 requests"),
        (&["job", "show", "none", "--no-sync", "-v"], "0 requests"), // also one that fails
        (&["explain", "locked", "-v"],        "0 requests"), // also one that knows no drive
    ];
    for (args, cost) in cases {
        let ended = world.run("owner", args);
        assert_eq!(ended.stderr.lines().last(), Some(cost), "{ended:?}");
        assert!(!ended.stdout.contains("quota units"), "{ended:?}");
    }
    let quiet = world.run("owner", &["peer", "list"]);
    assert!(!quiet.stderr.contains("request"), "{quiet:?}");
}

#[test]
fn json_has_requests_and_quota_units_where_the_drive_was_asked() {
    let world = World::logged_in();
    let login = world.log_in("owner", "login-do", crate::world::OWNER).done();
    assert!(login["requests"].as_u64() > Some(0) && login["quota_units"].as_u64() > Some(0));
    for args in [&["sync"][..], &["peer", "list"]] {
        let answer = world.owner(args).done();
        assert_eq!((&answer["requests"], &answer["quota_units"]), (&1.into(), &100.into()));
    }
    let answer = world.owner(&["status", "--no-sync"]).done();
    assert!(answer.get("requests").is_none() && answer.get("quota_units").is_none(), "{answer}");
    let shown = world.run("owner", &["sync"]).stderr;
    assert!(shown.contains("Everything is in step (1 request, 100 quota units)"), "{shown}");
}

/// In the order of a story, so that each finds something to do.
#[test]
fn what_every_command_says_is_what_the_drive_has_counted() {
    let world = World::working();
    let script = world.file("count.sh", "echo 1\n");
    let (script, mock) = (script.to_str().unwrap(), world.file("other.csv", "a\n2\n"));
    let (mock, private) = (mock.to_str().unwrap(), world.file("private2.csv", "a\n43\n"));
    let made =
        ["dataset", "create", "other", "--mock", mock, "--private", private.to_str().unwrap()];
    let (owner, scientist) = (crate::world::OWNER, crate::world::SCIENTIST);
    std::fs::write(world.datasite("notes.txt"), "x").unwrap();
    #[rustfmt::skip]
    let story: &[(&str, &[&str])] = &[
        ("owner", &["sync"]), ("owner", &["sync", "--full"]), ("owner", &["sync", "--dry-run"]),
        ("owner", &["status"]), ("owner", &["peer", "list"]), ("scientist", &["peer", "list"]),
        ("owner", &made), ("owner", &["dataset", "list"]), ("owner", &["dataset", "show", "other"]),
        ("owner", &["dataset", "share", "other", "--users", scientist]),
        ("scientist", &["sync"]), ("scientist", &["dataset", "list"]),
        ("owner", &["dataset", "unshare", "other", "--users", scientist]),
        ("owner", &["dataset", "delete", "other"]),
        ("scientist", &["job", "submit", script, "--to", owner, "--bash", "--name", "count"]),
        ("owner", &["job", "list"]), ("owner", &["job", "show", "count"]),
        ("owner", &["job", "reject", "count", "--reason", "no"]),
        ("scientist", &["job", "list"]), ("scientist", &["job", "show", "count"]),
        ("owner", &["checkpoint", "create"]), ("owner", &["checkpoint", "status"]),
        ("owner", &["perm", "grant", "w/", "--user", scientist, "--level", "read"]),
        ("owner", &["orphans"]), ("owner", &["doctor"]),
        ("owner", &["delete", "--dry-run"]), ("owner", &["delete", "--yes"]),
        ("scientist", &["delete", "--yes"]),
    ];
    let mut asked = 0;
    for (who, args) in story {
        let before = world.requests();
        let ended = world.run(who, &[&["--json", "-v"], *args].concat());
        let counted = world.requests() - before;
        asked += usize::from(counted > 0);
        let said = ended.stderr.lines().last().unwrap_or_default();
        let word = if counted == 1 { "request" } else { "requests" };
        assert!(said.starts_with(&format!("{counted} {word}")), "{args:?}: {counted}: {ended:?}");
        assert_eq!(said.contains("quota units"), counted > 0, "{ended:?}");
        let answer = ended.json();
        assert!(answer.get("error").is_none(), "{args:?}: {ended:?}");
        if counted > 0 {
            assert_eq!(answer["requests"], counted, "{args:?}: {answer}");
            assert!(answer["quota_units"].as_u64() > Some(0), "{args:?}: {answer}");
        }
    }
    assert!(asked >= 20, "only {asked} of {} have asked the drive", story.len());
}
