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
