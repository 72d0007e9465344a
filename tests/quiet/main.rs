//! Nothing phones home: the program speaks with the drive that it was told of, and with nobody else.
//!
//! The commands are run in a network namespace of their own, in which every address of the world
//! leads back to the same machine, so that nothing stops whoever wants out. The kernel counts in it:
//! each connection that any process begins, each one that somebody there accepts, each datagram,
//! which a look-up of a name would be. Only our drive listens. So if as many connections were begun
//! as accepted, and no datagram was sent, nothing but the drive was spoken to, by whatever code, in
//! whatever library. What speaks over a Unix socket with a process outside is not seen.
//!
//! Needs `unshare` and `ip`, and user namespaces as the sandbox of jobs does.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::Command;
use std::time::Duration;

#[path = "../sign_in/browser.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod browser;
#[path = "../cli/world.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod world;

use world::{OWNER, Running, SCIENTIST, World, program, token};

/// The counters of the kernel for this namespace, by `Tcp ActiveOpens` and the like.
fn counters() -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    let text = std::fs::read_to_string("/proc/net/snmp").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks(2) {
        let (names, values) = (pair[0].split_whitespace(), pair[1].split_whitespace());
        let group = pair[0].split(':').next().unwrap();
        for (name, value) in names.zip(values).skip(1) {
            counters.insert(format!("{group} {name}"), value.parse().unwrap_or(0));
        }
    }
    let text = std::fs::read_to_string("/proc/net/snmp6").unwrap_or_default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next().unwrap(), words.next().unwrap());
        counters.insert(name.to_owned(), value.parse().unwrap_or(0));
    }
    counters
}

/// What was done since `before`: connections begun, connections accepted, and all else that would
/// have left this machine.
fn since(before: &BTreeMap<String, u64>) -> (u64, u64, u64) {
    let now = counters();
    let grown = |name: &str| {
        let (was, is) = (before.get(name), now.get(name));
        is.copied().unwrap_or(0) - was.copied().unwrap_or(0)
    };
    let others = ["Udp OutDatagrams", "Udp6OutDatagrams", "Ip OutNoRoutes", "Ip6OutNoRoutes"];
    let others = others.iter().map(|name| grown(name)).sum();
    (grown("Tcp ActiveOpens"), grown("Tcp PassiveOpens"), others)
}

