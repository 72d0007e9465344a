//! Every request of a session in turn fails: the end is the same.

use drive_server::{Fault, Outcome, When};

use super::session::{End, Parties};
use super::world::World;

/// A way to fail. Where it hits more than once, the Drive client gives up and a step fails.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The connection ends, and nothing was done.
    DroppedBefore,
    /// It was done, and nobody says so.
    DroppedAfter,
    /// The service has a hiccup, and nothing was done.
    UnavailableBefore,
    /// It was done, and the service says that it failed.
    FailedAfter,
    /// Too many requests, said as Drive says it.
    LimitedBefore,
    /// The answer breaks off.
    CutAfter,
    /// This request fails, and all further ones while the Drive client tries again.
    Outage,
    /// The same, but everything is done.
    DeafOutage,
}

impl Way {
    fn fault(self) -> Fault {
        let status = |status, reason: &str| Outcome::Status { status, reason: reason.to_owned() };
        match self {
            Self::DroppedBefore => Fault::new(When::Before, Outcome::Drop),
            Self::DroppedAfter => Fault::new(When::After, Outcome::Drop),
            Self::UnavailableBefore => Fault::new(When::Before, status(503, "backendError")),
            Self::FailedAfter => Fault::new(When::After, status(500, "internalError")),
            Self::LimitedBefore => Fault::new(When::Before, status(403, "rateLimitExceeded")),
            Self::CutAfter => Fault::new(When::After, Outcome::Cut { bytes: 5 }),
            Self::Outage => Fault::new(When::Before, status(503, "backendError")).times(6),
            Self::DeafOutage => Fault::new(When::After, status(503, "backendError")).times(6),
        }
    }
}

/// Plays the session, and returns how it ended, its requests, and how many attempts failed.
async fn play(fault: Option<(u64, Way)>) -> (End, u64, usize) {
    let world = World::new().await;
    if let Some((number, way)) = fault {
        world.server.faults().push(way.fault().skip(number));
    }
    let mut parties = Parties::new(&world);
    let failed = parties.play().await;
    let requests = world.server.requests();
    world.server.faults().clear();
    (parties.end().await, requests, failed)
}

/// Plays the session with a fault at every request, or at every `stride`th unless all are
/// asked for. Returns how many attempts failed.
async fn at_every(stride: usize, ways: &[Way]) -> usize {
    let (undisturbed, requests, failed) = play(None).await;
    assert_eq!(failed, 0, "an undisturbed session does not fail");
    assert!(requests > 40, "{requests} requests are too few to show anything");
    let wants_all = std::env::var("SYFT_FAULTS").is_ok_and(|said| said == "all");
    let mut failures = 0;
    for (start, way) in ways.iter().enumerate() {
        // Ways that share a test start apart, so that together they meet more requests.
        let (start, stride) = if wants_all { (0, 1) } else { (start * 2 % stride, stride) };
        for number in (start as u64..requests).step_by(stride) {
            let (end, _, failed) = play(Some((number, *way))).await;
            end.must_be(&undisturbed, &format!("request {number} of {requests}, {way:?}"));
            failures += failed;
        }
    }
    failures
}

#[tokio::test]
async fn a_request_that_was_not_done_changes_nothing_in_the_end() {
    at_every(5, &[Way::DroppedBefore, Way::UnavailableBefore, Way::LimitedBefore]).await;
}

#[tokio::test]
async fn a_request_that_was_done_but_not_answered_changes_nothing_in_the_end() {
    at_every(2, &[Way::DroppedAfter]).await;
}

#[tokio::test]
async fn a_request_that_was_done_and_answered_wrong_changes_nothing_in_the_end() {
    at_every(5, &[Way::FailedAfter, Way::CutAfter]).await;
}

#[tokio::test]
async fn an_outage_from_any_request_on_changes_nothing_in_the_end() {
    let failures = at_every(3, &[Way::Outage]).await;
    assert!(failures > 12, "{failures} failures are too few: were there outages?");
}

#[tokio::test]
async fn an_outage_that_hides_what_was_done_changes_nothing_in_the_end() {
    let failures = at_every(5, &[Way::DeafOutage]).await;
    assert!(failures > 5, "{failures} failures are too few: were there outages?");
}