/// The ports on which anybody listens here.
fn listeners() -> Vec<u16> {
    const LISTENS: &str = "0A";
    let mut ports = Vec::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in std::fs::read_to_string(file).unwrap_or_default().lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words[3] == LISTENS {
                let port = words[1].rsplit(':').next().unwrap();
                ports.push(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    ports
}

#[test]
fn nothing_but_the_drive_is_spoken_with() {
    let itself = std::env::current_exe().unwrap();
    let inside = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net"])
        .arg(itself)
        .args(["--exact", "within_the_namespace", "--ignored", "--nocapture"])
        .output();
    let output = match inside {
        Ok(output) => output,
        Err(_) if std::env::var_os("SYFT_TEST_NO_SANDBOX").is_some() => return,
        Err(error) => panic!("`unshare`: {error}; SYFT_TEST_NO_SANDBOX=1 goes on without"),
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if said.starts_with("unshare:") && std::env::var_os("SYFT_TEST_NO_SANDBOX").is_some() {
        return;
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "needs a network namespace of its own, which the test above makes"]
fn within_the_namespace() {
    let links = std::fs::read_to_string("/proc/net/dev").unwrap();
    assert_eq!(links.lines().count(), 2 + 1, "no device but the one that leads back:\n{links}");
    for args in ["link set lo up", "route add local default dev lo"] {
        assert!(Command::new("ip").args(args.split(' ')).status().unwrap().success(), "{args}");
    }
    // A machine without the sixth version has no way out by it either.
    Command::new("ip").args("-6 route add local default dev lo".split(' ')).output().unwrap();

    let before = counters();
    let world = World::working();
    let drive: SocketAddr =
        world.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    run_all(&world);
    sign_in(&world);
    watch(&world);
    let (begun, accepted, others) = since(&before);
    assert_eq!(listeners(), [drive.port()], "somebody else listens");
    assert!(begun > 20, "{begun} connections are too few to show anything");
    assert_eq!(begun, accepted, "somebody else was called");
    assert_eq!(others, 0, "something was sent that is no connection to the drive");

    the_counters_would_tell();
}

/// Every command that speaks with the drive.
fn run_all(world: &World) {
    let code = world.file("main.py", "print(1)\n");
    let code = code.to_str().unwrap();
    let mock = world.file("more.csv", "a\n3\n");
    let private = world.file("more_private.csv", "a\n434343\n");
    let (mock, private) = (mock.to_str().unwrap(), private.to_str().unwrap());
    let owners: [&[&str]; 17] = [
        &["status"],
        &["sync", "--full"],
        &["sync", "--dry-run"],
        &["peer", "list", "--versions"],
        &["dataset", "list"],
        &["dataset", "create", "more", "--mock", mock, "--private", private, "--upload-private"],
        &["dataset", "unshare", "census", "--users", SCIENTIST],
        &["dataset", "share", "census", "--users", "any"],
        &["keys", "create"],
        &["sync"],
        &["checkpoint", "create"],
        &["orphans"],
        &["orphans", "--delete", "--yes"],
        &["bug-report"],
        &["explain", "locked"],
        &["perm", "explain", "public/", "--user", SCIENTIST],
        &["sync", "--rebuild"],
    ];
    for args in owners {
        let ended = world.owner(args);
        assert!([0, 3].contains(&ended.exit), "{args:?}: {ended:?}");
    }
    let scientists: [&[&str]; 7] = [
        &["status"],
        &["sync"],
        &["dataset", "list"],
        &["job", "submit", "--to", OWNER, "--name", "one", code],
        &["job", "list"],
        &["orphans"],
        &["bug-report"],
    ];
    for args in scientists {
        let ended = world.scientist(args);
        assert!([0, 3].contains(&ended.exit), "{args:?}: {ended:?}");
    }
    for args in [&["job", "list"][..], &["job", "approve", "one"], &["peer", "list"]] {
        let ended = world.owner(args);
        assert!([0, 3].contains(&ended.exit), "{args:?}: {ended:?}");
    }
    assert_eq!(world.log_in("owner", "login-do", OWNER).exit, 0);
}

/// A sign-in that is renewed at the server of sign-ins, which is our drive too, and the doctor who
/// looks at it all.
fn sign_in(world: &World) {
    let file = world.file("token.json", &expired_token(&world.url));
    std::fs::create_dir(world.home("renewing")).unwrap();
    let login = ["--json", "login-do", "--email", OWNER, "--drive", &world.url, "--token-path"];
    let ended = world.run("renewing", &[&login[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(ended.exit, 0, "{ended:?}");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("ya29.long-ago"), "it was renewed");
    for home in ["renewing", "owner", "scientist"] {
        let ended = world.run(home, &["doctor"]);
        assert!([0, 1, 3].contains(&ended.exit) && ended.stdout.contains("drive"), "{ended:?}");
    }
    assert_eq!(world.run("renewing", &["logout"]).exit, 0);
}

/// What a sign-in in a browser left long ago.
fn expired_token(drive: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let at =
        |path: &str| url::Url::parse(&format!("{}/{path}", drive.trim_end_matches('/'))).unwrap();
    let back = "http://127.0.0.1:9/";
    let mut page = at("o/oauth2/auth");
    page.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "syft"),
        ("redirect_uri", back),
        ("state", "s"),
    ]);
    let secret = token(OWNER);
    let granted = runtime.block_on(async {
        let typed = [("email", OWNER), ("secret", secret.as_str())];
        let target = browser::get(&page).await.submit(&page, &typed, "allow").await.target();
        let code = target.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("client_id", "syft"),
            ("redirect_uri", back),
        ];
        browser::post(&at("token"), &form).await
    });
    let (_, body) = granted.text.split_once("\r\n\r\n").unwrap();
    let granted: serde_json::Value = serde_json::from_str(body).unwrap();
    serde_json::json!({
        "token": "ya29.long-ago", "refresh_token": granted["refresh_token"],
        "token_uri": at("token").as_str(), "client_id": "syft", "client_secret": "",
        "expiry": "2020-01-01T00:00:00Z",
    })
    .to_string()
}

/// A watch that hears of a change, and syncs it.
fn watch(world: &World) {
    let args = ["sync", "--watch", "--interval", "1"];
    let mut watch = Running(program(&world.home("owner")).args(args).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stderr.take().unwrap()).lines();
    let mut until =
        |words: &str| lines.by_ref().map(Result::unwrap).find(|line| line.contains(words));
    assert!(until("Watching").is_some());
    std::fs::write(world.datasite("public/watched.txt"), "news").unwrap();
    assert!(until("1 sent").is_some(), "the watch ended");
}

/// A program that called somebody else, or looked up a name, would have been noticed.
fn the_counters_would_tell() {
    let before = counters();
    let elsewhere = SocketAddr::from(([203, 0, 113, 1], 443));
    TcpStream::connect_timeout(&elsewhere, Duration::from_secs(5)).unwrap_err();
    let (begun, accepted, _) = since(&before);
    assert_eq!((begun, accepted), (1, 0));
    let before = counters();
    ("telemetry.example.org", 443).to_socket_addrs().map(drop).unwrap_err();
    let (_, _, others) = since(&before);
    assert!(others > 0, "the system looks names up in a way that is not seen here");
}

/// Libraries that report what a program does to somebody.
const REPORTERS: &[&str] = &[
    "amplitude",
    "analytics",
    "appinsights",
    "applicationinsights",
    "backtrace-io",
    "bugsnag",
    "crash-handler",
    "crashpad",
    "datadog",
    "dogstatsd",
    "google-analytics",
    "heap",
    "honeycomb",
    "human-panic",
    "libhoney",
    "metrics-exporter",
    "minidump",
    "mixpanel",
    "newrelic",
    "opentelemetry",
    "plausible",
    "posthog",
    "raygun",
    "rollbar",
    "rudderstack",
    "rudderanalytics",
    "segment",
    "sentry",
    "statsd",
    "telemetry",
    "tracing-loki",
    "tracing-opentelemetry",
];

fn is_reporter(package: &str) -> bool {
    REPORTERS.iter().any(|name| {
        package == *name
            || package.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '_']))
            || package.ends_with(&format!("-{name}"))
    })
}

#[test]
fn no_library_that_reports_to_somebody_is_linked() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \""));
    let packages: Vec<&str> = names.map(|name| name.trim_end_matches('"')).collect();
    assert!(packages.len() > 100 && packages.contains(&"tokio"), "{}", packages.len());
    let found: Vec<&&str> = packages.iter().filter(|package| is_reporter(package)).collect();
    assert!(found.is_empty(), "{found:?}");
    for package in ["sentry", "sentry-core", "opentelemetry-otlp", "posthog-rs", "aws-telemetry"] {
        assert!(is_reporter(package), "{package}");
    }
    for package in ["segmented", "heapless", "unicode-segmentation", "tracing", "backtrace"] {
        assert!(!is_reporter(package), "{package}");
    }
}
